//! Time limits of client connections.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Time limits of connections, and how an entrypoint ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Transport {
    /// The end of an entrypoint.
    pub life_cycle: LifeCycle,
    /// Limits of one connection.
    pub responding_timeouts: RespondingTimeouts,
    /// A connection older than this is closed after its next answer; 0 means never.
    #[serde(with = "mesh_config::duration")]
    pub keep_alive_max_time: Duration,
    /// A connection is closed after this many requests; 0 means never.
    pub keep_alive_max_requests: u64,
}

/// How an entrypoint stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LifeCycle {
    /// How long new connections are still accepted after readiness failed, so that load balancers notice.
    #[serde(with = "mesh_config::duration")]
    pub request_accept_grace_timeout: Duration,
    /// How long requests in flight may take after that; then they are cut.
    #[serde(with = "mesh_config::duration")]
    pub grace_time_out: Duration,
}

impl Default for LifeCycle {
    fn default() -> Self {
        Self {
            request_accept_grace_timeout: Duration::ZERO,
            grace_time_out: Duration::from_secs(10),
        }
    }
}

/// Limits of one client connection; zero means none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RespondingTimeouts {
    /// From the first byte of a TLS handshake to its end.
    #[serde(with = "mesh_config::duration")]
    pub tls_handshake_timeout: Duration,
    /// From the first byte of a request until its head is complete.
    #[serde(with = "mesh_config::duration")]
    pub read_header_timeout: Duration,
    /// Longest wait for the next bytes of a request's body; also bounds the head.
    #[serde(with = "mesh_config::duration")]
    pub read_timeout: Duration,
    /// Bytes of a body that a client has to send for each second that it is waited for, so that nobody keeps a
    /// server busy with a byte now and then.
    pub min_body_rate: u64,
    /// How long a client is waited for beside that.
    #[serde(with = "mesh_config::duration")]
    pub body_grace_time: Duration,
    /// Longest wait until the client takes further bytes of an answer.
    #[serde(with = "mesh_config::duration")]
    pub write_timeout: Duration,
    /// How long a connection may wait for its next request.
    #[serde(with = "mesh_config::duration")]
    pub idle_timeout: Duration,
    /// How long a WebSocket may be silent both ways.
    #[serde(with = "mesh_config::duration")]
    pub tunnel_idle_timeout: Duration,
    /// How long a client over HTTP/1.1 that has ended its side of the connection is taken to wait for its answer.
    #[serde(with = "mesh_config::duration")]
    pub half_closed_timeout: Duration,
}

impl Default for RespondingTimeouts {
    fn default() -> Self {
        Self {
            tls_handshake_timeout: Duration::from_secs(10),
            read_header_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            min_body_rate: 100,
            body_grace_time: Duration::from_secs(30),
            write_timeout: Duration::from_secs(10 * 60),
            idle_timeout: Duration::from_secs(180),
            tunnel_idle_timeout: Duration::from_secs(60 * 60),
            half_closed_timeout: Duration::from_secs(30),
        }
    }
}

/// The longest wait that a setting of 0 stands for where there has to be one.
const AGES: Duration = Duration::from_secs(24 * 60 * 60);

impl RespondingTimeouts {
    /// The limit of a TLS handshake.
    pub fn handshake(&self) -> Duration {
        match self.tls_handshake_timeout {
            Duration::ZERO => AGES,
            limit => limit,
        }
    }

    /// The limit of a request's head: the shorter of the two that bound it.
    pub fn head(&self) -> Option<Duration> {
        [self.read_header_timeout, self.read_timeout]
            .into_iter()
            .filter(|limit| !limit.is_zero())
            .min()
    }
}

//! Servers transports: how Mesh connects to servers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How connections to servers are made and kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ServersTransport {
    /// Idle connections kept for each server, for the whole process; negative keeps none.
    pub max_idle_conns_per_host: i64,
    /// Time limits.
    pub forwarding_timeouts: ForwardingTimeouts,
}

impl Default for ServersTransport {
    fn default() -> Self {
        Self {
            max_idle_conns_per_host: 200,
            forwarding_timeouts: ForwardingTimeouts::default(),
        }
    }
}

/// Time limits towards servers; zero means none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ForwardingTimeouts {
    /// Until a connection stands.
    #[serde(with = "crate::duration")]
    pub dial_timeout: Duration,
    /// From the end of the request until the head of the answer.
    #[serde(with = "crate::duration")]
    pub response_header_timeout: Duration,
    /// How long an idle connection is kept.
    #[serde(with = "crate::duration")]
    pub idle_conn_timeout: Duration,
    /// Longest silence of a server in the middle of an answer's body.
    #[serde(with = "crate::duration")]
    pub read_timeout: Duration,
    /// Longest wait until a server takes further bytes of a request.
    #[serde(with = "crate::duration")]
    pub write_timeout: Duration,
}

impl Default for ForwardingTimeouts {
    fn default() -> Self {
        Self {
            dial_timeout: Duration::from_secs(30),
            response_header_timeout: Duration::ZERO,
            idle_conn_timeout: Duration::from_secs(90),
            read_timeout: Duration::from_secs(60 * 60),
            write_timeout: Duration::from_secs(10 * 60),
        }
    }
}

//! One server of a service, and what is counted for it across tables.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use mesh_config::{
    Origin,
    instance::Lifecycle,
    model::{Scheme, ServerUrl},
};
use serde::Serialize;

use super::{
    Outcome, Upgrades,
    health::{CheckStatus, ServerHealth},
};
use crate::upstream::Transport;

/// Tells servers apart, also across tables: the same URL of the same service keeps its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServerId(u64);

/// One server of a load balancer in one table.
#[derive(Debug)]
pub struct Server {
    /// Where it is.
    pub url: ServerUrl,
    /// The same as logs write it.
    pub label: Arc<str>,
    /// `host:port`, with brackets around an IPv6 address.
    pub authority: Arc<str>,
    /// The service it belongs to, as logs and metrics write it: `web@file`.
    pub service: Arc<str>,
    /// Its share; 0 takes it out.
    pub weight: u32,
    /// Send the client's Host; off, [`Self::authority`] is sent.
    pub pass_host_header: bool,
    /// Protocols that it may be asked to go on with.
    pub upgrades: Upgrades,
    /// Put the path of the URL in front of the request's.
    pub preserve_path: bool,
    /// How connections to it are made. The same `Arc` as long as the transport's definition is the same.
    pub transport: Arc<Transport>,
    /// What its provider knows of it.
    pub lifecycle: Lifecycle,
    /// Why it is not ready, in the provider's words.
    pub reason: Option<String>,
    /// Who it is.
    pub origin: Origin,
    /// Its counters; they survive tables.
    pub state: Arc<ServerState>,
    /// What active checks found; `None` without checks. Survives tables that do not change the check.
    pub health: Option<Arc<ServerHealth>>,
}

/// Whether a server may be chosen, in the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// Gets requests.
    Ready,
    /// Not known to serve yet: gets requests only while no server is ready.
    Untested,
    /// On its way out: finishes what it has and gets nothing new.
    Draining,
    /// Gets none.
    Out,
}

impl Standing {
    /// True if new requests may go there.
    pub fn takes_requests(self) -> bool {
        matches!(self, Self::Ready | Self::Untested)
    }
}

impl Server {
    /// Tells it apart from other servers.
    pub fn id(&self) -> ServerId {
        self.state.id
    }

    /// Whether it may be chosen now. Two relaxed loads.
    pub fn standing(&self) -> Standing {
        if self.weight == 0 {
            return Standing::Out;
        }
        let checked = self.health.as_ref().map(|health| health.status());
        match (self.lifecycle, checked) {
            (Lifecycle::Unhealthy, _) | (_, Some(CheckStatus::Down)) => Standing::Out,
            (Lifecycle::Draining, _) => Standing::Draining,
            (Lifecycle::Ready, None) | (_, Some(CheckStatus::Up)) => Standing::Ready,
            (Lifecycle::Starting, None) | (_, Some(CheckStatus::Untested)) => Standing::Untested,
        }
    }

    /// Why it does not get requests like any other; `None` when it does.
    pub fn obstacle(&self) -> Option<String> {
        let provider = |what: &str| match &self.reason {
            Some(reason) => format!("{what}: {reason}"),
            None => what.to_owned(),
        };
        if self.weight == 0 {
            return Some("its weight is 0".to_owned());
        }
        if self.lifecycle == Lifecycle::Unhealthy {
            return Some(provider("unhealthy by its provider"));
        }
        if let Some(health) = &self.health
            && health.status() == CheckStatus::Down
        {
            return Some(format!("health check failed: {}", health.reason()));
        }
        match self.standing() {
            Standing::Ready | Standing::Out => None,
            Standing::Draining => Some(provider("draining")),
            Standing::Untested if self.health.is_some() => Some("no health check answered yet".to_owned()),
            Standing::Untested => Some(provider("starting")),
        }
    }

    /// True if requests may share a connection to it.
    pub(crate) fn may_share(&self) -> bool {
        match self.url.scheme {
            Scheme::Http => false,
            Scheme::H2c => true,
            Scheme::Https => !self.transport.disable_http2,
        }
    }

    /// Learns what became of an attempt that `began` then. Called once per attempt, by [`Attempt`](super::Attempt).
    /// The clock is asked only by who needs it.
    pub(super) fn observe(&self, outcome: Outcome, began: Instant, clock: impl Fn() -> Instant) {
        let _ = (outcome, began, clock);
    }

    /// What the API and `explain` show of it.
    pub fn info(&self) -> ServerInfo {
        let standing = self.standing();
        ServerInfo {
            url: self.url.to_string(),
            weight: self.weight,
            status: if standing == Standing::Out { "DOWN" } else { "UP" },
            standing,
            obstacle: self.obstacle(),
            in_flight: self.state.in_flight(),
            origin: self.origin.clone(),
        }
    }
}

/// A server as the API and `explain` show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerInfo {
    /// Where it is.
    pub url: String,
    /// Its share.
    pub weight: u32,
    /// `UP` or `DOWN`.
    pub status: &'static str,
    /// Whether it may be chosen.
    pub standing: Standing,
    /// Why it does not get requests like any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<String>,
    /// Requests it is answering now.
    pub in_flight: usize,
    /// Who it is.
    pub origin: Origin,
}

/// What is counted for a server; shared by all tables that hold it.
#[derive(Debug)]
pub struct ServerState {
    id: ServerId,
    in_flight: AtomicUsize,
}

impl ServerState {
    /// The state of a server never seen before.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: ServerId(NEXT.fetch_add(1, Ordering::Relaxed)),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// Counts one request until the returned guard is dropped.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    /// Requests that it is answering now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// A request that a server is answering.
#[derive(Debug)]
pub struct InFlight(Arc<ServerState>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

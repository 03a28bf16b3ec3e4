//! One server of a service, and what is counted for it across tables.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::stream::{FuturesUnordered, StreamExt as _};
use mesh_config::{
    Origin, duration,
    instance::Lifecycle,
    model::{Scheme, ServerUrl},
};
use mesh_telemetry::timestamp::Timestamp;
use serde::Serialize;

use super::{
    Cause, Outcome, PassiveHealth, Standing, Terms, Upgrades,
    canary::{Stopped, Trial},
    clock::{Moment, micros},
    departure::Departure,
    health::ServerHealth,
    latency::Latency,
    standing::Known,
};
use crate::upstream::Transport;

/// What an attempt that failed counts for at least: else a server would be chosen for failing fast.
const FAILURE: Duration = Duration::from_secs(1);

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
    /// The zone it is in; empty where that is not known.
    pub zone: Box<str>,
    /// It is one of the canaries of its service.
    pub canary: bool,
    /// How those do; `None` where nobody wants to know.
    pub(crate) trial: Option<Arc<Trial>>,
    /// Send the client's Host; off, [`Self::authority`] is sent.
    pub pass_host_header: bool,
    /// Protocols that it may be asked to go on with.
    pub upgrades: Upgrades,
    /// Put the path of the URL in front of the request's.
    pub preserve_path: bool,
    /// How connections to it are made. The same `Arc` as long as the transport's definition is the same.
    pub transport: Arc<Transport>,
    /// How often and how long its service tries.
    pub(crate) terms: Arc<Terms>,
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
    /// What its requests told; `None` where nobody listens. Survives tables as well.
    pub passive: Option<Arc<PassiveHealth>>,
    /// Its service wants to know how long it takes.
    pub is_timed: bool,
}

impl Server {
    /// Tells it apart from other servers.
    pub fn id(&self) -> ServerId {
        self.state.id
    }

    /// Whether it may be chosen now. A few relaxed loads.
    pub fn standing(&self) -> Standing {
        self.verdict().0
    }

    /// The same, and what it comes from.
    pub fn verdict(&self) -> (Standing, Cause) {
        Known {
            has_weight: self.weight > 0,
            lifecycle: self.lifecycle,
            probes: self.health.as_ref().map(|health| health.status()),
            ejected: self.passive.as_ref().is_some_and(|passive| passive.is_ejected()),
            stopped: self.is_stopped(),
            drained: self.lifecycle == Lifecycle::Draining && self.state.departure.is_over(),
            deserted: self.lifecycle == Lifecycle::Draining && self.state.departure.is_deserted(),
        }
        .verdict()
    }

    /// Why it does not get requests like any other; `None` when it does.
    pub fn obstacle(&self) -> Option<String> {
        let provider = |what: &str| match &self.reason {
            Some(reason) => format!("{what}: {reason}"),
            None => what.to_owned(),
        };
        let (_, cause) = self.verdict();
        Some(match cause {
            Cause::Nothing => return None,
            Cause::Weight => "its weight is 0".to_owned(),
            Cause::Provider => provider("unhealthy by its provider"),
            Cause::Probes => {
                let reason = self.health.as_ref().map(|health| health.reason());
                format!("health check failed: {}", reason.unwrap_or_default())
            }
            Cause::Requests => {
                let reason = self.passive.as_ref().map(|passive| passive.reason());
                format!("ejected: {}", reason.unwrap_or_default())
            }
            Cause::Canary => {
                let reason = self.trial.as_ref().map(|trial| trial.reason());
                format!("canary stopped: {}", reason.unwrap_or_default())
            }
            Cause::Drained => provider("drained"),
            Cause::Deserted => provider("draining, and takes nobody back"),
            Cause::Leaving => provider("draining"),
            Cause::Unprobed => "no health check answered yet".to_owned(),
            Cause::Starting => provider("starting"),
        })
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
        if outcome == Outcome::Unreachable {
            self.state.end_sessions();
        }
        if let Some(failed) = outcome.failed() {
            self.state.set_doubt(!matches!(outcome, Outcome::Answered(_)));
            if let Some(passive) = &self.passive {
                self.judge(passive, failed, began, &clock);
            }
            if let Some(trial) = &self.trial {
                self.compare(trial, failed, &clock);
            }
        }
        if !self.is_timed || outcome == Outcome::Unsent {
            return;
        }
        let ended = clock();
        let (took, now) = (ended.saturating_duration_since(began), micros(ended));
        match outcome {
            Outcome::Answered(status) if !status.is_server_error() => self.state.latency.record(took, now),
            Outcome::Abandoned => self.state.latency.record_at_least(took, now),
            _ => self.state.latency.record(took.max(FAILURE), now),
        }
    }

    fn judge(&self, passive: &PassiveHealth, failed: bool, began: Instant, clock: &impl Fn() -> Instant) {
        if !failed {
            passive.succeed(clock);
        } else if let Some(ejected) = passive.fail(began, clock()) {
            let (service, server, reason) = (&self.service, &self.url, &ejected.reason);
            let length = ejected.length.map(duration::format);
            let length = length.as_deref().unwrap_or("until a health check passes");
            tracing::warn!(%service, %server, %reason, length, "server ejected");
        }
    }

    fn compare(&self, trial: &Trial, failed: bool, clock: &impl Fn() -> Instant) {
        if let Some(Stopped { canaries, stable }) = trial.count(self.canary, failed, Moment::of(clock())) {
            let service = &self.service;
            tracing::warn!(%service, failed = canaries, failed_of_stable = stable, "canary stopped");
        }
    }

    /// True for a canary, once those were stopped.
    fn is_stopped(&self) -> bool {
        self.canary && self.trial.as_ref().is_some_and(|trial| trial.is_stopped())
    }

    /// True if it may be used when there are too few others: not when it is on its way out, or taken out.
    pub(super) fn is_last_resort(&self) -> bool {
        self.weight > 0 && self.lifecycle != Lifecycle::Draining && !self.is_stopped()
    }

    /// Notes since when it is ready, or that it is not.
    pub(super) fn note_readiness(&self, now: Instant) {
        let since = &self.state.ready_since;
        match self.standing() {
            Standing::Ready => {
                // It was: then it stays with that.
                let _ = since.compare_exchange(0, micros(now), Ordering::Relaxed, Ordering::Relaxed);
            }
            _ => since.store(0, Ordering::Relaxed),
        }
    }

    /// The time when it may be back, in UTC.
    fn ejected_until(&self) -> Option<String> {
        let until = self.passive.as_ref()?.until()?;
        Some(Timestamp::of(until.to_system_time()?).rfc3339())
    }

    /// What the API and `explain` show of it.
    pub fn info(&self) -> ServerInfo {
        let standing = self.standing();
        ServerInfo {
            url: self.url.to_string(),
            weight: self.weight,
            zone: self.zone.clone(),
            canary: self.canary,
            status: if standing == Standing::Out { "DOWN" } else { "UP" },
            standing,
            obstacle: self.obstacle(),
            ejected_until: self.ejected_until(),
            ejections: self.passive.as_ref().map(|passive| passive.ejections()),
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
    /// The zone it is in.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub zone: Box<str>,
    /// It is one of the canaries of its service.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub canary: bool,
    /// `UP` or `DOWN`.
    pub status: &'static str,
    /// Whether it may be chosen.
    pub standing: Standing,
    /// Why it does not get requests like any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<String>,
    /// When an ejected server may be back; without a time where a health check alone decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ejected_until: Option<String>,
    /// How often it was ejected, where that can happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ejections: Option<u64>,
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
    /// It did not answer whoever asked it last.
    is_in_doubt: AtomicBool,
    departure: Departure,
    /// In microseconds; 0 while it is not.
    ready_since: AtomicU64,
    latency: Latency,
}

impl ServerState {
    /// The state of a server never seen before.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: ServerId(NEXT.fetch_add(1, Ordering::Relaxed)),
            in_flight: AtomicUsize::new(0),
            is_in_doubt: AtomicBool::new(false),
            departure: Departure::default(),
            ready_since: AtomicU64::new(0),
            latency: Latency::default(),
        }
    }

    /// The server leaves: connections to it may go on for `limit`, and without end if that is 0.
    pub(super) fn leave(&self, now: Instant, limit: Duration) {
        self.departure.leave(now, limit);
    }

    /// The server stays, or has come back.
    pub(super) fn stay(&self) {
        self.departure.stay();
    }

    /// If the server leaves, clients that know it go elsewhere from now on: it does not answer, or somebody else is at
    /// its address.
    pub(crate) fn end_sessions(&self) {
        self.departure.desert();
    }

    /// True if the server leaves, or has left.
    pub(crate) fn is_leaving(&self) -> bool {
        self.departure.has_begun()
    }

    /// True if it did not answer whoever asked it last: requests that were lost elsewhere are better off with others.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.is_in_doubt.load(Ordering::Relaxed)
    }

    /// Whether it answered just now. One relaxed load unless that is news.
    pub(crate) fn set_doubt(&self, is_in_doubt: bool) {
        if self.is_in_doubt() != is_in_doubt {
            self.is_in_doubt.store(is_in_doubt, Ordering::Relaxed);
        }
    }

    /// Counts one request until the returned guard is dropped.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    /// Since when it is ready, in microseconds.
    pub(super) fn since(&self) -> u64 {
        self.ready_since.load(Ordering::Relaxed)
    }

    /// How long it is expected to take at `now`; both in microseconds.
    pub(super) fn latency(&self, now: u64) -> Option<f32> {
        self.latency.at(now)
    }

    /// Requests that it is answering now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// A request that a server is answering.
#[derive(Debug)]
pub struct InFlight(Arc<ServerState>);

impl InFlight {
    /// True once the server has left, and had its time. One relaxed load while it stays.
    pub(crate) fn has_drained(&self) -> bool {
        self.0.departure.is_over()
    }

    /// Ends when the server has left, and had its time. To poll it again and again is cheap: the departure, which workers
    /// share, is asked only when there is news of it.
    pub(crate) fn drained(&self) -> impl Future<Output = ()> + 'static {
        let state = self.0.clone();
        let mut over = FuturesUnordered::from_iter([async move { state.departure.over().await }]);
        async move {
            over.next().await;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

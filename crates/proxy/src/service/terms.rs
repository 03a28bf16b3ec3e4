//! The terms on which a service offers requests to its servers.

use std::{sync::Arc, time::Instant};

use mesh_config::model::{LoadBalancer, Retry, Timeouts};

use super::{
    retry_budget::{Allowed, Need},
    state::ServiceState,
};

/// How often and how long the servers of a service are tried.
#[derive(Debug)]
pub(crate) struct Terms {
    /// When a request is offered once more.
    pub(crate) retry: Retry,
    /// How long that may take.
    pub(crate) timeouts: Timeouts,
    service: Arc<ServiceState>,
}

impl Terms {
    /// As `definition` says; what is counted for the service goes on.
    pub(super) fn new(definition: &LoadBalancer, service: &Arc<ServiceState>) -> Arc<Self> {
        Arc::new(Self {
            retry: definition.retry.clone(),
            timeouts: definition.timeouts,
            service: service.clone(),
        })
    }

    /// A request is offered to a server of the service for the first time.
    pub(crate) fn count(&self, now: Instant) {
        self.service.retries.count(&self.retry, now);
    }

    /// Whether a request may be offered once more.
    pub(crate) fn take_retry(&self, need: Need, now: Instant) -> Option<Allowed> {
        self.service.retries.take(&self.retry, need, now)
    }

    /// It was in vain as well.
    pub(crate) fn charge(&self, retry: Allowed) -> Allowed {
        self.service.retries.charge(&self.retry, retry)
    }

    /// Nobody had more work with it, or there is no outage that it made worse: another server answered.
    pub(crate) fn give_back(&self, retry: Allowed) {
        self.service.retries.give_back(&self.retry, retry);
    }

    /// A request is not offered once more, because it may not be.
    pub(crate) fn refuse_retry(&self) {
        self.service.retries.refuse();
    }

    /// The body of a request has to be read before it can be offered twice, for reasons beyond a lost connection.
    pub(crate) fn keeps_bodies(&self) -> bool {
        let Retry {
            attempts,
            statuses,
            per_try_timeout,
            max_body_bytes,
            ..
        } = &self.retry;
        *attempts > 1 && *max_body_bytes > 0 && !(statuses.is_empty() && per_try_timeout.is_zero())
    }
}

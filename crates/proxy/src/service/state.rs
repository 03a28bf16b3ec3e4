//! What is counted for a service as a whole, across tables.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use mesh_config::model::{HealthCheck, ServerUrl};
use parking_lot::Mutex;

use super::{
    balancer::Balancer,
    health::ServerHealth,
    server::{Server, ServerState},
};

/// The position in the rotation of a service and the balancers that tables made for it.
#[derive(Debug)]
pub(crate) struct ServiceState {
    position: AtomicUsize,
    balancers: Mutex<Vec<Weak<Balancer>>>,
}

impl ServiceState {
    /// Starts at a random place, so that not every Mesh sends its first request to the same server.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            position: AtomicUsize::new(usize::from(rand::random::<u16>())),
            balancers: Mutex::default(),
        })
    }

    /// Begins at a place that is always the same.
    #[cfg(test)]
    pub(crate) fn begin_at(&self, position: usize) {
        self.position.store(position, Ordering::Relaxed);
    }

    /// The next turn of the rotation.
    pub(crate) fn next(&self) -> usize {
        self.position.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes `balancer` follow the verdicts on its servers.
    pub(crate) fn enlist(&self, balancer: &Arc<Balancer>) {
        let mut balancers = self.balancers.lock();
        balancers.retain(|balancer| balancer.strong_count() > 0);
        balancers.push(Arc::downgrade(balancer));
    }

    /// Makes every balancer of the service count its servers again.
    pub(crate) fn rebalance(&self) {
        let balancers: Vec<_> = self.balancers.lock().iter().filter_map(Weak::upgrade).collect();
        let now = Instant::now();
        // The newest one enlisted last.
        for (behind, balancer) in balancers.iter().rev().enumerate() {
            balancer.rebalance(behind == 0, now);
        }
    }
}

/// The states of the servers of one balancer, for the balancer that follows it.
#[derive(Debug, Default)]
pub(crate) struct ServerStates<'a> {
    servers: HashMap<&'a ServerUrl, &'a Server>,
}

impl<'a> ServerStates<'a> {
    /// Takes stock of `balancer`.
    pub(crate) fn of(balancer: &'a Balancer) -> Self {
        let servers = balancer.servers().iter();
        Self {
            servers: servers.map(|server| (&server.url, server.as_ref())).collect(),
        }
    }

    /// The state of the server at `url`, or a new one.
    pub(crate) fn state(&self, url: &ServerUrl) -> Arc<ServerState> {
        match self.servers.get(url) {
            Some(server) => server.state.clone(),
            None => Arc::new(ServerState::new()),
        }
    }

    /// The verdict on the server at `url` by the same definition of checks, or a new one.
    pub(crate) fn health(
        &self,
        url: &ServerUrl,
        check: &Arc<HealthCheck>,
        service: &Arc<ServiceState>,
    ) -> Arc<ServerHealth> {
        let known = self.servers.get(url).and_then(|server| server.health.as_ref());
        match known {
            Some(health) if health.check() == check => health.clone(),
            _ => Arc::new(ServerHealth::new(check.clone(), service)),
        }
    }
}

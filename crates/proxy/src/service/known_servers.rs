//! What is known of the servers of a service, for the balancer of its next table.

use std::{collections::HashMap, sync::Arc};

use mesh_config::model::{HealthCheck, LoadBalancer, PassiveHealthCheck, ServerUrl};

use super::{
    balancer::Balancer,
    health::ServerHealth,
    passive::PassiveHealth,
    server::{Server, ServerState},
    state::ServiceState,
};

/// What is known of one server, whatever table it is in. Servers of one URL share it.
#[derive(Debug, Clone)]
pub(super) struct KnownServer {
    pub(super) state: Arc<ServerState>,
    pub(super) health: Option<Arc<ServerHealth>>,
    pub(super) passive: Option<Arc<PassiveHealth>>,
}

/// The servers of the balancer before, and those that its successor has so far.
#[derive(Debug)]
pub(super) struct KnownServers<'a> {
    before: HashMap<&'a ServerUrl, &'a Server>,
    now: HashMap<&'a ServerUrl, KnownServer>,
    check: Option<Arc<HealthCheck>>,
    passive: Option<Arc<PassiveHealthCheck>>,
    service: &'a Arc<ServiceState>,
}

impl<'a> KnownServers<'a> {
    /// For the successor of `before`, with this definition.
    pub(super) fn new(
        definition: &LoadBalancer,
        before: Option<&'a Balancer>,
        service: &'a Arc<ServiceState>,
    ) -> Self {
        let servers = before.into_iter().flat_map(Balancer::servers);
        Self {
            before: servers.map(|server| (&server.url, server.as_ref())).collect(),
            now: HashMap::new(),
            check: definition.health_check.clone().map(Arc::new),
            passive: definition.passive_health_check.clone().map(Arc::new),
            service,
        }
    }

    /// What is known of the server at `url`. A verdict by another definition is none.
    pub(super) fn take(&mut self, url: &'a ServerUrl) -> KnownServer {
        if let Some(known) = self.now.get(url) {
            return known.clone();
        }
        let before = self.before.get(url);
        let known = KnownServer {
            state: before.map_or_else(|| Arc::new(ServerState::new()), |server| server.state.clone()),
            health: self.check.as_ref().map(|check| {
                let known = before.and_then(|server| server.health.as_ref());
                match known.filter(|health| health.check() == check) {
                    Some(health) => health.clone(),
                    None => Arc::new(ServerHealth::new(check.clone(), self.service)),
                }
            }),
            passive: self.passive.as_ref().map(|definition| {
                let probed = self.check.is_some();
                let known = before.and_then(|server| server.passive.as_ref());
                match known.filter(|passive| passive.is_of(definition, probed)) {
                    Some(passive) => passive.clone(),
                    None => Arc::new(PassiveHealth::new(definition, probed, self.service)),
                }
            }),
        };
        self.now.insert(url, known.clone());
        known
    }
}

//! Services of the full tree as labels can write them.

use std::time::Duration;

use serde::Deserialize;

use super::{DeclaredService, ServerTemplate, simple::Port};
use crate::{
    model::{
        Hash, HealthCheck, LoadBalancer, PassiveHealthCheck, ResponseForwarding, Scheme, ServerUrl, Strategy,
        Upgrades, ZonePreference,
    },
    name::Reference,
};

/// `mesh.http.services.<name>`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct LabelledService {
    load_balancer: Balancer,
    middlewares: Vec<Reference>,
}

/// A load balancer whose servers are discovered; `server` says how an instance becomes one of them.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Balancer {
    server: ServerLabels,
    strategy: Strategy,
    hash: Hash,
    #[serde(with = "crate::duration")]
    slow_start: Duration,
    zone_preference: Option<ZonePreference>,
    #[serde(deserialize_with = "crate::whole::within::<_, _, 0, 100>")]
    panic_threshold: u8,
    health_check: Option<HealthCheck>,
    passive_health_check: Option<PassiveHealthCheck>,
    #[serde(with = "crate::duration")]
    drain_timeout: Duration,
    pass_host_header: bool,
    upgrades: Upgrades,
    response_forwarding: ResponseForwarding,
    servers_transport: Option<Reference>,
}

impl Default for Balancer {
    fn default() -> Self {
        let LoadBalancer {
            servers: _,
            strategy,
            hash,
            slow_start,
            zone_preference,
            panic_threshold,
            health_check,
            passive_health_check,
            drain_timeout,
            pass_host_header,
            upgrades,
            response_forwarding,
            servers_transport,
        } = LoadBalancer::default();
        Self {
            server: ServerLabels::default(),
            strategy,
            hash,
            slow_start,
            zone_preference,
            panic_threshold,
            health_check,
            passive_health_check,
            drain_timeout,
            pass_host_header,
            upgrades,
            response_forwarding,
            servers_transport,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "RawServerLabels")]
struct ServerLabels(ServerTemplate);

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawServerLabels {
    port: Option<Port>,
    scheme: Option<Scheme>,
    url: Option<ServerUrl>,
    weight: Option<u32>,
    preserve_path: bool,
    zone: Option<String>,
}

impl TryFrom<RawServerLabels> for ServerLabels {
    type Error = &'static str;

    fn try_from(raw: RawServerLabels) -> Result<Self, Self::Error> {
        if raw.url.is_some() && (raw.port.is_some() || raw.scheme.is_some()) {
            return Err("url excludes port and scheme");
        }
        Ok(Self(ServerTemplate {
            port: raw.port.map(|port| port.0),
            scheme: raw.scheme,
            url: raw.url,
            weight: raw.weight,
            preserve_path: raw.preserve_path,
            zone: raw.zone,
        }))
    }
}

impl From<LabelledService> for DeclaredService {
    fn from(service: LabelledService) -> Self {
        let balancer = service.load_balancer;
        Self {
            load_balancer: LoadBalancer {
                servers: Vec::new(),
                strategy: balancer.strategy,
                hash: balancer.hash,
                slow_start: balancer.slow_start,
                zone_preference: balancer.zone_preference,
                panic_threshold: balancer.panic_threshold,
                health_check: balancer.health_check,
                passive_health_check: balancer.passive_health_check,
                drain_timeout: balancer.drain_timeout,
                pass_host_header: balancer.pass_host_header,
                upgrades: balancer.upgrades,
                response_forwarding: balancer.response_forwarding,
                servers_transport: balancer.servers_transport,
            },
            middlewares: service.middlewares,
            server: balancer.server.0,
        }
    }
}

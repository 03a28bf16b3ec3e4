//! Services of the full tree as labels can write them.

use std::time::Duration;

use serde::Deserialize;

use super::{DeclaredService, ServerTemplate, simple::Port};
use crate::{
    model::{
        Canary, Failover, Hash, HealthCheck, HighestRandomWeight, LoadBalancer, Mirroring,
        PassiveHealthCheck, ResponseForwarding, Retry, Scheme, ServerUrl, ServiceKind, Sticky, Strategy,
        Timeouts, Upgrades, Weighted, ZonePreference, only_kind,
    },
    name::Reference,
};

/// `mesh.http.services.<name>`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawService {
    load_balancer: Option<Balancer>,
    weighted: Option<Weighted>,
    highest_random_weight: Option<HighestRandomWeight>,
    mirroring: Option<Mirroring>,
    failover: Option<Failover>,
    middlewares: Vec<Reference>,
}

/// The same with one kind; a load balancer where none is written.
#[derive(Debug, Deserialize)]
#[serde(try_from = "RawService")]
pub(super) struct LabelledService(DeclaredService);

/// A load balancer whose servers are discovered; `server` says how an instance becomes one of them.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Balancer {
    server: ServerLabels,
    strategy: Strategy,
    sticky: Option<Sticky>,
    hash: Hash,
    #[serde(with = "crate::duration")]
    slow_start: Duration,
    zone_preference: Option<ZonePreference>,
    #[serde(deserialize_with = "crate::whole::within::<_, _, 0, 100>")]
    panic_threshold: u8,
    canary: Option<Canary>,
    health_check: Option<HealthCheck>,
    passive_health_check: Option<PassiveHealthCheck>,
    retry: Retry,
    timeouts: Timeouts,
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
            sticky,
            hash,
            slow_start,
            zone_preference,
            panic_threshold,
            canary,
            health_check,
            passive_health_check,
            retry,
            timeouts,
            drain_timeout,
            pass_host_header,
            upgrades,
            response_forwarding,
            servers_transport,
        } = LoadBalancer::default();
        Self {
            server: ServerLabels::default(),
            strategy,
            sticky,
            hash,
            slow_start,
            zone_preference,
            panic_threshold,
            canary,
            health_check,
            passive_health_check,
            retry,
            timeouts,
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

impl TryFrom<RawService> for LabelledService {
    type Error = &'static str;

    fn try_from(raw: RawService) -> Result<Self, Self::Error> {
        let mut server = ServerTemplate::default();
        let balancer = raw.load_balancer.map(|balancer| {
            server = balancer.server.0;
            ServiceKind::LoadBalancer(Box::new(LoadBalancer {
                servers: Vec::new(),
                strategy: balancer.strategy,
                sticky: balancer.sticky,
                hash: balancer.hash,
                slow_start: balancer.slow_start,
                zone_preference: balancer.zone_preference,
                panic_threshold: balancer.panic_threshold,
                canary: balancer.canary,
                health_check: balancer.health_check,
                passive_health_check: balancer.passive_health_check,
                retry: balancer.retry,
                timeouts: balancer.timeouts,
                drain_timeout: balancer.drain_timeout,
                pass_host_header: balancer.pass_host_header,
                upgrades: balancer.upgrades,
                response_forwarding: balancer.response_forwarding,
                servers_transport: balancer.servers_transport,
            }))
        });
        let kind = only_kind([
            balancer,
            raw.weighted.map(ServiceKind::Weighted),
            raw.highest_random_weight.map(ServiceKind::HighestRandomWeight),
            raw.mirroring.map(ServiceKind::Mirroring),
            raw.failover.map(ServiceKind::Failover),
        ])?;
        let (load_balancer, instead) = match kind {
            Some(ServiceKind::LoadBalancer(balancer)) => (*balancer, None),
            instead => (LoadBalancer::default(), instead),
        };
        Ok(Self(DeclaredService {
            load_balancer,
            middlewares: raw.middlewares,
            server,
            instead,
        }))
    }
}

impl From<LabelledService> for DeclaredService {
    fn from(service: LabelledService) -> Self {
        service.0
    }
}

//! Services: what answers a request.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Canary, Failover, Hash, HealthCheck, HighestRandomWeight, Mirroring, PassiveHealthCheck, Retry,
    ServerUrl, Sticky, Strategy, Timeouts, Upgrades, Weighted, ZonePreference, is_default,
};
use crate::{instance::Lifecycle, name::Reference, origin::Origin};

/// What answers the requests of a router. Written with exactly one of its kinds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawService", into = "RawService")]
pub struct Service {
    /// How it answers.
    pub kind: ServiceKind,
    /// Middlewares that run after the router's and before a server is chosen.
    pub middlewares: Vec<Reference>,
}

/// The kinds of service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServiceKind {
    /// Spreads requests over servers.
    LoadBalancer(Box<LoadBalancer>),
    /// Spreads requests over other services.
    Weighted(Weighted),
    /// Spreads clients over other services.
    HighestRandomWeight(HighestRandomWeight),
    /// Sends copies of requests to further services.
    Mirroring(Mirroring),
    /// Has a service for when another one cannot answer.
    Failover(Failover),
}

impl ServiceKind {
    /// As it is written: `loadBalancer`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LoadBalancer(_) => "loadBalancer",
            Self::Weighted(_) => "weighted",
            Self::HighestRandomWeight(_) => "highestRandomWeight",
            Self::Mirroring(_) => "mirroring",
            Self::Failover(_) => "failover",
        }
    }

    /// True for the name, in any case, of a kind that is over other services.
    pub fn is_over_others(name: &str) -> bool {
        let names = ["weighted", "highestRandomWeight", "mirroring", "failover"];
        names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// The services below it, in the order in which they are written.
    pub fn children(&self) -> Vec<&Reference> {
        match self {
            Self::LoadBalancer(_) => Vec::new(),
            Self::Weighted(Weighted { services, .. })
            | Self::HighestRandomWeight(HighestRandomWeight { services, .. }) => {
                services.iter().map(|child| &child.name).collect()
            }
            Self::Mirroring(mirroring) => {
                let mirrors = mirroring.mirrors.iter().map(|mirror| &mirror.name);
                [&mirroring.service].into_iter().chain(mirrors).collect()
            }
            Self::Failover(failover) => vec![&failover.service, &failover.fallback],
        }
    }
}

/// A service as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawService {
    #[serde(skip_serializing_if = "Option::is_none")]
    load_balancer: Option<LoadBalancer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weighted: Option<Weighted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    highest_random_weight: Option<HighestRandomWeight>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mirroring: Option<Mirroring>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failover: Option<Failover>,
    #[serde(skip_serializing_if = "is_default")]
    middlewares: Vec<Reference>,
}

/// The one kind among those that are written.
pub(crate) fn only_kind(kinds: [Option<ServiceKind>; 5]) -> Result<Option<ServiceKind>, &'static str> {
    let mut kinds = kinds.into_iter().flatten();
    match (kinds.next(), kinds.next()) {
        (kind, None) => Ok(kind),
        (_, Some(_)) => Err(
            "a service has one kind: keep one of loadBalancer, weighted, highestRandomWeight, mirroring, failover",
        ),
    }
}

impl TryFrom<RawService> for Service {
    type Error = &'static str;

    fn try_from(raw: RawService) -> Result<Self, Self::Error> {
        let kind = only_kind([
            raw.load_balancer.map(Box::new).map(ServiceKind::LoadBalancer),
            raw.weighted.map(ServiceKind::Weighted),
            raw.highest_random_weight.map(ServiceKind::HighestRandomWeight),
            raw.mirroring.map(ServiceKind::Mirroring),
            raw.failover.map(ServiceKind::Failover),
        ])?;
        Ok(Self {
            kind: kind.ok_or(
                "a service needs a kind: add loadBalancer, weighted, highestRandomWeight, mirroring or failover",
            )?,
            middlewares: raw.middlewares,
        })
    }
}

impl From<Service> for RawService {
    fn from(service: Service) -> Self {
        let mut raw = Self {
            middlewares: service.middlewares,
            ..Self::default()
        };
        match service.kind {
            ServiceKind::LoadBalancer(balancer) => raw.load_balancer = Some(*balancer),
            ServiceKind::Weighted(weighted) => raw.weighted = Some(weighted),
            ServiceKind::HighestRandomWeight(weighted) => raw.highest_random_weight = Some(weighted),
            ServiceKind::Mirroring(mirroring) => raw.mirroring = Some(mirroring),
            ServiceKind::Failover(failover) => raw.failover = Some(failover),
        }
        raw
    }
}

/// Spreads requests over servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LoadBalancer {
    /// The servers.
    pub servers: Vec<Server>,
    /// How one is chosen.
    pub strategy: Strategy,
    /// Keeps clients with the server that served them first; absent means not at all.
    #[serde(skip_serializing_if = "is_default")]
    pub sticky: Option<Sticky>,
    /// What `hrw` and `consistentHash` go by.
    #[serde(skip_serializing_if = "is_default")]
    pub hash: Hash,
    /// How long a server that becomes ready is given less than its share, growing; 0 means not at all.
    #[serde(with = "crate::duration", skip_serializing_if = "is_default")]
    pub slow_start: Duration,
    /// Prefer servers in Mesh's own zone; absent means that zones do not matter.
    #[serde(skip_serializing_if = "is_default")]
    pub zone_preference: Option<ZonePreference>,
    /// With less than this part of the servers ready, in per cent, requests go to those that are not, too; 0 means
    /// never.
    #[serde(
        deserialize_with = "crate::whole::within::<_, _, 0, 100>",
        skip_serializing_if = "is_default"
    )]
    pub panic_threshold: u8,
    /// What servers marked as canaries get; absent means that they are servers like the others.
    #[serde(skip_serializing_if = "is_default")]
    pub canary: Option<Canary>,
    /// Active probes; absent means none.
    #[serde(skip_serializing_if = "is_default")]
    pub health_check: Option<HealthCheck>,
    /// What requests tell of their server; absent means nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub passive_health_check: Option<PassiveHealthCheck>,
    /// When a request is offered to a server once more.
    #[serde(skip_serializing_if = "is_default")]
    pub retry: Retry,
    /// How long requests may take.
    #[serde(skip_serializing_if = "is_default")]
    pub timeouts: Timeouts,
    /// How long connections to a server that leaves may go on; 0 is without limit.
    #[serde(with = "crate::duration")]
    pub drain_timeout: Duration,
    /// Send the client's Host; off, the server's own host and port are sent.
    pub pass_host_header: bool,
    /// Protocols that a client may go on with in place of HTTP/1.1.
    #[serde(skip_serializing_if = "is_default")]
    pub upgrades: Upgrades,
    /// How answers are passed on.
    pub response_forwarding: ResponseForwarding,
    /// The servers transport; absent means `default@internal`.
    #[serde(skip_serializing_if = "is_default")]
    pub servers_transport: Option<Reference>,
}

/// For downloads and conversations to come to their end, and for clients to notice where they do not.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(300);

impl Default for LoadBalancer {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            strategy: Strategy::default(),
            sticky: None,
            hash: Hash::default(),
            slow_start: Duration::ZERO,
            zone_preference: None,
            panic_threshold: 0,
            canary: None,
            health_check: None,
            passive_health_check: None,
            retry: Retry::default(),
            timeouts: Timeouts::default(),
            drain_timeout: DRAIN_TIMEOUT,
            pass_host_header: true,
            upgrades: Upgrades::default(),
            response_forwarding: ResponseForwarding::default(),
            servers_transport: None,
        }
    }
}

/// How answers are passed on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ResponseForwarding {
    /// Accepted for compatibility: Mesh passes every part of an answer on as it comes.
    #[serde(with = "crate::duration")]
    pub flush_interval: Duration,
}

impl Default for ResponseForwarding {
    fn default() -> Self {
        Self {
            flush_interval: Duration::from_millis(100),
        }
    }
}

/// One server of a load balancer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Server {
    /// Where it is.
    pub url: ServerUrl,
    /// Its share; 0 takes it out.
    #[serde(default = "one")]
    pub weight: u32,
    /// Put the path of `url` in front of the request's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub preserve_path: bool,
    /// The zone it is in; empty where that is not known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub zone: String,
    /// It belongs to the canaries of its service.
    #[serde(default, skip_serializing_if = "is_default")]
    pub canary: bool,
    /// What its provider knows of it; always ready in documents.
    #[serde(skip)]
    pub lifecycle: Lifecycle,
    /// Why it is not ready.
    #[serde(skip)]
    pub reason: Option<String>,
    /// Who it is: `consul service web-1 on node-a`; `None` where its service says all there is.
    #[serde(skip)]
    pub origin: Option<Origin>,
}

fn one() -> u32 {
    1
}

/// How to speak to a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// HTTP/1.1 in the clear.
    #[default]
    Http,
    /// TLS, version by ALPN.
    Https,
    /// HTTP/2 in the clear, by prior knowledge.
    H2c,
}

impl Scheme {
    /// As written in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
        }
    }

    /// The port meant when none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http | Self::H2c => 80,
            Self::Https => 443,
        }
    }
}

//! Why a request takes the route it takes: the code that routes, telling what it sees.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use mesh_config::QualifiedName;
use serde::Serialize;

use super::{
    RoutingTable,
    matching::refusal,
    request::RequestView,
    route::{Route, Target},
};
use crate::service::ServerInfo;

/// Near misses that are told; a host may have thousands of routers.
const MAX_NEAR_MISSES: usize = 20;

/// What became of a request, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The entrypoint it came in at.
    pub entry_point: Arc<str>,
    /// The host that rules compared.
    pub host: String,
    /// The path that rules compared.
    pub path: String,
    /// The route it takes; `None` is answered with 404.
    pub chosen: Option<Chosen>,
    /// Routers that nearly took it, in the order in which they were tried.
    pub near_misses: Vec<NearMiss>,
    /// The TLS options that the handshake with its client is made by; `None` in the clear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_options: Option<TlsOptionsExplanation>,
    /// Why Mesh refuses it, before it is routed or in a middleware; `None` when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// What a handshake is made by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum TlsOptionsExplanation {
    /// These options.
    Named {
        /// Their name.
        name: QualifiedName,
    },
    /// None: clients that ask for its host get no handshake.
    Refused,
}

/// How a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The status of the answer.
    pub status: u16,
    /// Why.
    pub reason: String,
}

/// The route of a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Chosen {
    /// The router.
    pub router: QualifiedName,
    /// Its rule.
    pub rule: String,
    /// Its priority in force.
    pub priority: i64,
    /// What the request meets, in order.
    pub middlewares: Vec<StepExplanation>,
    /// What answers.
    pub target: TargetExplanation,
}

/// One middleware.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepExplanation {
    /// Its name.
    pub name: QualifiedName,
    /// Its kind as written in configuration.
    pub kind: &'static str,
}

/// What answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum TargetExplanation {
    /// Servers.
    #[serde(rename_all = "camelCase")]
    Service {
        /// The service.
        service: Arc<str>,
        /// Why it has no server for the request; `None` when it has.
        unavailable: Option<String>,
        /// Its servers, and why each is in or out.
        servers: Vec<ServerInfo>,
    },
    /// Mesh itself.
    Internal {
        /// The service.
        service: Arc<str>,
    },
    /// Nothing: 503.
    Unavailable {
        /// Why.
        reason: Arc<str>,
    },
}

/// A router that nearly took a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NearMiss {
    /// The router.
    pub router: QualifiedName,
    /// Its rule.
    pub rule: String,
    /// Its priority in force.
    pub priority: i64,
    /// Why it did not.
    pub reason: NearMissReason,
}

/// Why a router did not take a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum NearMissReason {
    /// Part of its rule does not match.
    Refused {
        /// The first part that says no.
        matcher: String,
    },
    /// Its rule matches, and the chosen route goes first.
    Shadowed {
        /// What the chosen route has over it.
        by: String,
    },
    /// Its rule matches, and it listens elsewhere.
    OtherEntryPoint {
        /// Where.
        using: Vec<Arc<str>>,
    },
    /// Its rule matches, and it sees the other kind of requests.
    OtherProtocol {
        /// It sees requests over TLS.
        tls: bool,
    },
    /// Its rule matches, and it is disabled.
    Disabled {
        /// What is wrong with it.
        errors: Vec<String>,
    },
}

impl fmt::Display for NearMissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { matcher } => write!(f, "{matcher} does not match"),
            Self::Shadowed { by } => write!(f, "matches, but goes second: {by}"),
            Self::OtherEntryPoint { using } => write!(f, "matches, but listens on {}", using.join(", ")),
            Self::OtherProtocol { tls: true } => {
                f.write_str("matches, but has tls: it sees requests over TLS only")
            }
            Self::OtherProtocol { tls: false } => {
                f.write_str("matches, but has no tls: it sees requests in the clear only")
            }
            Self::Disabled { errors } => write!(f, "matches, but is disabled: {}", errors.join("; ")),
        }
    }
}

impl RoutingTable {
    /// What [`Self::route`] does with a request, and why.
    pub fn explain(&self, entry_point: usize, request: &RequestView<'_>) -> Explanation {
        let chosen = self.route(entry_point, request);
        let index = self.entry_points.get(entry_point);
        let candidates = index
            .map(|index| index.index(request).candidates(request))
            .unwrap_or_default();
        let missed = candidates
            .into_iter()
            .filter_map(|route| near_miss(route, chosen, request));
        let elsewhere = self.elsewhere(entry_point, request);
        Explanation {
            entry_point: index.map(|index| index.name.clone()).unwrap_or_default(),
            host: request.host.to_owned(),
            path: request.path.to_owned(),
            chosen: chosen.map(|route| Chosen::new(route)),
            near_misses: elsewhere.chain(missed).take(MAX_NEAR_MISSES).collect(),
            tls_options: request.secure.then(|| self.shaken(entry_point, request)),
            refused: None,
        }
    }

    /// What the handshake is made by with a client that asks for the host of `request`, or for nobody where that is an
    /// address.
    fn shaken(&self, entry_point: usize, request: &RequestView<'_>) -> TlsOptionsExplanation {
        let address = request.host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let name = Some(request.host).filter(|_| address.is_none());
        let address = address.unwrap_or(nowhere);
        let options = self.handshake(entry_point, name, address);
        match options {
            Some(options) => TlsOptionsExplanation::Named {
                name: options.name().clone(),
            },
            None => TlsOptionsExplanation::Refused,
        }
    }

    /// Routers that would match if they served, and served here.
    fn elsewhere(&self, entry_point: usize, request: &RequestView<'_>) -> impl Iterator<Item = NearMiss> {
        let here = self.entry_points.get(entry_point).map(|here| here.name.clone());
        self.runtime().routers.iter().filter_map(move |(name, info)| {
            let rule = info.entry.value.rule.as_ref()?;
            let listens_here = info.using.iter().any(|name| Some(name) == here.as_ref());
            let tls = info.entry.value.tls.is_some();
            let serves_here = listens_here && tls == request.secure;
            if serves_here || refusal(rule.expr(), request).is_some() {
                return None;
            }
            let reason = if info.using.is_empty() {
                NearMissReason::Disabled {
                    errors: info.errors.clone(),
                }
            } else if listens_here {
                NearMissReason::OtherProtocol { tls }
            } else {
                NearMissReason::OtherEntryPoint {
                    using: info.using.clone(),
                }
            };
            Some(NearMiss {
                router: name.clone(),
                rule: rule.text().to_owned(),
                priority: info.priority,
                reason,
            })
        })
    }
}

fn near_miss(route: &Arc<Route>, chosen: Option<&Arc<Route>>, request: &RequestView<'_>) -> Option<NearMiss> {
    let reason = match (refusal(route.rule.expr(), request), chosen) {
        (Some(part), _) => NearMissReason::Refused {
            matcher: part.to_string(),
        },
        (None, Some(chosen)) if chosen.name != route.name => NearMissReason::Shadowed {
            by: format!("{} has {}", chosen.name, chosen.advantage(route)),
        },
        (None, _) => return None,
    };
    Some(NearMiss {
        router: route.name.clone(),
        rule: route.rule.text().to_owned(),
        priority: route.priority,
        reason,
    })
}

impl Chosen {
    fn new(route: &Route) -> Self {
        let middlewares = route.middlewares.iter().map(|middleware| StepExplanation {
            name: middleware.name.clone(),
            kind: middleware.kind,
        });
        Self {
            router: route.name.clone(),
            rule: route.rule.text().to_owned(),
            priority: route.priority,
            middlewares: middlewares.collect(),
            target: TargetExplanation::new(route),
        }
    }
}

impl TargetExplanation {
    fn new(route: &Route) -> Self {
        match &route.target {
            Target::Service(service) => Self::Service {
                service: service.label.clone(),
                unavailable: service.why_unavailable(),
                servers: service.servers(),
            },
            Target::Internal(_) => Self::Internal {
                service: route.service.as_deref().cloned().unwrap_or_default(),
            },
            Target::Unavailable { reason } => Self::Unavailable {
                reason: reason.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fixture::{compiler, configuration, explain};

    fn table() -> std::sync::Arc<super::RoutingTable> {
        compiler().compile(&configuration(&json!({
            "routers": {
                "site@file": {"rule": "Host(`a`)", "middlewares": ["m"], "service": "s"},
                "api@file": {"rule": "Host(`a`) && PathPrefix(`/api`)", "service": "gone"},
                "other@file": {"rule": "Host(`b`)", "service": "s"},
                "side@file": {"rule": "Host(`a`)", "service": "s", "entryPoints": ["side"]},
                "typo@file": {"rule": "Host(`a`)", "service": "s", "entryPoints": ["wbe"]},
            },
            "services": {"s@file": {"loadBalancer": {"servers": [{"url": "http://x", "weight": 0}]}}},
            "middlewares": {"m@file": {"addPrefix": {"prefix": "/m"}}},
        })))
    }

    #[test]
    fn it_tells_the_route_its_steps_and_why_each_server_is_in_or_out() {
        let explanation = serde_json::to_value(explain(&table(), "http://a/")).unwrap();
        let chosen = &explanation["chosen"];
        assert_eq!(chosen["router"], "site@file");
        assert_eq!(
            chosen["middlewares"],
            json!([{"name": "m@file", "kind": "addPrefix"}])
        );
        assert_eq!(chosen["target"]["kind"], "service");
        assert_eq!(chosen["target"]["servers"][0]["obstacle"], "its weight is 0");
        assert_eq!(
            chosen["target"]["unavailable"],
            "none of its 1 servers may be used: x:80 its weight is 0"
        );
    }

    #[test]
    fn it_tells_who_nearly_took_the_request() {
        let misses: Vec<_> = explain(&table(), "http://a/")
            .near_misses
            .iter()
            .map(|miss| format!("{} {}", miss.router, miss.reason))
            .collect();
        assert_eq!(
            misses,
            [
                "side@file matches, but listens on side",
                "typo@file matches, but is disabled: entrypoint \"wbe\" does not exist; there is web, side; \
                 it has no entrypoint left to listen on",
                "api@file PathPrefix(`/api`) does not match",
            ]
        );
    }

    #[test]
    fn it_tells_what_is_shadowed_and_what_is_broken() {
        let explanation = explain(&table(), "http://a/api");
        let target = &explanation.chosen.as_ref().unwrap().target;
        assert!(
            matches!(target, super::TargetExplanation::Unavailable { reason } if reason.contains("gone@file"))
        );
        let last = &explanation.near_misses.last().unwrap();
        assert_eq!(
            last.reason.to_string(),
            "matches, but goes second: api@file has priority 31 over 9"
        );
    }

    #[test]
    fn an_unknown_host_has_no_route() {
        let explanation = explain(&table(), "http://nobody/");
        assert!(explanation.chosen.is_none() && explanation.near_misses.is_empty());
    }
}

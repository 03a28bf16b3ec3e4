//! The simple set: a router and a service in a handful of labels.

use serde::Deserialize;

use super::{DeclaredService, PortChoice, ServerTemplate};
use crate::{
    model::{HealthCheck, LoadBalancer, Router, RouterTls, Scheme, Sticky, StickyCookie, Strategy},
    name::Reference,
    redact::Shown,
    rule::{Rule, RuleError},
    tag_rule,
};

/// Largest `weight`.
const MAX_WEIGHT: u32 = 1000;

/// Keys that make the instance's simple router.
pub(super) const ROUTER_KEYS: [&str; 8] = [
    "host",
    "path",
    "rule",
    "priority",
    "entrypoints",
    "middlewares",
    "tls",
    "resolver",
];

/// Keys that describe the instance's own service.
pub(super) const SERVICE_KEYS: [&str; 6] = ["port", "scheme", "weight", "healthcheck", "sticky", "strategy"];

/// `mesh.host`, `mesh.path`, ...; also what lies below `mesh.routers.<name>`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SimpleRouter {
    host: Option<Vec<String>>,
    path: Option<Vec<String>>,
    rule: Option<String>,
    priority: i64,
    entrypoints: Vec<String>,
    middlewares: Vec<Reference>,
    tls: Option<Box<RouterTls>>,
    resolver: Option<String>,
    /// Only below `mesh.routers.<name>`: by itself it is the group an instance joins.
    service: Option<Reference>,
}

impl SimpleRouter {
    /// The router meant, or the key that is wrong and why.
    pub(super) fn router(self) -> Result<Router, (&'static str, String)> {
        let rule = match (&self.rule, &self.host, &self.path) {
            (Some(_), Some(_), _) => return Err(("rule", "rule and host exclude each other".to_owned())),
            (Some(_), _, Some(_)) => return Err(("rule", "rule and path exclude each other".to_owned())),
            (Some(text), None, None) => Some(tag_rule::parse(text).map_err(|error| wrong("rule", &error))?),
            (None, None, None) => None,
            (None, host, path) => {
                let hosts = any_of("host", "Host", host.as_deref())?;
                let paths = any_of("path", "PathPrefix", path.as_deref())?;
                let text: Vec<String> = hosts.into_iter().chain(paths).collect();
                let rule: Rule = text.join(" && ").parse().map_err(|error| wrong("host", &error))?;
                Some(Rule::from(rule.expr().clone()))
            }
        };
        let mut tls = self.tls;
        if let Some(resolver) = self.resolver {
            tls.get_or_insert_default().cert_resolver = resolver;
        }
        Ok(Router {
            entry_points: self.entrypoints,
            rule,
            priority: self.priority,
            middlewares: self.middlewares,
            service: self.service,
            tls,
            ..Router::default()
        })
    }
}

fn wrong(key: &'static str, error: &RuleError) -> (&'static str, String) {
    (key, error.to_string())
}

/// ``(Host(`a`) || Host(`b`))``; `None` if there are no `values`. Each is tried by itself first, so that the
/// error is about what its user wrote.
fn any_of(
    key: &'static str,
    matcher: &str,
    values: Option<&[String]>,
) -> Result<Option<String>, (&'static str, String)> {
    let Some(values) = values else { return Ok(None) };
    let mut calls = Vec::new();
    for value in values {
        let shown = Shown::of(value);
        if value.contains('`') {
            return Err((key, format!("{:?} holds a backtick", shown.text)));
        }
        let call = format!("{matcher}(`{value}`)");
        if let Err(error) = call.parse::<Rule>() {
            let message = shown.within(error.message, value);
            return Err((key, format!("{:?}: {message}", shown.text)));
        }
        calls.push(call);
    }
    match calls.as_slice() {
        [] => Err((key, "it has no value".to_owned())),
        [call] => Ok(Some(call.clone())),
        calls => Ok(Some(format!("({})", calls.join(" || ")))),
    }
}

/// `mesh.port`, `mesh.scheme`, ...
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SimpleService {
    port: Option<Port>,
    scheme: Option<Scheme>,
    weight: Option<u32>,
    healthcheck: Option<HealthCheck>,
    sticky: Option<StickyCookie>,
    strategy: Strategy,
}

impl SimpleService {
    /// The service meant, or the key that is wrong and why.
    pub(super) fn service(self) -> Result<DeclaredService, (&'static str, String)> {
        if let Some(weight) = self.weight.filter(|weight| *weight > MAX_WEIGHT) {
            let message = format!("{weight} is out of range: write a whole number from 0 to {MAX_WEIGHT}");
            return Err(("weight", message));
        }
        Ok(DeclaredService {
            load_balancer: LoadBalancer {
                health_check: self.healthcheck,
                sticky: self.sticky.map(|cookie| Sticky { cookie: Some(cookie) }),
                strategy: self.strategy,
                ..LoadBalancer::default()
            },
            middlewares: Vec::new(),
            server: ServerTemplate {
                port: self.port.map(|port| port.0),
                scheme: self.scheme,
                weight: self.weight,
                ..ServerTemplate::default()
            },
            instead: None,
        })
    }
}

/// A port by number or by name.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Port(pub(super) PortChoice);

impl TryFrom<String> for Port {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return match text.parse() {
                Ok(0) | Err(_) => Err(format!(
                    "{text} is no port: write a number from 1 to 65535, or a port's name"
                )),
                Ok(number) => Ok(Self(PortChoice::Number(number))),
            };
        }
        if text.is_empty()
            || !text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        {
            return Err(format!(
                "{text:?} is no port: write a number from 1 to 65535, or a port's name"
            ));
        }
        Ok(Self(PortChoice::Name(text.to_owned())))
    }
}

//! A router with everything it needs, in the form that requests meet.

use std::{cmp::Reverse, collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use mesh_config::{
    QualifiedName,
    model::{Observability, Timeouts},
    rule::Rule,
};
use mesh_telemetry::metrics::Label;
use mesh_tls::{OptionsGuard, ServerOptions};

use super::{
    keys::{Keys, has_wildcard},
    matching::matches,
    request::RequestView,
};
use crate::{middleware::Chain, service::Service};

/// Services that Mesh answers itself, by name without `@internal`: `api`, `ping`.
pub type InternalServices = BTreeMap<String, Arc<dyn InternalService>>;

/// A service inside this process. It may not block.
pub trait InternalService: Send + Sync + fmt::Debug {
    /// Answers one request; its body is not looked at.
    fn call(&self, request: Request<()>) -> BoxFuture<'static, Response<Bytes>>;
}

/// Where the requests that match a rule go.
#[derive(Debug, Clone)]
pub struct Route {
    /// The router's qualified name.
    pub name: QualifiedName,
    /// The name as logs and metrics write it: `web@file`.
    pub label: Label,
    /// The rule.
    pub rule: Rule,
    /// The priority in force: as written, or the length of the rule.
    pub priority: i64,
    /// What requests meet on their way, those of the service included.
    pub middlewares: Chain,
    /// The service as logs and metrics write it; `None` when it could not be resolved.
    pub service: Option<Label>,
    /// What answers.
    pub target: Target,
    /// Which signals its requests produce.
    pub observability: Observability,
    /// How long its requests may take.
    pub timeouts: Timeouts,
    /// It sees requests over TLS, and no others.
    pub secure: bool,
    /// Its router is broken: it goes second to others that match as well, and has no say in handshakes.
    pub(super) closed: bool,
    /// What handshakes with its clients are made by; `None` in the clear, and where that cannot be told.
    pub(crate) options: Option<Arc<ServerOptions>>,
    /// What connections have to be for it to serve them.
    pub(crate) guard: Option<OptionsGuard>,
    /// Some of its middlewares do more than look at heads.
    pub(crate) has_around: bool,
    /// Parameters of queries whose values no log may have.
    pub(crate) secret_parameters: Box<[Arc<str>]>,
    /// Place of its provider in the precedence; lower wins.
    pub(super) precedence: usize,
    pub(super) wildcard: bool,
    pub(super) keys: Keys,
}

/// What answers the requests of a route.
#[derive(Debug, Clone)]
pub enum Target {
    /// Servers.
    Service(Arc<Service>),
    /// Mesh itself.
    Internal(Arc<dyn InternalService>),
    /// Nothing: the router is broken and fails closed with 503.
    Unavailable {
        /// Why.
        reason: Arc<str>,
    },
}

/// What a route is made of, apart from what follows from these.
pub(super) struct RouteParts {
    pub(super) name: QualifiedName,
    pub(super) label: Label,
    pub(super) rule: Rule,
    pub(super) priority: i64,
    pub(super) precedence: usize,
    pub(super) middlewares: Chain,
    pub(super) service: Option<Label>,
    pub(super) target: Target,
    pub(super) observability: Observability,
    pub(super) timeouts: Timeouts,
    pub(super) secure: bool,
    pub(super) options: Option<Arc<ServerOptions>>,
}

impl From<RouteParts> for Route {
    fn from(parts: RouteParts) -> Self {
        let closed = matches!(parts.target, Target::Unavailable { .. });
        // However somebody came, he gets 503.
        let guarded = parts.options.as_ref().filter(|_| !closed);
        Self {
            wildcard: has_wildcard(parts.rule.expr()),
            keys: Keys::of(parts.rule.expr()),
            closed,
            has_around: parts.middlewares.iter().any(|middleware| middleware.is_around()),
            secret_parameters: parts
                .middlewares
                .iter()
                .filter_map(|middleware| middleware.secret_parameter().cloned())
                .collect(),
            name: parts.name,
            label: parts.label,
            rule: parts.rule,
            priority: parts.priority,
            middlewares: parts.middlewares,
            service: parts.service,
            target: parts.target,
            observability: parts.observability,
            timeouts: parts.timeouts,
            secure: parts.secure,
            guard: guarded.map(|options| options.guard()),
            options: parts.options,
            precedence: parts.precedence,
        }
    }
}

impl Route {
    /// From now on handshakes with its clients are made by `options`.
    pub(super) fn set_options(&mut self, options: Option<Arc<ServerOptions>>) {
        self.guard = options.as_ref().map(|options| options.guard());
        self.options = options;
    }

    /// True if the rule matches.
    pub(super) fn matches(&self, request: &RequestView<'_>) -> bool {
        matches(self.rule.expr(), request)
    }

    /// True if its requests go to servers of HTTP/1.1 with nothing on the way that looks at what is said of a client.
    pub(crate) fn leads_straight(&self) -> bool {
        self.middlewares.is_empty()
            && matches!(&self.target, Target::Service(service) if service.leads_straight())
    }

    /// Shows the services that its requests may reach to `visitor`.
    pub(super) fn visit_services<'r>(&'r self, visitor: &mut impl FnMut(&'r Service)) {
        for middleware in self.middlewares.iter() {
            if let Some(asked) = middleware.asked() {
                asked.visit(visitor);
            }
        }
        if let Target::Service(service) = &self.target {
            service.visit(visitor);
        }
    }

    /// The order in which routes are tried: higher priority, then those that serve before those that are broken, then
    /// earlier provider, then exact before wildcard hosts, then by name.
    pub(super) fn order(&self) -> impl Ord {
        (
            Reverse(self.priority),
            self.closed,
            self.precedence,
            self.wildcard,
            &self.name,
        )
    }

    /// Why this route is tried before `other`.
    pub(super) fn advantage(&self, other: &Self) -> String {
        if self.priority != other.priority {
            format!("priority {} over {}", self.priority, other.priority)
        } else if self.closed != other.closed {
            format!("equal priority, and {} is broken", other.name)
        } else if self.precedence != other.precedence {
            format!(
                "equal priority, and {} precedes {}",
                self.name.provider, other.name.provider
            )
        } else if self.wildcard != other.wildcard {
            "equal priority, and an exact host precedes a wildcard".to_owned()
        } else {
            "equal priority, and its name comes first".to_owned()
        }
    }
}

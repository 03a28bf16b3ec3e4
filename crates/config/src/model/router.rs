//! Routers: which requests go where.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Timeouts, is_default};
use crate::{name::Reference, rule::Rule};

/// Connects the requests that match a rule to a service, through middlewares.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Router {
    /// Entrypoints it listens on; empty means the default ones.
    #[serde(skip_serializing_if = "is_default")]
    pub entry_points: Vec<String>,
    /// The rule. Required in documents; label providers fill it from their default rule.
    #[serde(skip_serializing_if = "is_default")]
    pub rule: Option<Rule>,
    /// Higher wins; 0 means the length of the rule's text in bytes.
    #[serde(skip_serializing_if = "is_default")]
    pub priority: i64,
    /// Middlewares in the order a request meets them.
    #[serde(skip_serializing_if = "is_default")]
    pub middlewares: Vec<Reference>,
    /// The service that answers. Required in documents; label providers link the only service there is.
    #[serde(skip_serializing_if = "is_default")]
    pub service: Option<Reference>,
    /// Present: the router sees TLS requests only. Absent: plain ones only.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Option<Box<RouterTls>>,
    /// How long its requests may take.
    #[serde(skip_serializing_if = "is_default")]
    pub timeouts: Timeouts,
    /// Which signals its requests produce.
    #[serde(skip_serializing_if = "is_default")]
    pub observability: Observability,
}

impl Router {
    /// What it matches and nothing of what it does: for one that cannot be used.
    #[must_use]
    pub fn closed(self) -> Self {
        Self {
            entry_points: self.entry_points,
            rule: self.rule,
            priority: self.priority,
            tls: self.tls,
            observability: self.observability,
            ..Self::default()
        }
    }
}

/// TLS of a router.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RouterTls {
    /// TLS options by name; absent means `default`.
    #[serde(skip_serializing_if = "is_default")]
    pub options: Option<Reference>,
    /// The certificates resolver.
    #[serde(skip_serializing_if = "is_default")]
    pub cert_resolver: String,
    /// Domains for the resolver; absent means the hosts of the rule.
    #[serde(skip_serializing_if = "is_default")]
    pub domains: Vec<TlsDomain>,
}

/// A certificate's names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TlsDomain {
    /// The common name.
    pub main: String,
    /// Further names.
    pub sans: Vec<String>,
}

/// Signals per router; `None` inherits from the entrypoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Observability {
    /// Access log lines.
    #[serde(skip_serializing_if = "is_default")]
    pub access_logs: Option<bool>,
    /// Metrics.
    #[serde(skip_serializing_if = "is_default")]
    pub metrics: Option<bool>,
    /// Trace spans.
    #[serde(skip_serializing_if = "is_default")]
    pub tracing: Option<bool>,
    /// `minimal` or `detailed` spans.
    #[serde(skip_serializing_if = "is_default")]
    pub trace_verbosity: Option<Arc<str>>,
}

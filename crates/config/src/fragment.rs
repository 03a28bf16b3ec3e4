//! What one source declares: a file, a key prefix, or the labels of one instance.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    model::{Certificate, Middleware, Router, ServersTransport, Service, TlsOptions},
    origin::{Origin, Problem},
    outline::Outline,
};

/// The kinds of object a provider can deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// `http.routers`
    Router,
    /// `http.services`
    Service,
    /// `http.middlewares`
    Middleware,
    /// `http.serversTransports`
    ServersTransport,
    /// `tls.certificates`, and those of `tls.stores`
    Certificate,
    /// `tls.options`
    TlsOptions,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Router,
        Self::Service,
        Self::Middleware,
        Self::ServersTransport,
        Self::Certificate,
        Self::TlsOptions,
    ];
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Router => "router",
            Self::Service => "service",
            Self::Middleware => "middleware",
            Self::ServersTransport => "serversTransport",
            Self::Certificate => "certificate",
            Self::TlsOptions => "tls.options",
        })
    }
}

/// One valid object of a fragment and where it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Declared<T> {
    /// The object.
    pub value: T,
    /// Where it was written, as precisely as the source allows.
    pub origin: Origin,
}

/// An object that exists but cannot be used as written. Its previous good version goes on serving.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct SetAside {
    /// What it is.
    pub kind: Kind,
    /// Its name within the source.
    pub name: String,
    /// As much of it as is shown.
    #[serde(default)]
    pub outline: Outline,
    /// Why, and where.
    pub problem: Problem,
    /// Of a router whose rule can be read: what it matches. Its requests get 503; they would go on to a wider router,
    /// past the middlewares of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Box<Router>>,
}

/// Without the rule of what is closed, which may compare secrets: the outline has what is shown of it.
impl std::fmt::Debug for SetAside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetAside")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .field("outline", &self.outline)
            .field("problem", &self.problem)
            .field("closed", &self.closed.is_some())
            .finish()
    }
}

impl SetAside {
    /// Sets an object aside for all of `problems`: the first says where, the others follow in its message.
    pub fn new(kind: Kind, name: impl Into<String>, outline: Outline, problems: Vec<Problem>) -> Self {
        let mut problems = problems.into_iter();
        let mut problem = problems
            .next()
            .unwrap_or_else(|| Problem::new(Origin::default(), "", "it cannot be used"));
        for other in problems {
            let help = problem.help.take().map(|help| format!(" ({help})"));
            problem.message = format!("{}{}; {other}", problem.message, help.unwrap_or_default());
        }
        Self {
            kind,
            name: name.into(),
            outline,
            problem,
            closed: None,
        }
    }

    /// The same of a router of which `readable` is what can be read.
    #[must_use]
    pub fn closing(mut self, readable: Option<Router>) -> Self {
        self.closed = readable.map(|router| Box::new(router.closed()));
        self
    }
}

/// Whole and valid objects by their unqualified names, beside those that had to be set aside.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Fragment {
    /// `http.routers`
    pub routers: BTreeMap<String, Declared<Router>>,
    /// `http.services`
    pub services: BTreeMap<String, Declared<Service>>,
    /// `http.middlewares`
    pub middlewares: BTreeMap<String, Declared<Middleware>>,
    /// `http.serversTransports`
    pub servers_transports: BTreeMap<String, Declared<ServersTransport>>,
    /// `tls.certificates`, and the one of `tls.stores.default`
    #[serde(default)]
    pub certificates: BTreeMap<String, Declared<Certificate>>,
    /// `tls.options`
    #[serde(default)]
    pub tls_options: BTreeMap<String, Declared<TlsOptions>>,
    /// Objects that are there but broken.
    pub set_aside: Vec<SetAside>,
    /// Kinds of which a part could not be read, each with a problem that says where. An object that is missing may
    /// stand in that part.
    #[serde(default)]
    pub unread: BTreeSet<Kind>,
    /// Problems of no single object: an unknown section, a part this version does not serve.
    pub problems: Vec<Problem>,
}

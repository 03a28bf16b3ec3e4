//! The dynamic configuration of all providers together.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    fragment::{Kind, SetAside},
    model::{Certificate, Middleware, Router, ServersTransport, Service, TlsOptions},
    name::QualifiedName,
    origin::{Origin, Problem},
};

/// One object with where it came from and what is wrong around it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry<T> {
    /// The object, valid in itself. Its references are as written; resolve them with the provider of its name.
    pub value: T,
    /// Where this definition was written.
    pub origin: Origin,
    /// What its user should mend although the object serves: a newer version that was set aside, another
    /// instance that disagrees, a claim to the same name by another service.
    pub problems: Vec<Problem>,
}

impl Entry<Service> {
    /// Where the option stands that `warning` is about: warnings of services begin with their option, if it is one.
    pub fn place_of(&self, warning: &str) -> Origin {
        place_of(&self.origin, self.value.kind.name(), warning)
    }
}

impl Entry<Middleware> {
    /// Where the option stands that `error` is about: errors of middlewares begin with their option.
    pub fn place_of(&self, error: &str) -> Origin {
        place_of(&self.origin, self.value.kind(), error)
    }
}

/// Where, below `origin`, the option of a `kind` stands with which `text` begins.
fn place_of(origin: &Origin, kind: &str, text: &str) -> Origin {
    let option = text.split([' ', ':']).next().unwrap_or_default();
    origin.below(&format!("{kind}.{option}"))
}

/// Everything that routing needs, merged from all providers. Immutable; a change makes a new one that shares
/// every unchanged [`Entry`], so that pointer equality means "did not change".
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    /// HTTP routers by qualified name.
    pub routers: BTreeMap<QualifiedName, Arc<Entry<Router>>>,
    /// HTTP services by qualified name.
    pub services: BTreeMap<QualifiedName, Arc<Entry<Service>>>,
    /// HTTP middlewares by qualified name.
    pub middlewares: BTreeMap<QualifiedName, Arc<Entry<Middleware>>>,
    /// Servers transports by qualified name.
    pub servers_transports: BTreeMap<QualifiedName, Arc<Entry<ServersTransport>>>,
    /// Certificates of this side by qualified name.
    pub certificates: BTreeMap<QualifiedName, Arc<Entry<Certificate>>>,
    /// TLS options by qualified name.
    pub tls_options: BTreeMap<QualifiedName, Arc<Entry<TlsOptions>>>,
    /// Objects that cannot be used and never had a good version, under names that none of those above has. They
    /// are shown, and serve nothing.
    pub set_aside: BTreeMap<(Kind, QualifiedName), Arc<SetAside>>,
    /// Those of them that are routers and say what they match: their requests get 503.
    pub closed: BTreeMap<QualifiedName, Arc<Entry<Router>>>,
    /// Problems that belong to no object above, such as a source that could not be read.
    pub problems: Vec<Problem>,
}

impl Configuration {
    /// The problems of everything that does not serve.
    pub fn unusable(&self) -> impl Iterator<Item = &Problem> {
        let set_aside = self.set_aside.values().map(|object| &object.problem);
        self.problems.iter().chain(set_aside)
    }

    /// True if an object of this kind serves under the name.
    pub fn serves(&self, kind: Kind, name: &QualifiedName) -> bool {
        match kind {
            Kind::Router => self.routers.contains_key(name),
            Kind::Service => self.services.contains_key(name),
            Kind::Middleware => self.middlewares.contains_key(name),
            Kind::ServersTransport => self.servers_transports.contains_key(name),
            Kind::Certificate => self.certificates.contains_key(name),
            Kind::TlsOptions => self.tls_options.contains_key(name),
        }
    }
}

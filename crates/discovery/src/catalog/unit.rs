//! Who declares objects, and which.

use std::{collections::BTreeMap, fmt, sync::Arc};

use mesh_config::{
    Entry, Fragment, Kind, Origin, Problem, SetAside,
    fragment::Declared,
    model::{Certificate, Middleware, Router, ServersTransport, Service, TlsOptions},
};
use serde::{Deserialize, Serialize};

use crate::provider::Scope;

/// Who owns the names it declares, within one provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum UnitKey {
    /// A service, as its provider names it.
    Service(Arc<str>),
    /// The instances that carry one `mesh.service` label. Not the same as the service of that name: joining
    /// somebody takes the word of both.
    Group(Arc<str>),
    /// A document.
    Document(Scope),
}

impl UnitKey {
    /// The name without its kind.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Service(name) | Self::Group(name) => name,
            Self::Document(scope) => scope.as_str(),
        }
    }
}

impl fmt::Display for UnitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => write!(f, "service {name}"),
            Self::Group(name) => write!(f, "the services with the label mesh.service={name}"),
            Self::Document(scope) => write!(f, "{scope}"),
        }
    }
}

/// Objects of one kind by unqualified name.
pub(crate) type Entries<T> = BTreeMap<Arc<str>, Arc<Entry<T>>>;

/// The objects of one unit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Objects {
    /// `http.routers`
    pub(crate) routers: Entries<Router>,
    /// `http.services`
    pub(crate) services: Entries<Service>,
    /// `http.middlewares`
    pub(crate) middlewares: Entries<Middleware>,
    /// `http.serversTransports`
    pub(crate) servers_transports: Entries<ServersTransport>,
    /// `tls.certificates`
    pub(crate) certificates: Entries<Certificate>,
    /// `tls.options`
    pub(crate) tls_options: Entries<TlsOptions>,
    /// Objects that never were any of the above.
    pub(crate) set_aside: Vec<Arc<SetAside>>,
}

impl Objects {
    /// Takes over the entries of `old` that did not change, so that their identity stays.
    pub(crate) fn share(&mut self, old: &Self) {
        share(&mut self.routers, &old.routers);
        share(&mut self.services, &old.services);
        share(&mut self.middlewares, &old.middlewares);
        share(&mut self.servers_transports, &old.servers_transports);
        share(&mut self.certificates, &old.certificates);
        share(&mut self.tls_options, &old.tls_options);
    }
}

/// A router that cannot be used for `problem`, as far as it says what it matches.
pub(crate) fn closed(router: &Router, problem: &Problem) -> Arc<Entry<Router>> {
    Arc::new(Entry {
        value: router.clone(),
        origin: problem.origin.clone(),
        problems: vec![problem.clone()],
    })
}

fn share<T: PartialEq>(new: &mut Entries<T>, old: &Entries<T>) {
    for (name, entry) in new {
        if let Some(known) = old.get(name)
            && known == entry
        {
            *entry = known.clone();
        }
    }
}

/// The objects of a document, each with what is wrong around it.
pub(crate) fn document(fragment: &Fragment) -> Objects {
    let mut objects = Objects {
        routers: entries(&fragment.routers, Kind::Router, fragment),
        services: entries(&fragment.services, Kind::Service, fragment),
        middlewares: entries(&fragment.middlewares, Kind::Middleware, fragment),
        servers_transports: entries(&fragment.servers_transports, Kind::ServersTransport, fragment),
        certificates: entries(&fragment.certificates, Kind::Certificate, fragment),
        tls_options: entries(&fragment.tls_options, Kind::TlsOptions, fragment),
        set_aside: Vec::new(),
    };
    let serves = |kind, name: &str| match kind {
        Kind::Router => objects.routers.contains_key(name),
        Kind::Service => objects.services.contains_key(name),
        Kind::Middleware => objects.middlewares.contains_key(name),
        Kind::ServersTransport => objects.servers_transports.contains_key(name),
        Kind::Certificate => objects.certificates.contains_key(name),
        Kind::TlsOptions => objects.tls_options.contains_key(name),
    };
    let broken = fragment.set_aside.iter();
    let broken = broken.filter(|aside| !serves(aside.kind, &aside.name));
    objects.set_aside = broken.map(|aside| Arc::new(aside.clone())).collect();
    objects
}

fn entries<T: Clone>(
    declared: &BTreeMap<String, Declared<T>>,
    kind: Kind,
    fragment: &Fragment,
) -> Entries<T> {
    let entry = |name: &str, declared: &Declared<T>| Entry {
        value: declared.value.clone(),
        origin: declared.origin.clone(),
        problems: fragment
            .set_aside
            .iter()
            .filter(|aside| aside.kind == kind && aside.name == name)
            .map(|aside| aside.problem.clone())
            .collect(),
    };
    declared
        .iter()
        .map(|(name, declared)| (name.as_str().into(), Arc::new(entry(name, declared))))
        .collect()
}

/// Fills the gaps that broken objects, and parts that could not be read, leave in `new` with the good versions in
/// `old`.
pub(crate) fn keep_good(new: Arc<Fragment>, old: &Fragment) -> Arc<Fragment> {
    fn keep_all<T: Clone>(new: &mut BTreeMap<String, Declared<T>>, old: &BTreeMap<String, Declared<T>>) {
        old.keys().for_each(|name| keep(name, new, old));
    }
    fn keep<T: Clone>(
        name: &str,
        new: &mut BTreeMap<String, Declared<T>>,
        old: &BTreeMap<String, Declared<T>>,
    ) {
        if let Some(good) = old.get(name) {
            new.entry(name.to_owned()).or_insert_with(|| good.clone());
        }
    }
    if new.set_aside.is_empty() && new.unread.is_empty() {
        return new;
    }
    let mut new = Arc::unwrap_or_clone(new);
    for aside in &new.set_aside {
        let name = &aside.name;
        match aside.kind {
            Kind::Router => keep(name, &mut new.routers, &old.routers),
            Kind::Service => keep(name, &mut new.services, &old.services),
            Kind::Middleware => keep(name, &mut new.middlewares, &old.middlewares),
            Kind::ServersTransport => keep(name, &mut new.servers_transports, &old.servers_transports),
            Kind::Certificate => keep(name, &mut new.certificates, &old.certificates),
            Kind::TlsOptions => keep(name, &mut new.tls_options, &old.tls_options),
        }
    }
    for kind in &new.unread {
        match kind {
            Kind::Router => keep_all(&mut new.routers, &old.routers),
            Kind::Service => keep_all(&mut new.services, &old.services),
            Kind::Middleware => keep_all(&mut new.middlewares, &old.middlewares),
            Kind::ServersTransport => keep_all(&mut new.servers_transports, &old.servers_transports),
            Kind::Certificate => keep_all(&mut new.certificates, &old.certificates),
            Kind::TlsOptions => keep_all(&mut new.tls_options, &old.tls_options),
        }
    }
    keep_closed(&mut new, old);
    Arc::new(new)
}

/// Routers of `old` that are closed stay so where `new` does not say what they match.
fn keep_closed(new: &mut Fragment, old: &Fragment) {
    for aside in old.set_aside.iter().filter(|aside| aside.closed.is_some()) {
        let is_same = |other: &&mut SetAside| other.kind == aside.kind && other.name == aside.name;
        let is_unread = new.unread.contains(&aside.kind) && !new.routers.contains_key(&aside.name);
        match new.set_aside.iter_mut().find(is_same) {
            Some(broken) => broken.closed = broken.closed.take().or_else(|| aside.closed.clone()),
            None if is_unread => new.set_aside.push(aside.clone()),
            None => {}
        }
    }
}

/// The message for a name that two units claim.
pub(crate) fn contested(
    key: String,
    origin: &Origin,
    loser: &UnitKey,
    owner: &UnitKey,
    owner_origin: &Origin,
) -> Problem {
    Problem::new(
        origin.clone(),
        key,
        format!("{loser} declares it too; it belongs to {owner} ({owner_origin}), which declared it first"),
    )
    .with_help("give one of them another name")
}

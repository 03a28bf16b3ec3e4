//! Services by name, with what they refer to.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use mesh_config::{
    Entry, ProviderName, QualifiedName,
    model::{self, ServersTransport, ServiceKind},
};

use super::{
    super::runtime::{ServiceInfo, Status, judge},
    cycle,
    middlewares::Middlewares,
    transports::Transports,
};
use crate::{
    middleware::Chain,
    service::{Balancer, Kind, Service, Share, Weighted},
};

type Definitions = BTreeMap<QualifiedName, Arc<Entry<model::Service>>>;

/// The services of the newest configuration.
#[derive(Debug, Default)]
pub(super) struct Services {
    known: HashMap<QualifiedName, Compiled>,
}

/// One service.
#[derive(Debug)]
struct Compiled {
    /// What serves: this version or the last good one.
    good: Option<Good>,
    errors: Vec<String>,
}

/// A version of which every part was found once.
#[derive(Debug)]
struct Good {
    entry: Arc<Entry<model::Service>>,
    parts: Parts,
    service: Arc<Service>,
}

/// What the references of a service stand for, in the order in which they are written.
#[derive(Debug, Clone, Default)]
struct Parts {
    transport: Option<Arc<ServersTransport>>,
    middlewares: Vec<(QualifiedName, Chain)>,
    children: Vec<(QualifiedName, Arc<Service>)>,
}

impl Services {
    pub(super) fn update(
        &mut self,
        definitions: &Definitions,
        transports: &Transports,
        middlewares: &Middlewares,
    ) {
        let mut update = Update {
            definitions,
            transports,
            middlewares,
            before: std::mem::take(&mut self.known),
            known: HashMap::with_capacity(definitions.len()),
        };
        for name in definitions.keys() {
            update.compile(name, &mut Vec::new());
        }
        self.known = update.known;
    }

    /// A service by name.
    pub(super) fn resolve(&self, name: &QualifiedName) -> Result<Arc<Service>, String> {
        resolve(&self.known, name)
    }

    /// Every service with its state, in order.
    pub(super) fn iter<'s>(
        &'s self,
        definitions: &'s Definitions,
    ) -> impl Iterator<Item = (&'s QualifiedName, ServiceInfo)> {
        definitions.iter().filter_map(|(name, entry)| {
            let compiled = self.known.get(name)?;
            let (status, errors) = judge(compiled.good.is_some(), compiled.errors.clone(), entry);
            let info = ServiceInfo {
                entry: Some(entry.clone()),
                status,
                errors,
                used_by: Vec::new(),
                service: compiled.good.as_ref().map(|good| good.service.clone()),
            };
            Some((name, info))
        })
    }
}

impl ServiceInfo {
    /// A service inside this process.
    pub(super) fn internal(used_by: Vec<QualifiedName>) -> Self {
        Self {
            entry: None,
            status: Status::Enabled,
            errors: Vec::new(),
            used_by,
            service: None,
        }
    }
}

/// `api@internal` for `api`.
pub(super) fn internal_name(name: &str) -> QualifiedName {
    QualifiedName::new(name, ProviderName::internal())
}

fn resolve(known: &HashMap<QualifiedName, Compiled>, name: &QualifiedName) -> Result<Arc<Service>, String> {
    match known.get(name) {
        Some(Compiled { good: Some(good), .. }) => Ok(good.service.clone()),
        Some(Compiled { errors, .. }) => Err(format!("service {name} cannot be used: {}", errors.join("; "))),
        None => Err(format!("service {name} does not exist")),
    }
}

/// One run of the stage.
struct Update<'d> {
    definitions: &'d Definitions,
    transports: &'d Transports,
    middlewares: &'d Middlewares,
    before: HashMap<QualifiedName, Compiled>,
    known: HashMap<QualifiedName, Compiled>,
}

impl Update<'_> {
    fn compile(&mut self, name: &QualifiedName, visiting: &mut Vec<QualifiedName>) {
        let Some(entry) = self.definitions.get(name) else {
            return;
        };
        if self.known.contains_key(name) {
            return;
        }
        visiting.push(name.clone());
        let (parts, errors) = self.parts(name, entry, None, visiting);
        let before = self.before.remove(name).and_then(|before| before.good);
        let good = match before {
            Some(good) if errors.is_empty() => Some(good.followed_by(name, entry, parts)),
            None if errors.is_empty() => Some(Good::new(name, entry, parts, None)),
            Some(good) => {
                let entry = good.entry.clone();
                let (parts, _) = self.parts(name, &entry, Some(&good.parts), visiting);
                Some(good.followed_by(name, &entry, parts))
            }
            None => None,
        };
        visiting.pop();
        self.known.insert(name.clone(), Compiled { good, errors });
    }

    /// Looks up what `entry` refers to; what is missing comes from `held`, or is an error.
    fn parts(
        &mut self,
        name: &QualifiedName,
        entry: &Entry<model::Service>,
        held: Option<&Parts>,
        visiting: &mut Vec<QualifiedName>,
    ) -> (Parts, Vec<String>) {
        let mut parts = Parts::default();
        let mut errors = Vec::new();
        for reference in &entry.value.middlewares {
            let middleware = reference.resolve(&name.provider);
            let held = held.and_then(|held| find(&held.middlewares, &middleware));
            match self
                .middlewares
                .resolve(&middleware)
                .or_else(|error| held.ok_or(error))
            {
                Ok(chain) => parts.middlewares.push((middleware, chain)),
                Err(error) => errors.push(error),
            }
        }
        match &entry.value.kind {
            ServiceKind::LoadBalancer(balancer) => {
                let held = held.and_then(|held| held.transport.clone());
                let transport = self
                    .transports
                    .resolve(balancer.servers_transport.as_ref(), &name.provider);
                match transport.or_else(|error| held.ok_or(error)) {
                    Ok(transport) => parts.transport = Some(transport),
                    Err(error) => errors.push(error),
                }
            }
            ServiceKind::Weighted(weighted) => {
                for child in &weighted.services {
                    let child = child.name.resolve(&name.provider);
                    let held = held.and_then(|held| find(&held.children, &child));
                    match self.child(&child, visiting).or_else(|error| held.ok_or(error)) {
                        Ok(service) => parts.children.push((child, service)),
                        Err(error) => errors.push(error),
                    }
                }
            }
        }
        (parts, errors)
    }

    fn child(
        &mut self,
        name: &QualifiedName,
        visiting: &mut Vec<QualifiedName>,
    ) -> Result<Arc<Service>, String> {
        if visiting.contains(name) {
            return Err(format!("recursion detected: {}", cycle(visiting, name)));
        }
        if name.provider.as_str() == ProviderName::INTERNAL {
            return Err(format!(
                "service {name} answers inside Mesh and cannot be a share of another"
            ));
        }
        self.compile(name, visiting);
        resolve(&self.known, name)
    }
}

impl Good {
    fn new(
        name: &QualifiedName,
        entry: &Arc<Entry<model::Service>>,
        parts: Parts,
        before: Option<&Service>,
    ) -> Self {
        let label: Arc<str> = name.to_string().into();
        let kind = match &entry.value.kind {
            ServiceKind::LoadBalancer(definition) => {
                let before = match before.map(|before| &before.kind) {
                    Some(Kind::Balancer(before)) => Some(before.as_ref()),
                    Some(Kind::Weighted(_)) | None => None,
                };
                let transport = parts.transport.clone().unwrap_or_default();
                Kind::Balancer(Balancer::new(&label, definition, &transport, before))
            }
            ServiceKind::Weighted(definition) => {
                let before = match before.map(|before| &before.kind) {
                    Some(Kind::Weighted(before)) => Some(before),
                    Some(Kind::Balancer(_)) | None => None,
                };
                let weights = definition.services.iter().map(|child| child.weight);
                let shares = parts
                    .children
                    .iter()
                    .zip(weights)
                    .map(|((_, service), weight)| Share {
                        service: service.clone(),
                        weight,
                    });
                Kind::Weighted(Weighted::new(shares.collect(), before))
            }
        };
        let chains = parts
            .middlewares
            .iter()
            .flat_map(|(_, chain)| chain.iter().cloned());
        let service = Service {
            name: name.clone(),
            label,
            middlewares: chains.collect(),
            kind,
        };
        Self {
            entry: entry.clone(),
            parts,
            service: Arc::new(service),
        }
    }

    /// The version that comes after this one; itself when nothing changed.
    fn followed_by(self, name: &QualifiedName, entry: &Arc<Entry<model::Service>>, parts: Parts) -> Self {
        if Arc::ptr_eq(&self.entry, entry) && self.parts.same(&parts) {
            return self;
        }
        Self::new(name, entry, parts, Some(&self.service))
    }
}

impl Parts {
    fn same(&self, other: &Self) -> bool {
        let transports = match (&self.transport, &other.transport) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        transports
            && same_all(&self.middlewares, &other.middlewares)
            && same_all(&self.children, &other.children)
    }
}

fn same_all<T: ?Sized>(a: &[(QualifiedName, Arc<T>)], b: &[(QualifiedName, Arc<T>)]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|((_, a), (_, b))| Arc::ptr_eq(a, b))
}

fn find<T: Clone>(parts: &[(QualifiedName, T)], name: &QualifiedName) -> Option<T> {
    let found = parts.iter().find(|(held, _)| held == name);
    found.map(|(_, part)| part.clone())
}

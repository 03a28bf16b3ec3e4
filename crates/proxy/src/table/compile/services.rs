//! Services by name, with what they refer to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mesh_config::{
    Entry, Kind as ObjectKind, ProviderName, QualifiedName,
    model::{self, Scheme, ServiceKind},
};

use super::{
    super::runtime::{ServiceVerdict, Verdict},
    composite, cycle, demands,
    difference::Difference,
    log::tell,
    middlewares::Middlewares,
    missing::Missing,
    transports::Transports,
};
use crate::{
    brief::brief,
    middleware::Chain,
    service::{Balancer, Context, Kind, Service, end_sessions_elsewhere},
    upstream::Transport,
};

/// Services that are followed from one to the next, to find out whether they lead back.
const MAX_VISITED: usize = 64;

type Definitions = BTreeMap<QualifiedName, Arc<Entry<model::Service>>>;

/// The services of the newest configuration.
#[derive(Debug)]
pub(super) struct Services {
    zone: Arc<str>,
    known: BTreeMap<QualifiedName, Compiled>,
    touched: BTreeSet<QualifiedName>,
}

/// One service.
#[derive(Debug)]
struct Compiled {
    verdict: Arc<ServiceVerdict>,
    /// What serves: this version or the last good one.
    good: Option<Good>,
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
    transport: Option<Arc<Transport>>,
    middlewares: Vec<(QualifiedName, Chain)>,
    children: Vec<(QualifiedName, Arc<Service>)>,
    /// Services that the middlewares ask.
    asked: Vec<(QualifiedName, Arc<Service>)>,
    /// The zone this process is in; never changes.
    zone: Option<Arc<str>>,
}

impl Services {
    /// No services yet, for a process in `zone`.
    pub(super) fn new(zone: &str) -> Self {
        Self {
            zone: zone.into(),
            known: BTreeMap::new(),
            touched: BTreeSet::new(),
        }
    }

    pub(super) fn update(
        &mut self,
        definitions: &Definitions,
        missing: &Missing,
        transports: &Transports,
        middlewares: &Middlewares,
    ) {
        let anew = transports.changed() || middlewares.changed();
        let same = |known: &Compiled, entry: &Arc<_>| !anew && Arc::ptr_eq(&known.verdict.entry, entry);
        let difference = Difference::new(&self.known, definitions, same);
        self.touched.clear();
        if difference.is_empty() && !missing.changed() {
            return;
        }
        let dependents = self.known.iter().filter(|(_, known)| known.depends());
        self.touched.extend(dependents.map(|(name, _)| name.clone()));
        self.touched.extend(difference.stale);
        self.touched.extend(difference.gone);
        let before = self.touched.iter();
        let before: BTreeMap<_, _> = before.filter_map(|name| self.known.remove_entry(name)).collect();
        let serving = |(name, compiled): (&QualifiedName, &Compiled)| {
            let good = compiled.good.as_ref()?;
            Some((name.clone(), good.service.clone()))
        };
        let served: Vec<_> = before.iter().filter_map(serving).collect();
        let mut update = Update {
            definitions,
            missing,
            transports,
            middlewares,
            before,
            zone: &self.zone,
            known: &mut self.known,
        };
        for name in bottom_up(definitions, &self.touched) {
            update.compile(name, &mut Vec::new());
        }
        for (name, service) in &served {
            let next = self.known.get(name).and_then(|next| next.good.as_ref());
            service.followed_by(next.map(|next| next.service.as_ref()));
        }
        let served: BTreeMap<_, _> = served.iter().map(|(name, service)| (name, service)).collect();
        let changes = self.touched.iter().filter_map(|name| {
            let before = served.get(name).and_then(|service| service.balancer());
            Some((before, self.known.get(name)?.good.as_ref()?.service.balancer()?))
        });
        end_sessions_elsewhere(self.balancers(), changes);
    }

    /// The balancers of all services that serve.
    fn balancers(&self) -> impl Iterator<Item = &Balancer> + Clone {
        let serving = self.known.values().filter_map(|known| known.good.as_ref());
        serving.filter_map(|good| good.service.balancer())
    }

    /// True if the last update may have changed the service.
    pub(super) fn touched(&self, name: &QualifiedName) -> bool {
        self.touched.contains(name)
    }

    /// A service by name.
    pub(super) fn resolve(&self, name: &QualifiedName, missing: &Missing) -> Result<Arc<Service>, String> {
        resolve(&self.known, name, missing)
    }

    /// Every service and what became of it.
    pub(super) fn verdicts(&self) -> Vec<Arc<ServiceVerdict>> {
        self.known
            .values()
            .map(|compiled| compiled.verdict.clone())
            .collect()
    }
}

impl Compiled {
    /// True if it may come out differently after a change of another service.
    fn depends(&self) -> bool {
        let alone = matches!(self.verdict.entry.value.kind, ServiceKind::LoadBalancer(_));
        let asks = self
            .good
            .as_ref()
            .is_some_and(|good| !good.parts.asked.is_empty());
        !alone || asks || !self.verdict.errors.is_empty()
    }
}

fn resolve(
    known: &BTreeMap<QualifiedName, Compiled>,
    name: &QualifiedName,
    missing: &Missing,
) -> Result<Arc<Service>, String> {
    match known.get(name) {
        Some(Compiled { good: Some(good), .. }) => Ok(good.service.clone()),
        Some(Compiled { verdict, .. }) => Err(format!(
            "service {name} cannot be used: {}",
            brief(verdict.errors.iter().cloned())
        )),
        None => Err(missing.why(ObjectKind::Service, name)),
    }
}

/// The names of `touched` services, those below a service before it: then only a recursion leads further down, and
/// what is nested too deep is found out bottom up.
fn bottom_up<'d>(definitions: &'d Definitions, touched: &BTreeSet<QualifiedName>) -> Vec<&'d QualifiedName> {
    let mut seen = BTreeSet::new();
    let mut order = Vec::new();
    let mut waiting: Vec<(QualifiedName, bool)> =
        touched.iter().rev().map(|name| (name.clone(), false)).collect();
    while let Some((name, is_ready)) = waiting.pop() {
        let Some((defined, entry)) = definitions.get_key_value(&name) else {
            continue;
        };
        if is_ready {
            order.push(defined);
        } else if touched.contains(&name) && seen.insert(defined) {
            let children = entry.value.kind.children();
            let children = children
                .into_iter()
                .map(|child| (child.resolve(&name.provider), false));
            waiting.push((name.clone(), true));
            waiting.extend(children);
        }
    }
    order
}

/// One run of the stage.
struct Update<'d> {
    definitions: &'d Definitions,
    missing: &'d Missing,
    transports: &'d Transports,
    middlewares: &'d Middlewares,
    before: BTreeMap<QualifiedName, Compiled>,
    zone: &'d Arc<str>,
    known: &'d mut BTreeMap<QualifiedName, Compiled>,
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
        let before = self.before.remove(name);
        let known = before.as_ref().map(|before| before.verdict.errors.as_slice());
        tell(
            ObjectKind::Service,
            name,
            &entry.origin,
            known.unwrap_or_default(),
            &errors,
        );
        let before = before.and_then(|before| before.good);
        let good = match before {
            Some(good) if errors.is_empty() => good.followed_by(name, entry, parts),
            None if errors.is_empty() => Good::new(name, entry, parts, None),
            Some(good) => {
                let entry = good.entry.clone();
                let (parts, _) = self.parts(name, &entry, Some(&good.parts), visiting);
                good.followed_by(name, &entry, parts)
            }
            None => None,
        };
        visiting.pop();
        let verdict = Arc::new(Verdict {
            name: name.clone(),
            entry: entry.clone(),
            serving: good.as_ref().map(|good| good.service.clone()),
            errors,
        });
        self.known.insert(name.clone(), Compiled { verdict, good });
    }

    /// Looks up what `entry` refers to; what is missing comes from `held`, or is an error.
    fn parts(
        &mut self,
        name: &QualifiedName,
        entry: &Entry<model::Service>,
        held: Option<&Parts>,
        visiting: &mut Vec<QualifiedName>,
    ) -> (Parts, Vec<String>) {
        let mut parts = Parts {
            zone: Some(self.zone.clone()),
            ..Parts::default()
        };
        let mut errors = Vec::new();
        for reference in &entry.value.middlewares {
            let middleware = reference.resolve(&name.provider);
            let held = held.and_then(|held| find(&held.middlewares, &middleware));
            match self
                .middlewares
                .resolve(&middleware, self.missing)
                .or_else(|error| held.ok_or(error))
            {
                Ok(chain) => parts.middlewares.push((middleware, chain)),
                Err(error) => errors.push(error),
            }
        }
        self.asked(&mut parts, held, visiting, &mut errors);
        match &entry.value.kind {
            ServiceKind::LoadBalancer(balancer) => {
                let held = held.and_then(|held| held.transport.clone());
                let transport = self.transports.resolve(
                    balancer.servers_transport.as_ref(),
                    &name.provider,
                    self.missing,
                );
                let needs_tls = balancer
                    .servers
                    .iter()
                    .any(|server| server.url.scheme == Scheme::Https);
                let transport = transport.and_then(|transport| {
                    if needs_tls && let Err(error) = transport.tls() {
                        return Err(format!("its serversTransport cannot be used: {error}"));
                    }
                    Ok(transport)
                });
                match transport.or_else(|error| held.ok_or(error)) {
                    Ok(transport) => parts.transport = Some(transport),
                    Err(error) => errors.push(error),
                }
            }
            kind => {
                for child in kind.children() {
                    let child = child.resolve(&name.provider);
                    let held = held.and_then(|held| find(&held.children, &child));
                    match self.child(&child, visiting).or_else(|error| held.ok_or(error)) {
                        Ok(service) => parts.children.push((child, service)),
                        Err(error) if errors.contains(&error) => {}
                        Err(error) => errors.push(error),
                    }
                }
                if errors.is_empty() {
                    let children: Vec<_> = parts.children.iter().map(|(_, child)| child.as_ref()).collect();
                    errors.extend(demands::unmet(kind, &children));
                }
            }
        }
        (parts, errors)
    }

    /// Looks up the services that the middlewares ask.
    fn asked(
        &mut self,
        parts: &mut Parts,
        held: Option<&Parts>,
        visiting: &mut Vec<QualifiedName>,
        errors: &mut Vec<String>,
    ) {
        let steps = parts.middlewares.iter().flat_map(|(_, chain)| chain.iter());
        let asked = steps.filter_map(|step| Some((step.name.clone(), step.asks()?)));
        for (middleware, name) in asked.collect::<Vec<_>>() {
            let held = held.and_then(|held| find(&held.asked, &name));
            match self.child(&name, visiting).or_else(|error| held.ok_or(error)) {
                Ok(service) => parts.asked.push((name, service)),
                Err(error) => errors.push(format!("middleware {middleware}: {error}")),
            }
        }
    }

    fn child(
        &mut self,
        name: &QualifiedName,
        visiting: &mut Vec<QualifiedName>,
    ) -> Result<Arc<Service>, String> {
        if visiting.contains(name) {
            return Err(format!("recursion detected: {}", cycle(visiting, name)));
        }
        if visiting.len() >= MAX_VISITED {
            return Err(format!(
                "service {name} is one of more than {MAX_VISITED} that lead to each other"
            ));
        }
        if name.provider.as_str() == ProviderName::INTERNAL {
            return Err(format!(
                "service {name} answers inside Mesh and cannot be part of another"
            ));
        }
        self.compile(name, visiting);
        resolve(self.known, name, self.missing)
    }
}

impl Good {
    fn new(
        name: &QualifiedName,
        entry: &Arc<Entry<model::Service>>,
        parts: Parts,
        before: Option<&Service>,
    ) -> Option<Self> {
        let label: Arc<str> = name.to_string().into();
        let before = before.map(|before| &before.kind);
        let kind = match &entry.value.kind {
            ServiceKind::LoadBalancer(definition) => {
                let before = match before {
                    Some(Kind::Balancer(before)) => Some(before.as_ref()),
                    _ => None,
                };
                let transport = parts.transport.clone().unwrap_or_default();
                let context = Context {
                    label: &label,
                    origin: &entry.origin,
                    transport: &transport,
                    zone: parts.zone.as_deref().unwrap_or_default(),
                };
                Kind::Balancer(Balancer::new(context, definition, before))
            }
            composite => {
                let children: Vec<_> = parts.children.iter().map(|(_, child)| child.clone()).collect();
                composite::kind(composite, &label, &children, before)?
            }
        };
        let chains = parts.middlewares.iter().flat_map(|(_, chain)| {
            chain
                .iter()
                .map(|step| step.for_owner(&label, |name| find(&parts.asked, name)))
        });
        let children: Vec<_> = parts.children.iter().map(|(_, child)| &**child).collect();
        let service = Service {
            name: name.clone(),
            middlewares: chains.collect(),
            label,
            kind,
            reports_health: composite::reports_health(&entry.value.kind),
            depth: 1 + demands::depth_below(&children),
            size: 1 + demands::size_below(&children),
        };
        Some(Self {
            entry: entry.clone(),
            parts,
            service: Arc::new(service),
        })
    }

    /// The version that comes after this one; itself when nothing changed.
    fn followed_by(
        self,
        name: &QualifiedName,
        entry: &Arc<Entry<model::Service>>,
        parts: Parts,
    ) -> Option<Self> {
        if Arc::ptr_eq(&self.entry, entry) && self.parts.same(&parts) {
            return Some(self);
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
            && same_all(&self.asked, &other.asked)
    }
}

fn same_all<T: ?Sized>(a: &[(QualifiedName, Arc<T>)], b: &[(QualifiedName, Arc<T>)]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|((_, a), (_, b))| Arc::ptr_eq(a, b))
}

fn find<T: Clone>(parts: &[(QualifiedName, T)], name: &QualifiedName) -> Option<T> {
    let found = parts.iter().find(|(held, _)| held == name);
    found.map(|(_, part)| part.clone())
}

//! All that is known of one provider.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use mesh_config::{
    Configuration, Problem, ProviderName, QualifiedName, SetAside,
    instance::{Instance, Lifecycle},
    model::{Certificate, Middleware, Router, ServersTransport, Service, TlsOptions},
};

use super::{
    comeback::Comeback,
    kin::Kin,
    namespace::{Namespace, Order},
    scope::{Held, ScopeData},
    unit::{Objects, UnitKey, document},
};
use crate::{
    declare::{Completed, Definitions, Member, combine, complete, retained},
    exposure::Exposure,
    provider::Scope,
    status::ProviderStatus,
};

/// One service, group or document.
#[derive(Debug)]
pub(crate) struct Unit {
    /// Its instances; none for a document.
    pub(crate) members: BTreeSet<(Scope, Arc<str>)>,
    /// The services its instances belong to, or did.
    pub(crate) services: BTreeSet<Arc<str>>,
    /// Good definitions, for when newer ones cannot be used or the last instance is gone.
    pub(crate) definitions: Definitions,
    /// Since when it has no instances.
    pub(crate) empty_since: Option<SystemTime>,
    /// Creation of its oldest instance ever seen.
    pub(crate) oldest: u64,
    objects: Objects,
    problems: Vec<Problem>,
}

impl Default for Unit {
    fn default() -> Self {
        Self {
            members: BTreeSet::new(),
            services: BTreeSet::new(),
            definitions: Definitions::default(),
            empty_since: None,
            oldest: u64::MAX,
            objects: Objects::default(),
            problems: Vec::new(),
        }
    }
}

/// The names of all kinds.
#[derive(Debug)]
pub(crate) struct Namespaces {
    pub(crate) routers: Namespace<Router>,
    pub(crate) services: Namespace<Service>,
    pub(crate) middlewares: Namespace<Middleware>,
    pub(crate) servers_transports: Namespace<ServersTransport>,
    pub(crate) certificates: Namespace<Certificate>,
    pub(crate) tls_options: Namespace<TlsOptions>,
}

/// One provider.
#[derive(Debug)]
pub(crate) struct ProviderState {
    pub(crate) name: ProviderName,
    pub(crate) required: bool,
    pub(crate) exposure: Option<Arc<Exposure>>,
    pub(crate) scopes: BTreeMap<Scope, ScopeData>,
    /// Documents that are no longer listed, until those that are have been told.
    pub(crate) leaving: BTreeSet<Scope>,
    pub(crate) units: BTreeMap<UnitKey, Unit>,
    pub(crate) namespaces: Namespaces,
    pub(crate) kin: Kin,
    pub(crate) comeback: Comeback,
    /// How far the history of the system was when it was last heard of, in this run or the one that wrote the snapshot.
    pub(crate) history: Option<u64>,
    /// Every scope was read once, in this run or the one that wrote the snapshot.
    pub(crate) synced: bool,
    /// Reads that failed since the start.
    pub(crate) errors: u64,
}

/// Whether a unit is still there after it was built again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rebuilt {
    /// It has instances, or is a document.
    Alive,
    /// Its last instance is gone; its routes are kept.
    Retained(SystemTime),
    /// It is forgotten.
    Forgotten,
}

impl ProviderState {
    pub(crate) fn new(name: ProviderName, required: bool, exposure: Option<Exposure>) -> Self {
        Self {
            name,
            required,
            exposure: exposure.map(Arc::new),
            scopes: BTreeMap::new(),
            leaving: BTreeSet::new(),
            units: BTreeMap::new(),
            namespaces: Namespaces {
                routers: Namespace::new("http.routers"),
                services: Namespace::new("http.services"),
                middlewares: Namespace::new("http.middlewares"),
                servers_transports: Namespace::new("http.serversTransports"),
                certificates: Namespace::new("tls.certificates"),
                tls_options: Namespace::new("tls.options"),
            },
            kin: Kin::default(),
            comeback: Comeback::default(),
            history: None,
            synced: false,
            errors: 0,
        }
    }

    /// What `instance` declares; nothing where no exposure was configured, as for providers of documents.
    pub(crate) fn complete(&self, instance: &Instance) -> Completed {
        match &self.exposure {
            Some(exposure) => complete(instance, &self.name, exposure),
            None => Completed::nothing(UnitKey::Service(instance.service.clone())),
        }
    }

    pub(crate) fn status(&self) -> ProviderStatus {
        ProviderStatus {
            name: self.name.clone(),
            required: self.required,
            synced: self.synced,
            errors: self.errors,
            scopes: self
                .scopes
                .iter()
                .filter(|(_, data)| !data.unlisted)
                .map(|(name, data)| data.status(name))
                .collect(),
        }
    }

    /// Problems of no object.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.units.values().flat_map(|unit| &unit.problems)
    }

    /// Objects that were never good in the unit that declares them.
    pub(crate) fn set_aside(&self) -> impl Iterator<Item = (QualifiedName, &Arc<SetAside>)> {
        let all = self.units.values().flat_map(|unit| &unit.objects.set_aside);
        all.map(|object| {
            (
                QualifiedName::new(object.name.as_str(), self.name.clone()),
                object,
            )
        })
    }

    /// Notices when everything was read once that can be read. From then on names belong to whoever has them.
    pub(crate) fn settle(&mut self, published: &mut Configuration) {
        let scopes = || self.scopes.values().filter(|data| !data.unlisted);
        let was_read = |data: &ScopeData| data.last_success.is_some();
        let is_known = scopes().any(was_read) && scopes().all(|data| was_read(data) || data.unreadable);
        if self.synced || !is_known {
            return;
        }
        self.synced = true;
        let age = |unit: &UnitKey| self.units.get(unit).map_or(0, |unit| unit.oldest);
        let order = Order {
            provider: &self.name,
            settled: true,
            age: &age,
        };
        let names = &mut self.namespaces;
        names.routers.give_all(order, &mut published.routers);
        names.services.give_all(order, &mut published.services);
        names.middlewares.give_all(order, &mut published.middlewares);
        names
            .servers_transports
            .give_all(order, &mut published.servers_transports);
        names.certificates.give_all(order, &mut published.certificates);
        names.tls_options.give_all(order, &mut published.tls_options);
    }

    /// Builds the objects of `key` again and publishes those that changed.
    pub(crate) fn rebuild(
        &mut self,
        key: &UnitKey,
        now: SystemTime,
        published: &mut Configuration,
    ) -> Rebuilt {
        let (mut objects, problems, rebuilt) = match key {
            UnitKey::Document(scope) => match self.scopes.get(scope).map(|data| &data.held) {
                Some(Held::Document(fragment)) => {
                    (document(fragment), fragment.problems.clone(), Rebuilt::Alive)
                }
                Some(Held::Nothing | Held::Instances(_) | Held::Listing(_)) | None => {
                    (Objects::default(), Vec::new(), Rebuilt::Forgotten)
                }
            },
            UnitKey::Service(_) | UnitKey::Group(_) => self.rebuild_service(key, now),
        };
        let unit = self.units.entry(key.clone()).or_default();
        let old = std::mem::take(&mut unit.objects);
        objects.share(&old);
        unit.problems = problems;
        self.claim(key, &old, &objects, published);
        if rebuilt == Rebuilt::Forgotten {
            self.units.remove(key);
        } else if let Some(unit) = self.units.get_mut(key) {
            unit.objects = objects;
        }
        rebuilt
    }

    /// Forgets a unit without instances and everything it declares.
    pub(crate) fn forget(&mut self, key: &UnitKey, published: &mut Configuration) {
        if let Some(unit) = self.units.remove(key) {
            self.claim(key, &unit.objects, &Objects::default(), published);
        }
    }

    fn rebuild_service(&mut self, key: &UnitKey, now: SystemTime) -> (Objects, Vec<Problem>, Rebuilt) {
        let moved_on = self.moved_on(key);
        let Some(unit) = self.units.get_mut(key) else {
            return (Objects::default(), Vec::new(), Rebuilt::Forgotten);
        };
        let exposure = self.exposure.as_ref();
        if unit.members.is_empty() {
            if unit.definitions.is_empty() || moved_on {
                return (Objects::default(), Vec::new(), Rebuilt::Forgotten);
            }
            let since = *unit.empty_since.get_or_insert(now);
            let kept = exposure.map(|exposure| retained(&unit.definitions, &self.name, exposure));
            return (kept.unwrap_or_default(), Vec::new(), Rebuilt::Retained(since));
        }
        if moved_on {
            return (Objects::default(), Vec::new(), Rebuilt::Alive);
        }
        let Some(exposure) = exposure else {
            return (Objects::default(), Vec::new(), Rebuilt::Alive);
        };
        let members = unit.members.iter().filter_map(|(scope, id)| {
            let record = self.scopes.get(scope)?.record(id)?;
            Some(Member {
                instance: record.instance.clone(),
                completed: record.completed.clone(),
                gone: record.gone_since.is_some(),
                ever_ready: record.ever_ready,
            })
        });
        let combined = combine(members.collect(), &unit.definitions, &self.name, exposure);
        unit.empty_since = None;
        unit.definitions = combined.definitions;
        (combined.objects, combined.problems, Rebuilt::Alive)
    }

    /// True if nobody stays in a unit and its services live on in another one: then names and requests follow
    /// them, and what is left here must not stand in their way.
    fn moved_on(&self, key: &UnitKey) -> bool {
        let stays = |unit: &Unit| unit.members.iter().any(|member| self.stays(member));
        let Some(unit) = self.units.get(key).filter(|unit| !stays(unit)) else {
            return false;
        };
        let mut heirs = unit
            .services
            .iter()
            .flat_map(|service| self.kin.others(service, key));
        heirs.any(|heir| self.units.get(heir).is_some_and(stays))
    }

    fn stays(&self, (scope, id): &(Scope, Arc<str>)) -> bool {
        let record = self.scopes.get(scope).and_then(|data| data.record(id));
        record.is_some_and(|record| {
            record.gone_since.is_none() && record.instance.lifecycle != Lifecycle::Draining
        })
    }

    fn claim(&mut self, key: &UnitKey, old: &Objects, new: &Objects, published: &mut Configuration) {
        let age = |unit: &UnitKey| self.units.get(unit).map_or(0, |unit| unit.oldest);
        let order = Order {
            provider: &self.name,
            settled: self.synced,
            age: &age,
        };
        let names = &mut self.namespaces;
        names
            .routers
            .claim(key, &old.routers, &new.routers, order, &mut published.routers);
        names
            .services
            .claim(key, &old.services, &new.services, order, &mut published.services);
        names.middlewares.claim(
            key,
            &old.middlewares,
            &new.middlewares,
            order,
            &mut published.middlewares,
        );
        names.servers_transports.claim(
            key,
            &old.servers_transports,
            &new.servers_transports,
            order,
            &mut published.servers_transports,
        );
        names.certificates.claim(
            key,
            &old.certificates,
            &new.certificates,
            order,
            &mut published.certificates,
        );
        names.tls_options.claim(
            key,
            &old.tls_options,
            &new.tls_options,
            order,
            &mut published.tls_options,
        );
    }
}

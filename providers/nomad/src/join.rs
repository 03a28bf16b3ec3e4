//! Joins services with allocations, whose answers come one by one and in any order.
//!
//! No I/O and no clock: the time is an argument.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mesh_config::instance::Instance;
use mesh_discovery::{Content, Report, Scope};
use tokio::time::Instant;

use crate::{
    allocations,
    answer::Registration,
    instances::Translation,
    services,
    table::{Table, is_stopping},
};

/// How long an instance is kept that was deregistered and whose allocation still runs. Nomad deregisters first, waits
/// for `shutdown_delay` and stops the process then, which may take a while itself.
pub const LINGER: Duration = Duration::from_secs(60);

/// How long it is kept when nobody wants its end: the two lists are read one after the other. Beyond this its job
/// took the service away on purpose.
pub const LAG: Duration = Duration::from_secs(2);

/// How long a canary that was promoted counts as one for want of other tags. Nomad promotes first and changes the tags
/// then; in between it would be the newest of its service with tags that were meant for a canary.
pub const PROMOTION: Duration = Duration::from_secs(10);

/// What is known of a namespace.
#[derive(Debug)]
pub(crate) struct Join {
    translation: Translation,
    table: Table,
    /// Allocations that were promoted and still count as canaries, and since when.
    promoted: BTreeMap<String, Instant>,
    services: BTreeMap<String, Known>,
    /// Services to look at again.
    touched: BTreeSet<String>,
    /// The services that Nomad lists; `None` while the list cannot be read.
    listed: Option<BTreeSet<String>>,
    /// The scopes that were reported for it.
    reported: BTreeSet<Scope>,
}

/// What is known of a service.
#[derive(Debug, Default)]
struct Known {
    registered: Vec<Registration>,
    /// Those that were registered, by id, and since when they are not.
    left: BTreeMap<String, (Registration, Instant)>,
    /// Its last reading succeeded. What failed grows older, whatever is known of allocations.
    fresh: bool,
    reported: Vec<Instance>,
}

impl Join {
    pub(crate) fn new(translation: Translation) -> Self {
        Self {
            translation,
            table: Table::default(),
            promoted: BTreeMap::new(),
            services: BTreeMap::new(),
            touched: BTreeSet::new(),
            listed: None,
            reported: BTreeSet::new(),
        }
    }

    /// Nomad listed `services`: all scopes there are now.
    pub(crate) fn list(&mut self, services: BTreeSet<String>, now: Instant) -> Content {
        for (service, known) in &mut self.services {
            if !services.contains(service) {
                known.leave(Vec::new(), now);
                known.forget(&self.table, now);
                self.touched.insert(service.clone());
            }
        }
        self.services
            .retain(|service, known| services.contains(service) || !known.left.is_empty());
        self.listed = Some(services);
        self.reported = self.scopes();
        Content::Scopes(self.reported.clone())
    }

    /// The list could not be read.
    pub(crate) fn list_failed(&mut self) {
        self.listed = None;
    }

    /// Nomad listed the instances of a service: all of them as they are now.
    pub(crate) fn service(
        &mut self,
        service: &str,
        registered: Vec<Registration>,
        now: Instant,
    ) -> Vec<Instance> {
        let known = self.services.entry(service.to_owned()).or_default();
        let changed = known.retagged(&registered);
        known.leave(registered, now);
        self.end_promotions(|allocation, _| changed.contains(allocation));
        let known = self.services.entry(service.to_owned()).or_default();
        known.forget(&self.table, now);
        known.fresh = true;
        known.reported = known.instances(&self.translation, &self.table);
        known.reported.clone()
    }

    /// The instances of a service could not be read.
    pub(crate) fn service_failed(&mut self, service: &str) {
        if let Some(known) = self.services.get_mut(service) {
            known.fresh = false;
        }
    }

    /// Those of `was` that `now` lacks are added to it.
    pub(crate) fn keep_missing(&self, service: &str, now: &mut Vec<Registration>) {
        let known = self.services.get(service);
        for old in known.iter().flat_map(|known| &known.registered) {
            if !now.iter().any(|new| new.id == old.id) {
                now.push(old.clone());
            }
        }
    }

    /// True if `table` lacks every allocation of registered instances: more likely it is not whole.
    pub(crate) fn doubts(&self, table: &Table) -> bool {
        let mut registered = self
            .services
            .values()
            .flat_map(|known| &known.registered)
            .peekable();
        registered.peek().is_some() && registered.all(|registration| table.lacks(registration))
    }

    /// What is known of allocations from now on.
    pub(crate) fn learn(&mut self, mut table: Table, now: Instant) {
        for (id, allocation) in table.allocations_mut() {
            let canary = &mut allocation.deployment_status.canary;
            let before = self.table.allocation(id);
            if !*canary && before.is_some_and(|before| before.deployment_status.canary) {
                self.promoted.entry(id.clone()).or_insert(now);
                *canary = true;
            }
        }
        self.promoted.retain(|id, _| table.allocation(id).is_some());
        self.table = table;
        self.touched = self.services.keys().cloned().collect();
    }

    /// Those that were promoted and have `ended` count as canaries no longer.
    fn end_promotions(&mut self, ended: impl Fn(&str, Instant) -> bool) {
        let known = self.services.keys();
        for (id, allocation) in self.table.allocations_mut() {
            if self.promoted.get(id).is_some_and(|since| ended(id, *since)) {
                self.promoted.remove(id);
                allocation.deployment_status.canary = false;
                self.touched.extend(known.clone().cloned());
            }
        }
    }

    /// Allocations could not be read: what was known of them stays, and nothing holds back what is not in it.
    pub(crate) fn table_failed(&mut self) {
        if let Table::Known { current, .. } = &mut self.table {
            *current = false;
            self.touched = self.services.keys().cloned().collect();
        }
    }

    /// The next thing that changed although its own scope was not read again.
    pub(crate) fn next_change(&mut self, now: Instant) -> Option<Report> {
        self.end_promotions(|_, since| since + PROMOTION <= now);
        for (service, known) in &mut self.services {
            if known.ends(&self.table).any(|end| end <= now) {
                self.touched.insert(service.clone());
            }
        }
        while let Some(service) = self.touched.pop_first() {
            let Some(known) = self.services.get_mut(&service) else {
                continue;
            };
            known.forget(&self.table, now);
            let instances = known.instances(&self.translation, &self.table);
            if known.fresh && instances != known.reported {
                known.reported.clone_from(&instances);
                return Some(Report::Replace {
                    scope: services::scope(&service),
                    content: Content::Instances(instances),
                });
            }
        }
        let scopes = self.scopes();
        if self.listed.is_none() || scopes == self.reported {
            return None;
        }
        self.reported = scopes.clone();
        Some(Report::Replace {
            scope: Scope::new(services::SCOPE),
            content: Content::Scopes(scopes),
        })
    }

    /// When the next instance has lingered, or been a canary, long enough.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let known = self.services.values();
        let lingering = known.flat_map(|known| known.ends(&self.table));
        let promoted = self.promoted.values().map(|since| *since + PROMOTION);
        lingering.chain(promoted).min()
    }

    /// The services that are listed, those whose instances linger, and the allocations.
    fn scopes(&self) -> BTreeSet<Scope> {
        let lingering = self.services.iter().filter(|(_, known)| !known.left.is_empty());
        let listed = self.listed.iter().flatten();
        let services = listed.chain(lingering.map(|(service, _)| service));
        let allocations = std::iter::once(Scope::new(allocations::SCOPE));
        services
            .map(|service| services::scope(service))
            .chain(allocations)
            .collect()
    }
}

impl Known {
    /// The allocations whose instances have other tags in `registered` than before.
    fn retagged(&self, registered: &[Registration]) -> BTreeSet<String> {
        let before = |id: &str| self.registered.iter().find(|old| old.id == id);
        let changed = |new: &&Registration| before(&new.id).is_some_and(|old| old.tags != new.tags);
        let changed = registered.iter().filter(changed);
        changed.map(|new| new.alloc_id.clone()).collect()
    }

    /// Those that are registered no longer linger from now on.
    fn leave(&mut self, registered: Vec<Registration>, now: Instant) {
        for registration in std::mem::replace(&mut self.registered, registered) {
            let id = registration.id.clone();
            self.left.entry(id).or_insert((registration, now));
        }
        for registration in &self.registered {
            self.left.remove(&registration.id);
        }
    }

    /// What is registered, and what lingers.
    fn instances(&self, translation: &Translation, table: &Table) -> Vec<Instance> {
        let registered = self.registered.iter();
        let left = self.left.values();
        registered
            .map(|registration| translation.instance(registration, table))
            .chain(left.map(|(registration, _)| translation.deregistered(registration, table)))
            .collect()
    }

    /// Forgets what lingers no longer.
    fn forget(&mut self, table: &Table, now: Instant) {
        self.left
            .retain(|_, (registration, since)| end(registration, *since, table).is_some_and(|end| now < end));
    }

    /// When those that linger have to be forgotten.
    fn ends(&self, table: &Table) -> impl Iterator<Item = Instant> {
        let left = self.left.values();
        left.map(|(registration, since)| end(registration, *since, table).unwrap_or(*since))
    }
}

/// Until when an instance lingers that is deregistered `since`; `None` when it is not known to run.
fn end(registration: &Registration, since: Instant, table: &Table) -> Option<Instant> {
    let allocation = table.allocation(&registration.alloc_id)?;
    let runs = allocation.client_status == "running";
    let length = if is_stopping(allocation) { LINGER } else { LAG };
    runs.then(|| since + length)
}

//! What all providers said, with its age.
//!
//! Pure and synchronous: the time is an argument. [`Catalog::apply`] takes one report, and the configuration
//! follows at once; only the units that the report touches are built again, and what did not change keeps its
//! identity. Nothing but a successful read of a scope removes anything from it.

mod addresses;
mod apply;
mod comeback;
mod kin;
mod namespace;
mod persist;
mod provider;
mod scope;
mod timers;
mod unit;

#[cfg(test)]
mod tests;

pub use comeback::SETTLE;
pub use persist::CatalogSnapshot;
pub(crate) use unit::{Objects, UnitKey};

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    time::{Duration, SystemTime},
};

use mesh_config::{Configuration, ProviderName};

use self::{
    addresses::{Addresses, InstanceKey},
    provider::{ProviderState, Rebuilt},
    timers::{Timer, Timers},
    unit::closed,
};
use crate::{
    exposure::Exposure,
    provider::{Content, ProviderError, Report},
    settings::DiscoverySettings,
    status::ProviderStatus,
};

/// Everything that is known, and the configuration that follows from it.
#[derive(Debug)]
pub struct Catalog {
    drain: Duration,
    route_retention: Duration,
    providers: BTreeMap<ProviderName, ProviderState>,
    addresses: Addresses,
    timers: Timers,
    /// Units to build again.
    dirty: BTreeSet<(ProviderName, UnitKey)>,
    published: Configuration,
    revision: u64,
}

impl Catalog {
    /// An empty catalog.
    pub fn new(settings: &DiscoverySettings) -> Self {
        Self {
            drain: settings.drain,
            route_retention: settings.route_retention,
            providers: BTreeMap::new(),
            addresses: Addresses::default(),
            timers: Timers::default(),
            dirty: BTreeSet::new(),
            published: Configuration::default(),
            revision: 0,
        }
    }

    /// Announces a provider. Without `exposure` it can deliver documents only: its instances are known, and
    /// declare nothing.
    pub fn register(&mut self, name: ProviderName, required: bool, exposure: Option<Exposure>) {
        let state = ProviderState::new(name.clone(), required, exposure);
        self.providers.insert(name, state);
    }

    /// Takes one report. A provider that was not announced is announced as one of documents.
    pub fn apply(&mut self, provider: &ProviderName, report: Report, now: SystemTime) {
        if !self.providers.contains_key(provider) {
            self.register(provider.clone(), true, None);
        }
        match report {
            Report::Failed { scope, error } => {
                let unreadable = matches!(
                    error,
                    ProviderError::Unreadable { .. } | ProviderError::Unhurried(_)
                );
                self.failed(provider, scope, error.to_string(), unreadable);
            }
            Report::History { index } => self.history(provider, index, now),
            Report::Replace { scope, content } => match content {
                Content::Instances(instances) => self.replace_instances(provider, &scope, instances, now),
                Content::Fragment(fragment) => self.replace_document(provider, &scope, fragment, now),
                Content::Scopes(scopes) => self.replace_listing(provider, &scope, scopes, now),
                // They are providers like any other, announced by whoever follows them.
                Content::Members(_) => self.succeeded(provider, &scope, now),
            },
        }
        self.sweep(provider);
        self.tick(now);
        if let Some(state) = self.providers.get_mut(provider) {
            state.settle(&mut self.published);
        }
    }

    /// Lets time pass: drained instances and routes without instances end.
    pub fn tick(&mut self, now: SystemTime) {
        loop {
            self.rebuild(now);
            let Some(timer) = self.timers.pop(now) else { return };
            match timer {
                Timer::Drain(key) => self.drained(&key, now),
                Timer::Retention(provider, unit) => self.retention_ended(&provider, &unit, now),
                Timer::Complete(provider) => self.complete(&provider, now),
            }
        }
    }

    /// When [`Catalog::tick`] has something to do next.
    pub fn next_deadline(&self) -> Option<SystemTime> {
        self.timers.next()
    }

    /// Everything that routing needs. Entries that did not change are the same ones as before.
    pub fn configuration(&self) -> Configuration {
        let mut configuration = self.published.clone();
        configuration.problems = self
            .providers
            .values()
            .flat_map(ProviderState::problems)
            .cloned()
            .collect();
        for (name, object) in self.providers.values().flat_map(ProviderState::set_aside) {
            let serves = configuration.serves(object.kind, &name);
            match configuration.set_aside.entry((object.kind, name)) {
                Entry::Vacant(free) if !serves => {
                    if let Some(router) = object.closed.as_deref() {
                        let router = closed(router, &object.problem);
                        configuration.closed.insert(free.key().1.clone(), router);
                    }
                    free.insert(object.clone());
                }
                // Somebody else has the name, and what is wrong here must not be taken for his.
                _ => configuration.problems.push(object.problem.clone()),
            }
        }
        configuration
    }

    /// How fresh each provider is, by name.
    pub fn status(&self) -> Vec<ProviderStatus> {
        self.providers.values().map(ProviderState::status).collect()
    }

    /// Grows whenever anything but an age changed.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    fn rebuild(&mut self, now: SystemTime) {
        while let Some((provider, unit)) = self.dirty.pop_first() {
            self.revision += 1;
            let Some(state) = self.providers.get_mut(&provider) else {
                continue;
            };
            if let Rebuilt::Retained(since) = state.rebuild(&unit, now, &mut self.published) {
                let timer = Timer::Retention(provider, unit);
                self.timers.add(since, self.route_retention, timer);
            }
        }
    }

    fn drained(&mut self, key: &InstanceKey, now: SystemTime) {
        let gone_since = self
            .providers
            .get(&key.provider)
            .and_then(|state| state.scopes.get(&key.scope))
            .and_then(|scope| scope.record(&key.id))
            .and_then(|record| record.gone_since);
        if gone_since.is_some_and(|since| is_over(since, self.drain, now)) {
            self.remove(key);
        }
    }

    fn retention_ended(&mut self, provider: &ProviderName, unit: &UnitKey, now: SystemTime) {
        let Some(state) = self.providers.get_mut(provider) else {
            return;
        };
        let empty_since = state.units.get(unit).and_then(|unit| unit.empty_since);
        if empty_since.is_some_and(|since| is_over(since, self.route_retention, now)) {
            state.forget(unit, &mut self.published);
            self.revision += 1;
        }
    }
}

fn is_over(since: SystemTime, length: Duration, now: SystemTime) -> bool {
    since.checked_add(length).is_some_and(|end| end <= now)
}

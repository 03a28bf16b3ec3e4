//! What a report does to the catalog.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use mesh_config::{
    Fragment, ProviderName,
    instance::{Instance, Lifecycle},
};

use super::{
    Catalog,
    addresses::InstanceKey,
    scope::{Difference, Held, Record, ScopeData},
    timers::Timer,
    unit::{UnitKey, keep_good},
};
use crate::{provider::Scope, status::ScopeState};

impl Catalog {
    /// The data stays; the error and the age tell. `unreadable`: what is there cannot be used as it is.
    pub(crate) fn failed(&mut self, provider: &ProviderName, scope: Scope, error: String, unreadable: bool) {
        if let Some(state) = self.providers.get_mut(provider) {
            state.errors += 1;
            let data = state.scopes.entry(scope).or_default();
            data.last_error = Some(error);
            data.unreadable = unreadable;
        }
    }

    /// The provider itself is in trouble: all its scopes have failed, and all their data stays.
    pub(crate) fn failed_altogether(&mut self, provider: &ProviderName, error: &str) {
        if let Some(state) = self.providers.get_mut(provider) {
            state.errors += 1;
            for data in state.scopes.values_mut() {
                data.last_error = Some(error.to_owned());
            }
        }
    }

    pub(super) fn replace_instances(
        &mut self,
        provider: &ProviderName,
        scope: &Scope,
        instances: Vec<Instance>,
        now: SystemTime,
    ) {
        let first = self.scope(provider, scope).is_some_and(|data| data.restored);
        self.succeeded(provider, scope, now);
        let Some(state) = self.providers.get_mut(provider) else {
            return;
        };
        let Some(data) = state.scopes.get(scope) else {
            return;
        };
        let Difference { changed, missing } = data.compare(instances);
        let kept = state.comeback.keep(scope, first, &missing);
        let key = |id: &Arc<str>| InstanceKey {
            provider: provider.clone(),
            scope: scope.clone(),
            id: id.clone(),
        };
        for id in missing.iter().filter(|id| !kept.contains(*id)) {
            self.leave(&key(id), now);
        }
        let mut moved = Vec::with_capacity(changed.len());
        for (new, old) in changed {
            let id = new.id.clone();
            self.put(&key(&id), new, old.as_ref());
            moved.push((id, old.map(|old| old.instance)));
        }
        for (id, old) in moved {
            self.take_over(&key(&id), old.as_deref());
        }
    }

    pub(super) fn replace_document(
        &mut self,
        provider: &ProviderName,
        scope: &Scope,
        fragment: Arc<Fragment>,
        now: SystemTime,
    ) {
        self.succeeded(provider, scope, now);
        let former = self.scope(provider, scope).map(|data| data.ids());
        for id in former.into_iter().flatten() {
            self.remove(&InstanceKey {
                provider: provider.clone(),
                scope: scope.clone(),
                id,
            });
        }
        let Some(data) = self.scope(provider, scope) else {
            return;
        };
        let fragment = match &data.held {
            Held::Document(old) => keep_good(fragment, old),
            Held::Nothing | Held::Instances(_) | Held::Listing(_) => fragment,
        };
        if !matches!(&data.held, Held::Document(old) if *old == fragment) {
            data.held = Held::Document(fragment);
            let unit = UnitKey::Document(scope.clone());
            self.dirty.insert((provider.clone(), unit));
        }
    }

    pub(super) fn replace_listing(
        &mut self,
        provider: &ProviderName,
        scope: &Scope,
        listed: BTreeSet<Scope>,
        now: SystemTime,
    ) {
        self.succeeded(provider, scope, now);
        let Some(state) = self.providers.get_mut(provider) else {
            return;
        };
        let gone: Vec<_> = (state.scopes.keys())
            .filter(|name| *name != scope && !listed.contains(*name))
            .cloned()
            .collect();
        let unconfirmed = |name: &Scope| {
            let data = state.scopes.get(name);
            data.is_some_and(|data| data.restored && matches!(data.held, Held::Instances(_)))
        };
        let gone = state.comeback.keep_scopes(gone, unconfirmed);
        for name in &listed {
            state.scopes.entry(name.clone()).or_default().unlisted = false;
        }
        let listing = state.scopes.entry(scope.clone()).or_default();
        if !matches!(&listing.held, Held::Listing(old) if *old == listed) {
            listing.held = Held::Listing(listed);
            self.revision += 1;
        }
        for name in gone {
            self.unlist(provider, &name, now);
        }
    }

    /// As if the scope had been replaced by nothing, and then forgotten. A document waits for those in its place.
    fn unlist(&mut self, provider: &ProviderName, scope: &Scope, now: SystemTime) {
        let Some(state) = self.providers.get_mut(provider) else {
            return;
        };
        let Some(data) = state.scopes.get_mut(scope) else {
            return;
        };
        data.unlisted = true;
        let ids: Vec<_> = match &data.held {
            Held::Instances(records) if !records.is_empty() => records
                .iter()
                .filter(|(_, record)| record.gone_since.is_none())
                .map(|(id, _)| id.clone())
                .collect(),
            Held::Document(_) => {
                state.leaving.insert(scope.clone());
                return;
            }
            Held::Instances(_) | Held::Nothing | Held::Listing(_) => {
                state.scopes.remove(scope);
                return;
            }
        };
        for id in ids {
            let key = InstanceKey {
                provider: provider.clone(),
                scope: scope.clone(),
                id,
            };
            self.leave(&key, now);
        }
    }

    /// Ends documents that are no longer listed once all that are listed have been told: an object that moves from
    /// one file to another is always in one of them.
    pub(super) fn sweep(&mut self, provider: &ProviderName) {
        let Some(state) = self.providers.get_mut(provider) else {
            return;
        };
        let waits = |data: &ScopeData| !data.unlisted && !data.state().is_told();
        if state.leaving.is_empty() || state.scopes.values().any(waits) {
            return;
        }
        for scope in std::mem::take(&mut state.leaving) {
            // It may have been listed again meanwhile.
            if state.scopes.get(&scope).is_some_and(|data| data.unlisted) {
                state.scopes.remove(&scope);
                self.dirty.insert((provider.clone(), UnitKey::Document(scope)));
            }
        }
    }

    /// Notes a successful read.
    pub(super) fn succeeded(&mut self, provider: &ProviderName, scope: &Scope, now: SystemTime) {
        if let Some(state) = self.providers.get_mut(provider) {
            state.scopes.entry(scope.clone()).or_default().succeeded(now);
        }
    }

    /// Notes how far the history of the system is. Where it is shorter than before, what it lacks is kept for now.
    pub(crate) fn history(&mut self, provider: &ProviderName, index: u64, now: SystemTime) {
        let Some(state) = self.providers.get_mut(provider) else {
            return;
        };
        let before = state.history.replace(index);
        if before.is_some_and(|before| index < before)
            && let Some(until) = state.comeback.begin(now)
        {
            self.timers.at(until, Timer::Complete(provider.clone()));
        }
    }

    /// A provider that lost its state is complete again: what it still lacks is gone.
    pub(super) fn complete(&mut self, provider: &ProviderName, now: SystemTime) {
        let Some(state) = self.providers.get_mut(provider) else {
            return;
        };
        let (missing, unlisted) = state.comeback.end();
        for (scope, ids) in missing {
            for id in ids {
                let key = InstanceKey {
                    provider: provider.clone(),
                    scope: scope.clone(),
                    id,
                };
                self.leave(&key, now);
            }
        }
        for scope in unlisted {
            self.unlist(provider, &scope, now);
        }
    }

    fn scope(&mut self, provider: &ProviderName, scope: &Scope) -> Option<&mut ScopeData> {
        self.providers.get_mut(provider)?.scopes.get_mut(scope)
    }

    /// Stores an instance as its provider lists it now.
    fn put(&mut self, key: &InstanceKey, new: Instance, old: Option<&Record>) {
        let Some(state) = self.providers.get(&key.provider) else {
            return;
        };
        let completed = match old {
            Some(old) if declares_the_same(&old.instance, &new) => old.completed.clone(),
            Some(_) | None => Arc::new(state.complete(&new)),
        };
        let was_ready = old.is_some_and(|old| old.ever_ready && old.instance.created == new.created);
        let record = Record {
            ever_ready: was_ready || new.lifecycle == Lifecycle::Ready,
            instance: Arc::new(new),
            completed,
            gone_since: None,
        };
        self.detach(key);
        self.attach(key, record);
    }

    /// Puts a record in its place: scope, unit, address.
    pub(super) fn attach(&mut self, key: &InstanceKey, record: Record) {
        let Some(state) = self.providers.get_mut(&key.provider) else {
            return;
        };
        let unit_key = record.completed.unit.clone();
        let unit = state.units.entry(unit_key.clone()).or_default();
        unit.members.insert((key.scope.clone(), key.id.clone()));
        unit.services.insert(record.instance.service.clone());
        unit.oldest = unit.oldest.min(record.instance.created);
        for unit in state.kin.join(&record.instance.service, &unit_key) {
            self.dirty.insert((key.provider.clone(), unit));
        }
        self.addresses.add(key, &record.instance);
        if let Some(since) = record.gone_since {
            self.timers.add(since, self.drain, Timer::Drain(key.clone()));
        }
        let data = state.scopes.entry(key.scope.clone()).or_default();
        match &mut data.held {
            Held::Instances(records) => drop(records.insert(key.id.clone(), record)),
            held => {
                if matches!(held, Held::Document(_)) {
                    let unit = UnitKey::Document(key.scope.clone());
                    self.dirty.insert((key.provider.clone(), unit));
                }
                *held = Held::Instances(BTreeMap::from([(key.id.clone(), record)]));
            }
        }
    }

    /// Takes a record out of its unit and off its address; `None` when there is no such record.
    fn detach(&mut self, key: &InstanceKey) -> Option<Record> {
        let state = self.providers.get_mut(&key.provider)?;
        let data = state.scopes.get_mut(&key.scope)?;
        let Held::Instances(records) = &mut data.held else {
            return None;
        };
        let record = records.remove(&key.id)?;
        let unit_key = &record.completed.unit;
        if let Some(unit) = state.units.get_mut(unit_key) {
            unit.members.remove(&(key.scope.clone(), key.id.clone()));
        }
        self.addresses.remove(key, &record.instance);
        for unit in state.kin.part(&record.instance.service, unit_key) {
            self.dirty.insert((key.provider.clone(), unit));
        }
        Some(record)
    }

    /// Its provider lists it no longer: it drains.
    fn leave(&mut self, key: &InstanceKey, now: SystemTime) {
        if let Some(mut record) = self.detach(key) {
            record.gone_since = Some(now);
            self.attach(key, record);
        }
    }

    /// Forgets an instance at once.
    pub(super) fn remove(&mut self, key: &InstanceKey) {
        self.detach(key);
        let Some(state) = self.providers.get_mut(&key.provider) else {
            return;
        };
        let drained = |data: &ScopeData| {
            data.unlisted && matches!(&data.held, Held::Instances(records) if records.is_empty())
        };
        if state.scopes.get(&key.scope).is_some_and(drained) {
            state.scopes.remove(&key.scope);
        }
    }

    /// Removes those whose address `key` has come to, if nobody confirmed lately that they are still there.
    ///
    /// Only an address that is new for `key` counts: two instances that have shared one all along go on
    /// sharing it when the scope of one of them fails.
    fn take_over(&mut self, key: &InstanceKey, old: Option<&Instance>) {
        let Some(record) = self.record(key) else { return };
        for other in self.addresses.neighbours(&record.instance, old) {
            if other == *key {
                continue;
            }
            let confirmed = self.providers.get(&other.provider).is_some_and(|state| {
                let scope = state.scopes.get(&other.scope);
                let scope = scope.filter(|scope| scope.state() == ScopeState::Fresh);
                let record = scope.and_then(|scope| scope.record(&other.id));
                record.is_some_and(|record| record.gone_since.is_none())
                    && !state.comeback.keeps(&other.scope, &other.id)
            });
            if !confirmed {
                self.remove(&other);
            }
        }
    }

    fn record(&self, key: &InstanceKey) -> Option<Record> {
        let state = self.providers.get(&key.provider)?;
        state.scopes.get(&key.scope)?.record(&key.id).cloned()
    }
}

/// True if two versions of an instance have the same labels and are known by the same words.
fn declares_the_same(old: &Instance, new: &Instance) -> bool {
    old.labels == new.labels && old.tags == new.tags && old.service == new.service && old.origin == new.origin
}

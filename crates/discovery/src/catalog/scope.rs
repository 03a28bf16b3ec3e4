//! One scope with its age.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::SystemTime,
};

use mesh_config::{Fragment, instance::Instance};

use crate::{
    declare::Completed,
    provider::Scope,
    status::{ScopeState, ScopeStatus},
};

/// One instance and what is remembered of it.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) instance: Arc<Instance>,
    pub(crate) completed: Arc<Completed>,
    /// Since when its provider lists it no longer.
    pub(crate) gone_since: Option<SystemTime>,
    /// It was ready at some time since it was created.
    pub(crate) ever_ready: bool,
}

/// What a scope holds.
#[derive(Debug, Default)]
pub(crate) enum Held {
    /// Nothing was read yet.
    #[default]
    Nothing,
    /// Instances by id.
    Instances(BTreeMap<Arc<str>, Record>),
    /// A document, with good versions in place of its broken objects.
    Document(Arc<Fragment>),
    /// The names of the other scopes.
    Listing(BTreeSet<Scope>),
}

/// What a new list of instances changes.
#[derive(Debug)]
pub(crate) struct Difference {
    /// Those that are new or changed, with their former state.
    pub(crate) changed: Vec<(Instance, Option<Record>)>,
    /// The ids of those that are no longer listed.
    pub(crate) missing: Vec<Arc<str>>,
}

/// One scope.
#[derive(Debug, Default)]
pub(crate) struct ScopeData {
    pub(crate) held: Held,
    pub(crate) last_success: Option<SystemTime>,
    pub(crate) last_error: Option<String>,
    /// The last error tells that what is there cannot be used: waiting for it does not help.
    pub(crate) unreadable: bool,
    /// What it holds comes from the snapshot.
    pub(crate) restored: bool,
    /// Its provider lists it no longer: it is here only until its instances have drained.
    pub(crate) unlisted: bool,
}

impl ScopeData {
    pub(crate) fn state(&self) -> ScopeState {
        match (&self.last_error, self.last_success, self.restored) {
            (Some(_), ..) => ScopeState::Failed,
            (None, None, _) => ScopeState::Starting,
            (None, Some(_), true) => ScopeState::Stale,
            (None, Some(_), false) => ScopeState::Fresh,
        }
    }

    pub(crate) fn succeeded(&mut self, now: SystemTime) {
        self.last_success = Some(now);
        self.last_error = None;
        self.unreadable = false;
        self.restored = false;
        self.unlisted = false;
    }

    pub(crate) fn record(&self, id: &str) -> Option<&Record> {
        match &self.held {
            Held::Instances(records) => records.get(id),
            Held::Nothing | Held::Document(_) | Held::Listing(_) => None,
        }
    }

    /// The ids of all instances, also of those that drain.
    pub(crate) fn ids(&self) -> Vec<Arc<str>> {
        match &self.held {
            Held::Instances(records) => records.keys().cloned().collect(),
            Held::Nothing | Held::Document(_) | Held::Listing(_) => Vec::new(),
        }
    }

    /// How `instances` differ from what is known.
    pub(crate) fn compare(&self, instances: Vec<Instance>) -> Difference {
        let none = BTreeMap::new();
        let known = match &self.held {
            Held::Instances(records) => records,
            Held::Nothing | Held::Document(_) | Held::Listing(_) => &none,
        };
        let mut seen = HashSet::with_capacity(instances.len());
        let mut changed = Vec::new();
        for instance in instances {
            seen.insert(instance.id.clone());
            match known.get(&instance.id) {
                Some(old) if old.gone_since.is_none() && *old.instance == instance => {}
                old => changed.push((instance, old.cloned())),
            }
        }
        let missing = known
            .iter()
            .filter(|(id, record)| record.gone_since.is_none() && !seen.contains(*id))
            .map(|(id, _)| id.clone());
        Difference {
            missing: missing.collect(),
            changed,
        }
    }

    pub(crate) fn status(&self, name: &Scope) -> ScopeStatus {
        let instances = match &self.held {
            // A list of scopes holds none itself: they would be counted twice.
            Held::Nothing | Held::Listing(_) => 0,
            Held::Instances(records) => records
                .values()
                .filter(|record| record.gone_since.is_none())
                .count(),
            Held::Document(fragment) => {
                fragment.routers.len()
                    + fragment.services.len()
                    + fragment.middlewares.len()
                    + fragment.servers_transports.len()
                    + fragment.certificates.len()
                    + fragment.tls_options.len()
            }
        };
        ScopeStatus {
            scope: name.as_str().to_owned(),
            state: self.state(),
            last_success: self.last_success,
            last_error: self.last_error.clone(),
            instances,
        }
    }
}

//! The catalog as it is written to disk and read back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use mesh_config::{Fragment, Kind, ProviderName, instance::Instance};
use serde::{Deserialize, Serialize};

use super::{
    Catalog,
    addresses::InstanceKey,
    namespace::Namespace,
    provider::{Namespaces, ProviderState, Unit},
    scope::{Held, Record},
    unit::UnitKey,
};
use crate::{declare::Definitions, provider::Scope};

/// All that is known, without what follows from it. Cheap to make: most of it is shared with the catalog.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct CatalogSnapshot {
    providers: BTreeMap<ProviderName, ProviderSnapshot>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ProviderSnapshot {
    #[serde(default)]
    history: Option<u64>,
    scopes: Vec<ScopeSnapshot>,
    units: Vec<UnitSnapshot>,
    owners: Vec<(Kind, Arc<str>, UnitKey)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ScopeSnapshot {
    scope: Scope,
    last_success: SystemTime,
    unlisted: bool,
    content: ContentSnapshot,
}

#[derive(Debug, Serialize, Deserialize)]
enum ContentSnapshot {
    Nothing,
    Instances(Vec<RecordSnapshot>),
    Document(Arc<Fragment>),
    Listing(BTreeSet<Scope>),
}

#[derive(Debug, Serialize, Deserialize)]
struct RecordSnapshot {
    instance: Arc<Instance>,
    gone_since: Option<SystemTime>,
    ever_ready: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct UnitSnapshot {
    unit: UnitKey,
    oldest: u64,
    empty_since: Option<SystemTime>,
    /// Absent where the labels of the instances tell the same.
    definitions: Option<Definitions>,
}

impl CatalogSnapshot {
    /// The providers that it knows.
    pub fn providers(&self) -> impl Iterator<Item = &ProviderName> {
        self.providers.keys()
    }

    /// Leaves out what a provider held: of one that holds nothing, all that counts is when it was last read.
    pub(crate) fn leave_out(&mut self, provider: &ProviderName) {
        let Some(saved) = self.providers.get_mut(provider) else {
            return;
        };
        saved
            .scopes
            .retain(|saved| matches!(saved.content, ContentSnapshot::Nothing));
        saved.units.clear();
        saved.owners.clear();
    }
}

impl Catalog {
    /// Everything that was ever read successfully. What follows from the settings alone is left out: the next run
    /// has settings of its own.
    pub fn snapshot(&self) -> CatalogSnapshot {
        CatalogSnapshot {
            providers: self
                .providers
                .iter()
                .filter(|(name, _)| **name != ProviderName::internal())
                .map(|(name, state)| (name.clone(), save(state)))
                .collect(),
        }
    }

    /// Takes over what an earlier run knew of the providers that are registered now. All of it is stale until
    /// its provider confirms it.
    pub fn restore(&mut self, snapshot: CatalogSnapshot, now: SystemTime) {
        for (name, saved) in snapshot.providers {
            if self.providers.contains_key(&name) && name != ProviderName::internal() {
                self.restore_provider(&name, saved);
            }
        }
        self.tick(now);
        for state in self.providers.values_mut() {
            state.settle(&mut self.published);
        }
    }

    fn restore_provider(&mut self, name: &ProviderName, saved: ProviderSnapshot) {
        for scope in saved.scopes {
            self.restore_scope(name, scope);
        }
        let Some(state) = self.providers.get_mut(name) else {
            return;
        };
        state.history = saved.history;
        for saved in saved.units {
            let unit = state.units.entry(saved.unit.clone()).or_default();
            unit.oldest = unit.oldest.min(saved.oldest);
            unit.empty_since = saved.empty_since;
            unit.definitions = saved.definitions.unwrap_or_default();
            self.dirty.insert((name.clone(), saved.unit));
        }
        for (kind, object, owner) in saved.owners {
            let names = &mut state.namespaces;
            match kind {
                Kind::Router => names.routers.restore(object, owner),
                Kind::Service => names.services.restore(object, owner),
                Kind::Middleware => names.middlewares.restore(object, owner),
                Kind::ServersTransport => names.servers_transports.restore(object, owner),
                Kind::Certificate => names.certificates.restore(object, owner),
                Kind::TlsOptions => names.tls_options.restore(object, owner),
            }
        }
    }

    fn restore_scope(&mut self, provider: &ProviderName, saved: ScopeSnapshot) {
        let Some(state) = self.providers.get_mut(provider) else {
            return;
        };
        let data = state.scopes.entry(saved.scope.clone()).or_default();
        data.last_success = Some(saved.last_success);
        data.unlisted = saved.unlisted;
        data.restored = true;
        match saved.content {
            ContentSnapshot::Nothing => {}
            ContentSnapshot::Listing(scopes) => data.held = Held::Listing(scopes),
            ContentSnapshot::Document(fragment) => {
                data.held = Held::Document(fragment);
                if saved.unlisted {
                    state.leaving.insert(saved.scope.clone());
                }
                let unit = UnitKey::Document(saved.scope);
                self.dirty.insert((provider.clone(), unit));
            }
            ContentSnapshot::Instances(records) => {
                data.held = Held::Instances(BTreeMap::new());
                for saved_record in records {
                    self.restore_record(provider, &saved.scope, saved_record);
                }
            }
        }
    }

    fn restore_record(&mut self, provider: &ProviderName, scope: &Scope, saved: RecordSnapshot) {
        let Some(state) = self.providers.get(provider) else {
            return;
        };
        let record = Record {
            completed: Arc::new(state.complete(&saved.instance)),
            gone_since: saved.gone_since,
            ever_ready: saved.ever_ready,
            instance: saved.instance,
        };
        let key = InstanceKey {
            provider: provider.clone(),
            scope: scope.clone(),
            id: record.instance.id.clone(),
        };
        self.attach(&key, record);
    }
}

fn save(state: &ProviderState) -> ProviderSnapshot {
    let scopes = state.scopes.iter().filter_map(|(scope, data)| {
        Some(ScopeSnapshot {
            scope: scope.clone(),
            last_success: data.last_success?,
            unlisted: data.unlisted,
            content: match &data.held {
                Held::Nothing => ContentSnapshot::Nothing,
                Held::Listing(scopes) => ContentSnapshot::Listing(scopes.clone()),
                Held::Document(fragment) => ContentSnapshot::Document(fragment.clone()),
                Held::Instances(records) => {
                    ContentSnapshot::Instances(records.values().map(save_record).collect())
                }
            },
        })
    });
    let units = state
        .units
        .iter()
        .filter_map(|(key, unit)| save_unit(state, key, unit));
    ProviderSnapshot {
        history: state.history,
        scopes: scopes.collect(),
        units: units.collect(),
        owners: owners(&state.namespaces),
    }
}

/// Who has the names that several units claim.
fn owners(names: &Namespaces) -> Vec<(Kind, Arc<str>, UnitKey)> {
    fn of<T: Clone + PartialEq>(
        kind: Kind,
        names: &Namespace<T>,
    ) -> impl Iterator<Item = (Kind, Arc<str>, UnitKey)> {
        let contested = names.contested();
        contested.map(move |(name, unit)| (kind, name.clone(), unit.clone()))
    }
    of(Kind::Router, &names.routers)
        .chain(of(Kind::Service, &names.services))
        .chain(of(Kind::Middleware, &names.middlewares))
        .chain(of(Kind::ServersTransport, &names.servers_transports))
        .chain(of(Kind::Certificate, &names.certificates))
        .chain(of(Kind::TlsOptions, &names.tls_options))
        .collect()
}

fn save_record(record: &Record) -> RecordSnapshot {
    RecordSnapshot {
        instance: record.instance.clone(),
        gone_since: record.gone_since,
        ever_ready: record.ever_ready,
    }
}

fn save_unit(state: &ProviderState, key: &UnitKey, unit: &Unit) -> Option<UnitSnapshot> {
    if matches!(key, UnitKey::Document(_)) {
        return None;
    }
    let broken = unit.members.iter().any(|(scope, id)| {
        let record = state.scopes.get(scope).and_then(|data| data.record(id));
        record.is_some_and(|record| record.completed.is_broken())
    });
    Some(UnitSnapshot {
        unit: key.clone(),
        oldest: unit.oldest,
        empty_since: unit.empty_since,
        definitions: (broken || unit.members.is_empty()).then(|| unit.definitions.clone()),
    })
}

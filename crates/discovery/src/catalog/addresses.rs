//! Who listens where.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use mesh_config::{
    ProviderName,
    instance::{Address, Instance},
};

use crate::provider::Scope;

/// An instance in the whole catalog.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InstanceKey {
    pub(crate) provider: ProviderName,
    pub(crate) scope: Scope,
    pub(crate) id: Arc<str>,
}

/// All instances by address and port.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    known: HashMap<(Address, u16), BTreeSet<InstanceKey>>,
}

impl Addresses {
    pub(crate) fn add(&mut self, key: &InstanceKey, instance: &Instance) {
        for place in places(instance) {
            self.known.entry(place).or_default().insert(key.clone());
        }
    }

    pub(crate) fn remove(&mut self, key: &InstanceKey, instance: &Instance) {
        for place in places(instance) {
            if let Some(keys) = self.known.get_mut(&place) {
                keys.remove(key);
                if keys.is_empty() {
                    self.known.remove(&place);
                }
            }
        }
    }

    /// Everybody at a place of `instance` that is not in `but`.
    pub(crate) fn neighbours(&self, instance: &Instance, but: Option<&Instance>) -> BTreeSet<InstanceKey> {
        let old: Vec<_> = but.into_iter().flat_map(places).collect();
        places(instance)
            .filter(|place| !old.contains(place))
            .filter_map(|place| self.known.get(&place))
            .flatten()
            .cloned()
            .collect()
    }
}

fn places(instance: &Instance) -> impl Iterator<Item = (Address, u16)> {
    instance.address.iter().flat_map(|address| {
        instance
            .endpoints
            .iter()
            .map(|endpoint| (address.clone(), endpoint.port))
    })
}

//! Which instances of which services were seen where, and in which version.
//!
//! The list of services tells that a registration changed and not whose, when its tags stay: a new port, weight or
//! address. There are fewer nodes than services, so the nodes are read to find out, and then the services concerned.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use futures::{StreamExt, TryStreamExt, stream};
use mesh_discovery::ProviderError;

use crate::{Followed, TURNS, answer::Entry, client::Client};

/// The versions of the instances of one service, by node and id; the address of the node is part of each, because
/// its own version is not in every answer.
type Versions = BTreeMap<(String, String), (u64, String)>;

/// What was last read of each service.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<BTreeMap<String, Versions>>);

impl Places {
    /// `service` was read.
    pub(crate) fn saw(&self, service: &str, entries: &[Entry]) {
        let version = |entry: &Entry| {
            let place = (entry.node.node.clone(), entry.service.id.clone());
            (place, (entry.service.modify_index, entry.node.address.clone()))
        };
        let versions = entries.iter().map(version).collect();
        self.locked(|services| drop(services.insert(service.to_owned(), versions)));
    }

    /// Nobody follows `service` any more.
    pub(crate) fn forget(&self, service: &str) {
        self.locked(|services| drop(services.remove(service)));
    }

    /// The services with an instance on `node`.
    pub(crate) fn on(&self, node: &str) -> Vec<String> {
        let is_there = |versions: &Versions| versions.keys().any(|(place, _)| place == node);
        self.locked(|services| {
            let there = services.iter().filter(|(_, versions)| is_there(versions));
            there.map(|(service, _)| service.clone()).collect()
        })
    }

    fn count(&self) -> usize {
        self.locked(|services| services.len())
    }

    /// The services that are not as `found` on all nodes.
    fn differing(&self, found: &BTreeMap<String, Versions>) -> BTreeSet<String> {
        let none = Versions::new();
        self.locked(|services| {
            let differ = services
                .iter()
                .filter(|(service, known)| found.get(*service).unwrap_or(&none) != *known);
            differ.map(|(service, _)| service.clone()).collect()
        })
    }

    fn locked<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Versions>) -> T) -> T {
        // The map is whole after every single step, so a panic in between leaves nothing half done.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The services whose registrations changed since they were read. `None` when that cannot be told, or not for less
/// than it costs to read them all.
pub(crate) async fn changed<C: Client>(followed: &Followed<C>) -> Option<BTreeSet<String>> {
    let nodes = followed.client.nodes().await.ok()?;
    if nodes.len() > followed.places.count() {
        return None;
    }
    Some(followed.places.differing(&read(followed, nodes).await.ok()?))
}

async fn read<C: Client>(
    followed: &Followed<C>,
    nodes: Vec<String>,
) -> Result<BTreeMap<String, Versions>, ProviderError> {
    let one = async |node: String| {
        let _turn = followed.turns.acquire().await.ok();
        let registered = followed.client.node(&node).await?;
        Ok((node, registered))
    };
    let all: Vec<_> = stream::iter(nodes)
        .map(one)
        .buffer_unordered(TURNS)
        .try_collect()
        .await?;
    let mut found: BTreeMap<String, Versions> = BTreeMap::new();
    for (node, registered) in all {
        for (id, registration) in registered.services {
            let versions = found.entry(registration.service).or_default();
            let version = (registration.modify_index, registered.node.address.clone());
            versions.insert((node.clone(), id), version);
        }
    }
    Ok(found)
}

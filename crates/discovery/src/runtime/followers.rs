//! The tasks that follow providers, one each.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mesh_config::ProviderName;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Registration,
    feed::{Event, feed},
};
use crate::{catalog::Catalog, provider::Provider};

/// Starts to follow providers; none is ever followed twice.
pub(super) struct Followers {
    events: mpsc::Sender<Event>,
    tracker: TaskTracker,
    stop: CancellationToken,
    providers: BTreeMap<ProviderName, Arc<dyn Provider>>,
}

impl Followers {
    pub(super) fn new(events: mpsc::Sender<Event>, tracker: TaskTracker, stop: CancellationToken) -> Self {
        Self {
            events,
            tracker,
            stop,
            providers: BTreeMap::new(),
        }
    }

    /// Announces a provider to the catalog and follows it.
    pub(super) fn add(&mut self, registration: Registration, catalog: &mut Catalog) {
        let Registration {
            provider,
            required,
            exposure,
        } = registration;
        let name = provider.name().clone();
        if self.providers.contains_key(&name) {
            return;
        }
        catalog.register(name.clone(), required, exposure);
        let feed = feed(provider.clone(), self.events.clone(), self.stop.clone());
        self.tracker.spawn(feed);
        self.providers.insert(name, provider);
    }

    /// Follows those that `finder` found and that are not followed yet.
    pub(super) fn add_members(
        &mut self,
        finder: &ProviderName,
        names: &BTreeSet<ProviderName>,
        catalog: &mut Catalog,
    ) {
        let Some(finder) = self.providers.get(finder).cloned() else {
            return;
        };
        let new = names.iter().filter(|name| !self.providers.contains_key(*name));
        let members: Vec<_> = new.filter_map(|name| finder.member(name)).collect();
        members.into_iter().for_each(|member| self.add(member, catalog));
    }
}

impl std::fmt::Debug for Followers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.providers.keys()).finish()
    }
}

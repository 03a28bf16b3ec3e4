//! Discovery at work: providers in, configurations out.

mod failures;
mod feed;
mod followers;
mod journal;
mod keeper;
mod pace;
mod panics;
mod saver;

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::SystemTime};

use mesh_config::Configuration;
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{followers::Followers, journal::Journal, keeper::Keeper, pace::Pace, saver::Saver};
use crate::{
    catalog::{Catalog, CatalogSnapshot},
    exposure::Exposure,
    provider::Provider,
    settings::DiscoverySettings,
    snapshot::SnapshotFile,
    status::ProviderStatus,
};

/// Reports that may wait for the catalog; a provider that is faster waits.
const BACKLOG: usize = 256;

/// A provider to follow.
#[derive(Clone)]
pub struct Registration {
    /// The provider.
    pub provider: Arc<dyn Provider>,
    /// Mesh is not ready before it has told everything once.
    pub required: bool,
    /// What of it becomes routes; `None` for providers of documents.
    pub exposure: Option<Exposure>,
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("provider", self.provider.name())
            .field("required", &self.required)
            .field("exposure", &self.exposure)
            .finish()
    }
}

/// A view of running discovery. Dropping it stops nothing.
#[derive(Debug, Clone)]
pub struct Discovery {
    configurations: watch::Receiver<Arc<Configuration>>,
    status: watch::Receiver<Arc<Vec<ProviderStatus>>>,
}

impl Discovery {
    /// The configuration now and as it changes. It changes only when something in it does.
    pub fn configurations(&self) -> watch::Receiver<Arc<Configuration>> {
        self.configurations.clone()
    }

    /// How fresh each provider is.
    pub fn status(&self) -> Vec<ProviderStatus> {
        self.status.borrow().as_ref().clone()
    }

    /// Waits until every provider has told everything once in this run, and the configuration has it.
    pub async fn told(&self) {
        let mut status = self.status.clone();
        // It fails when discovery has ended; then nothing more is to come either.
        let _ = status
            .wait_for(|all| all.iter().all(ProviderStatus::is_told))
            .await;
    }
}

/// Restores what an earlier run knew, so that the first configuration has it, and follows all providers on
/// `tracker` until `stop`. The snapshot is read here, before anything is served, and written by the last task
/// of `tracker` that ends.
///
/// Must be called within a tokio runtime.
pub fn start(
    registrations: Vec<Registration>,
    settings: DiscoverySettings,
    tracker: &TaskTracker,
    stop: CancellationToken,
) -> Discovery {
    let (events, receiver) = mpsc::channel(BACKLOG);
    let file = SnapshotFile::locate(&settings.snapshot);
    let mut snapshot = file.as_ref().and_then(SnapshotFile::load);
    for finder in registrations.iter().filter(|one| one.provider.finds()) {
        let snapshot = snapshot.as_mut();
        snapshot
            .into_iter()
            .for_each(|snapshot| snapshot.leave_out(finder.provider.name()));
    }
    let mut followers = Followers::new(events, tracker.clone(), stop.clone());
    let mut catalog = Catalog::new(&settings);
    let members = members(&registrations, snapshot.as_ref());
    for registration in registrations.into_iter().chain(members) {
        followers.add(registration, &mut catalog);
    }
    if let Some(snapshot) = snapshot {
        catalog.restore(snapshot, SystemTime::now());
    }
    let mut journal = Journal::default();
    let configuration = Arc::new(catalog.configuration());
    journal.problems(&configuration);
    let (sender, configurations) = watch::channel(configuration);
    let (status_sender, status) = watch::channel(Arc::new(catalog.status()));
    let revision = catalog.revision();
    let keeper = Keeper {
        events: receiver,
        followers,
        configurations: sender,
        status: status_sender,
        pace: Pace::new(&settings.publish),
        journal,
        saver: file.map(|file| Saver::new(file, settings.snapshot.interval, revision)),
        seen: revision,
        complete: false,
        catalog,
    };
    tracker.spawn(keeper.run(stop));
    Discovery {
        configurations,
        status,
    }
}

/// The providers in the snapshot that one of `registrations` found in an earlier run.
fn members(registrations: &[Registration], snapshot: Option<&CatalogSnapshot>) -> Vec<Registration> {
    let known = |name| registrations.iter().any(|one| one.provider.name() == name);
    let names = snapshot.into_iter().flat_map(CatalogSnapshot::providers);
    let find = |name| registrations.iter().find_map(|one| one.provider.member(name));
    names.filter(|name| !known(*name)).filter_map(find).collect()
}

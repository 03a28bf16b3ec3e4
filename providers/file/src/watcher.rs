//! Says that something may have changed, as soon as the system knows.
//!
//! What changed is for the next scan to find out. Where the system tells nothing (network file systems, watches
//! used up) the provider's own polling remains.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::sync::Notify;
use tracing::warn;

use crate::client::Identity;

/// Watches a set of directories and wakes its owner.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    system: Option<RecommendedWatcher>,
    watched: BTreeMap<PathBuf, Identity>,
}

impl Watcher {
    /// Wakes `changed` on every event in a directory given to [`Watcher::follow`].
    pub(crate) fn new(changed: Arc<Notify>) -> Self {
        let system = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error may stand for lost events.
            if event.as_ref().map_or(true, is_change) {
                changed.notify_one();
            }
        });
        if let Err(error) = &system {
            warn!(%error, "cannot watch files; changes are found by polling");
        }
        Self {
            system: system.ok(),
            watched: BTreeMap::new(),
        }
    }

    /// Watches exactly `directories`. True when one of them is new, so that what happened in it before now has
    /// gone unnoticed.
    pub(crate) fn follow(&mut self, directories: &BTreeMap<PathBuf, Identity>) -> bool {
        let Some(system) = &mut self.system else {
            return false;
        };
        self.watched.retain(|path, identity| {
            let stays = directories.get(path) == Some(identity);
            if !stays {
                // Fails for a directory that is gone, whose watch is gone with it.
                let _ = system.unwatch(path);
            }
            stays
        });
        let mut new = false;
        for (path, identity) in directories {
            if !self.watched.contains_key(path) && watch(system, path) {
                self.watched.insert(path.clone(), *identity);
                new = true;
            }
        }
        new
    }
}

fn watch(system: &mut RecommendedWatcher, path: &Path) -> bool {
    let result = system.watch(path, RecursiveMode::NonRecursive);
    if let Err(error) = &result {
        warn!(path = %path.display(), %error, "cannot watch a directory; changes in it are found by polling");
    }
    result.is_ok()
}

/// Reading is not changing: the provider's own reads would wake it for ever.
fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

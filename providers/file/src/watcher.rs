//! Says that something may have changed, as soon as the system knows.
//!
//! What changed is for the next scan to find out. Where the system tells nothing (network file systems, watches
//! used up) the provider's own polling remains.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tracing::warn;

use crate::{
    client::{Identity, Scan},
    filter::Filter,
    settings::Source,
};

/// Watches a set of directories and wakes its owner.
#[derive(Debug)]
pub(crate) struct Watcher {
    system: RecommendedWatcher,
    /// By identity: two watches of one directory by two paths would be one, and end together.
    watched: BTreeMap<Identity, PathBuf>,
    /// Directories that cannot be watched; this is said once.
    refused: BTreeSet<PathBuf>,
    filter: Arc<Filter>,
}

impl Watcher {
    /// Wakes `changed` when configuration may have changed in a directory given to [`Watcher::follow`]. `None`
    /// where the system cannot watch.
    pub(crate) fn new(source: &Source, changed: Arc<Notify>) -> Option<Self> {
        let filter = Arc::new(Filter::new(source));
        let passing = filter.clone();
        let system = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error may stand for lost events.
            if event.map_or(true, |event| passing.passes(&event)) {
                changed.notify_one();
            }
        });
        let system = system.inspect_err(|error| {
            warn!(%error, "cannot watch files; changes are found by polling");
        });
        Some(Self {
            system: system.ok()?,
            watched: BTreeMap::new(),
            refused: BTreeSet::new(),
            filter,
        })
    }

    /// Watches exactly the directories of `scan`. True when one of them is new, so that what happened in it
    /// before now has gone unnoticed.
    pub(crate) fn follow(&mut self, scan: &Scan) -> bool {
        self.filter.follow(scan.names.clone());
        let directories = || scan.directories.iter().map(|(path, identity)| (identity, path));
        let mut wanted: BTreeMap<_, _> = directories().collect();
        // The path that is watched already stays.
        wanted.extend(directories().filter(|(identity, path)| self.watched.get(identity) == Some(path)));
        self.watched.retain(|identity, path| {
            let stays = wanted.get(identity) == Some(&&*path);
            if !stays {
                // Fails for a directory that is gone, whose watch is gone with it.
                let _ = self.system.unwatch(path);
            }
            stays
        });
        let mut new = false;
        for (identity, path) in wanted {
            if !self.watched.contains_key(identity) && self.watch(path) {
                self.watched.insert(*identity, path.clone());
                new = true;
            }
        }
        new
    }

    /// True while somebody has the file at `path` open and wrote to it, as far as the system tells.
    pub(crate) fn is_written(&self, path: &Path) -> bool {
        self.filter.is_written(path)
    }

    fn watch(&mut self, path: &Path) -> bool {
        let Err(error) = self.system.watch(path, RecursiveMode::NonRecursive) else {
            self.refused.remove(path);
            return true;
        };
        // One that is gone again is for the next scan to tell.
        if path.exists() && self.refused.insert(path.to_owned()) {
            warn!(path = %path.display(), %error, "cannot watch a directory; changes in it are found by polling");
        }
        false
    }
}

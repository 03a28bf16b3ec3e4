//! A running watch over the files.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use mesh_discovery::Report;
use tokio::{sync::Notify, time::Instant};

use crate::{
    client::Files,
    rest::{QUIET, Round},
    settings::Source,
    state::State,
    watcher::Watcher,
};

/// How often unchanged files are reported again, which tells that they have been read.
const REFRESH: Duration = Duration::from_secs(30);

/// What is known of the files, and how changes in them are noticed.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) state: State,
    pub(crate) changed: Arc<Notify>,
    /// What happened in a directory before it was watched must be read.
    pub(crate) unseen: bool,
    /// Not before this time are the files read again.
    pub(crate) pause: Instant,
    watcher: Option<Watcher>,
    refreshed: Instant,
}

impl Watch {
    /// Nothing is known of `source` yet. Without `announced` nothing tells of changes.
    pub(crate) fn new(source: &Source, announced: bool) -> Self {
        let changed = Arc::new(Notify::new());
        let watcher = announced.then(|| Watcher::new(source, changed.clone()));
        Self {
            state: State::new(source.clone()),
            changed,
            unseen: true,
            pause: Instant::now(),
            watcher: watcher.flatten(),
            refreshed: Instant::now(),
        }
    }

    /// Reads all files once and gives what follows. Blocks.
    pub(crate) fn round(
        &mut self,
        files: &impl Files,
        source: &Source,
        static_keys: &BTreeSet<String>,
    ) -> Vec<Report> {
        let started = Instant::now();
        let scan = files.scan(source);
        let ended = Instant::now();
        self.pause = ended + QUIET;
        self.unseen = self.watcher.as_mut().is_some_and(|watcher| watcher.follow(&scan));
        let refresh = ended.duration_since(self.refreshed) >= REFRESH;
        if refresh {
            self.refreshed = ended;
        }
        let watcher = self.watcher.as_ref();
        let is_written = |path: &Path| watcher.is_some_and(|watcher| watcher.is_written(path));
        let round = Round {
            started,
            ended,
            first: !self.state.has_begun(),
            listed: matches!(source, Source::Directory(_)),
            refresh,
            is_written: &is_written,
            static_keys,
        };
        self.state.take(scan, &round)
    }
}

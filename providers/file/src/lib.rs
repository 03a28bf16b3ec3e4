//! Dynamic configuration from files.
//!
//! Each file is a scope of its own, so that one that cannot be read leaves the others alone; there is a scope more,
//! the list of the files. A change is taken up when the files have come to rest: at once as far as
//! people can tell, a little later where something would disappear, because a file that is being rewritten is
//! short or missing for a moment.

mod client;
mod document;
mod filter;
mod settings;
mod state;
mod watcher;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use mesh_config::ProviderName;
use mesh_discovery::{Provider, Report};
use tokio::{sync::Notify, time::Instant};

pub use client::{Disk, Files, Identity, MAX_FILE_BYTES, Reading, Scan, Unreadable};
pub use settings::{Settings, SettingsError, Source};
use state::State;
use watcher::Watcher;

/// How long files must rest before a change in them counts.
const QUIET: Duration = Duration::from_millis(20);

/// How long they must rest when something would disappear.
const QUIET_LOSS: Duration = Duration::from_millis(250);

/// Files that never rest are taken as they are after this time.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often unchanged files are reported again, which tells that they have been read.
const REFRESH: Duration = Duration::from_secs(30);

/// Delivers the configuration in files.
#[derive(Debug)]
pub struct FileProvider<F = Disk> {
    name: ProviderName,
    settings: Settings,
    source: Source,
    static_keys: Arc<BTreeSet<String>>,
    files: Arc<F>,
    reload: Arc<Notify>,
}

impl FileProvider {
    /// Reads what `settings` name. `static_keys` are the root keys of the static settings, for a file that holds
    /// both and is read twice.
    ///
    /// # Errors
    /// When the settings name no source, two, or one of no known kind.
    pub fn new(settings: Settings, static_keys: BTreeSet<String>) -> Result<Self, SettingsError> {
        Self::with_files(settings, static_keys, Disk)
    }
}

impl<F: Files> FileProvider<F> {
    /// The same on another disk.
    ///
    /// # Errors
    /// As [`FileProvider::new`].
    pub fn with_files(
        settings: Settings,
        static_keys: BTreeSet<String>,
        files: F,
    ) -> Result<Self, SettingsError> {
        Ok(Self {
            name: ProviderName::new("file"),
            source: settings.source()?,
            settings,
            static_keys: Arc::new(static_keys),
            files: Arc::new(files),
            reload: Arc::new(Notify::new()),
        })
    }

    /// Reads everything again, as after SIGHUP. Works with `watch: false` too.
    pub fn reload(&self) {
        self.reload.notify_one();
    }

    /// Reads the files until they rest: no reading between two that are far enough apart differs from them.
    async fn settled(&self, watch: &Watch) -> Option<Scan> {
        let start = Instant::now();
        let mut scan = self.scan().await?;
        // The first reading has nothing to lose, and a start must not wait.
        while watch.state.has_reported() && watch.state.differs(&scan) && start.elapsed() < PATIENCE {
            let quiet = if watch.state.loses(&scan) {
                QUIET_LOSS
            } else {
                QUIET
            };
            let rest = Instant::now() + quiet;
            while start.elapsed() < PATIENCE {
                let over = tokio::time::timeout_at(rest, watch.changed.notified())
                    .await
                    .is_err();
                if !over {
                    // Not more than one reading in this time, however often files change.
                    tokio::time::sleep(QUIET).await;
                }
                let again = self.scan().await?;
                let same = again.files == scan.files && again.unlisted == scan.unlisted;
                scan = again;
                match (same, over) {
                    (true, true) => return Some(scan),
                    (true, false) => {}
                    (false, _) => break,
                }
            }
        }
        Some(scan)
    }

    /// `None` only while the runtime shuts down.
    async fn scan(&self) -> Option<Scan> {
        let (files, source) = (self.files.clone(), self.source.clone());
        tokio::task::spawn_blocking(move || files.scan(&source))
            .await
            .ok()
    }

    /// Waits for a reason to read again.
    async fn changed(&self, changed: &Notify) {
        if self.settings.watch {
            tokio::select! {
                () = changed.notified() => {}
                () = self.reload.notified() => {}
                () = tokio::time::sleep(self.settings.poll_interval) => {}
            }
        } else {
            self.reload.notified().await;
        }
    }
}

/// A running watch over the files.
struct Watch {
    state: State,
    watcher: Option<Watcher>,
    changed: Arc<Notify>,
    /// What happened in a directory before it was watched must be read.
    unseen: bool,
    refreshed: Instant,
    /// Not before this time are the files read again, however often they change.
    rested: Instant,
}

impl<F: Files> Provider for FileProvider<F> {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn reports(&self) -> BoxStream<'_, Report> {
        let changed = Arc::new(Notify::new());
        let watch = Watch {
            state: State::new(self.source.clone(), self.static_keys.clone()),
            watcher: (self.settings.watch)
                .then(|| Watcher::new(&self.source, changed.clone()))
                .flatten(),
            changed,
            unseen: true,
            refreshed: Instant::now(),
            rested: Instant::now(),
        };
        stream::unfold(watch, async move |mut watch| {
            if !watch.unseen {
                self.changed(&watch.changed).await;
            }
            tokio::time::sleep_until(watch.rested).await;
            let scan = self.settled(&watch).await?;
            watch.rested = Instant::now() + QUIET;
            let follow = |watcher: &mut Watcher| watcher.follow(&scan);
            watch.unseen = watch.watcher.as_mut().is_some_and(follow);
            if watch.refreshed.elapsed() >= REFRESH {
                watch.state.forget_reports();
                watch.refreshed = Instant::now();
            }
            let reports = watch.state.take(scan);
            Some((stream::iter(reports), watch))
        })
        .flatten()
        .boxed()
    }
}

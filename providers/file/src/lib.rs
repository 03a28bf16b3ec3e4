//! Dynamic configuration from files.
//!
//! Each file is a scope of its own, so that one that cannot be read leaves the others alone; there is a scope more,
//! the list of the files. Each file counts when it has come to rest: what is new in it at once as far as people can
//! tell, what is missing from it a little later, because a file that is being rewritten is short or missing for a
//! moment.

mod absence;
mod client;
mod document;
mod file;
mod filter;
mod kept;
mod rest;
mod settings;
mod state;
mod watch;
mod watcher;

use std::{collections::BTreeSet, sync::Arc};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use mesh_config::ProviderName;
use mesh_discovery::{Provider, Report};
use tokio::sync::Notify;

pub use client::{Disk, Files, Identity, MAX_FILE_BYTES, Reading, Scan, Unreadable};
pub use settings::{Settings, SettingsError, Source};
use watch::Watch;

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

    /// Waits for a reason to read again.
    async fn changed(&self, watch: &Watch) {
        let announced = async {
            if self.settings.watch {
                tokio::select! {
                    () = watch.changed.notified() => {}
                    () = tokio::time::sleep(self.settings.poll_interval) => {}
                }
            } else {
                std::future::pending().await
            }
        };
        let rested = async {
            match watch.state.next() {
                Some(time) => tokio::time::sleep_until(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = announced => {}
            () = rested => {}
            () = self.reload.notified() => {}
        }
    }

    /// Reads everything and gives what follows, off the threads on which others wait. `None` only while the
    /// runtime shuts down.
    async fn round(&self, mut watch: Watch) -> Option<(Vec<Report>, Watch)> {
        let (files, source, static_keys) =
            (self.files.clone(), self.source.clone(), self.static_keys.clone());
        let round = move || (watch.round(&*files, &source, &static_keys), watch);
        tokio::task::spawn_blocking(round).await.ok()
    }
}

impl<F: Files> Provider for FileProvider<F> {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn reports(&self) -> BoxStream<'_, Report> {
        let watch = Watch::new(&self.source, self.settings.watch);
        stream::unfold(watch, async move |watch| {
            if !watch.unseen {
                self.changed(&watch).await;
            }
            // However often files change, there is time for others in between.
            tokio::time::sleep_until(watch.pause).await;
            let (reports, watch) = self.round(watch).await?;
            Some((stream::iter(reports), watch))
        })
        .flatten()
        .boxed()
    }
}

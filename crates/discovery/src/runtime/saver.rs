//! Writes the catalog to disk now and then.

use std::{io, time::Duration};

use tokio::{task::JoinHandle, time::Instant};
use tracing::warn;

use crate::{catalog::Catalog, snapshot::SnapshotFile};

/// Writes at most once in an interval, and never on the threads that run tasks.
#[derive(Debug)]
pub(super) struct Saver {
    file: SnapshotFile,
    interval: Duration,
    /// What the file holds, or will when the write in progress is done.
    revision: u64,
    next: Instant,
    writing: Option<JoinHandle<io::Result<()>>>,
    last_error: Option<String>,
}

impl Saver {
    /// The file holds `revision`.
    pub(super) fn new(file: SnapshotFile, interval: Duration, revision: u64) -> Self {
        Self {
            file,
            interval,
            revision,
            next: Instant::now(),
            writing: None,
            last_error: None,
        }
    }

    /// When to call [`Saver::save`]; `None` while the file is up to date.
    pub(super) fn due(&self, catalog: &Catalog) -> Option<Instant> {
        (self.revision != catalog.revision()).then_some(self.next)
    }

    /// Starts a write; the one before it must have been waited for.
    pub(super) fn save(&mut self, catalog: &Catalog) {
        self.revision = catalog.revision();
        self.next = Instant::now() + self.interval;
        let (file, snapshot) = (self.file.clone(), catalog.snapshot());
        self.writing = Some(tokio::task::spawn_blocking(move || file.write(&snapshot)));
    }

    /// Waits for the write in progress. Says once what keeps it from succeeding; the next change tries again.
    pub(super) async fn written(&mut self) {
        let Some(writing) = self.writing.take() else {
            return;
        };
        let error = match writing.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = &error
            && self.last_error.as_ref() != Some(error)
        {
            warn!(error, "cannot write the snapshot");
        }
        self.last_error = error;
    }
}

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
    /// What the file holds, or will when the write in progress is done; `None` when that failed.
    revision: Option<u64>,
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
            revision: Some(revision),
            next: Instant::now(),
            writing: None,
            last_error: None,
        }
    }

    /// When to call [`Saver::save`]; `None` while the file is up to date.
    pub(super) fn due(&self, catalog: &Catalog) -> Option<Instant> {
        (self.revision != Some(catalog.revision())).then_some(self.next)
    }

    /// Starts a write; the one before it must have been waited for.
    pub(super) fn save(&mut self, catalog: &Catalog) {
        self.revision = Some(catalog.revision());
        self.next = Instant::now() + self.interval;
        let (file, snapshot) = (self.file.clone(), catalog.snapshot());
        self.writing = Some(tokio::task::spawn_blocking(move || file.write(&snapshot)));
    }

    /// Waits for the write in progress. Says once what keeps it from succeeding; it is tried again after the interval.
    pub(super) async fn written(&mut self) {
        let Some(writing) = self.writing.take() else {
            return;
        };
        let error = match writing.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = &error {
            self.revision = None;
            if self.last_error.as_ref() != Some(error) {
                let path = self.file.path().display();
                warn!(%path, error, "cannot write the snapshot; it stays as it was, and is tried again");
            }
        }
        self.last_error = error;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{DiscoverySettings, SnapshotSettings};

    #[tokio::test]
    async fn a_write_that_failed_is_tried_again_without_a_change() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let settings = SnapshotSettings {
            path: Some(state.join("snapshot.json")),
            ..SnapshotSettings::default()
        };
        let catalog = Catalog::new(&DiscoverySettings::default());
        let file = SnapshotFile::locate(&settings).unwrap();
        let mut saver = Saver::new(file, Duration::ZERO, catalog.revision());
        assert_eq!(saver.due(&catalog), None);
        std::fs::remove_dir(&state).unwrap();
        saver.save(&catalog);
        saver.written().await;
        assert!(saver.due(&catalog).is_some());
        std::fs::create_dir(&state).unwrap();
        saver.save(&catalog);
        saver.written().await;
        assert_eq!(saver.due(&catalog), None);
        assert!(state.join("snapshot.json").is_file());
    }
}

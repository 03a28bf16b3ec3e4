//! How many blocking queries may be under way: each holds a connection, and Nomad counts those.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many queries that need not block may be under way at once, of all namespaces together.
const TURNS: usize = 10;

/// What the namespaces of one Nomad share.
#[derive(Debug)]
pub(crate) struct Watches {
    watches: Arc<Semaphore>,
    /// Kept for the lists of namespaces that come later: without those nothing is noticed at once.
    reserve: usize,
    turns: Semaphore,
}

/// The right to one blocking query at a time.
pub(crate) type Watch = OwnedSemaphorePermit;

impl Watches {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            watches: Arc::new(Semaphore::new(limit)),
            reserve: limit / 3,
            turns: Semaphore::new(TURNS),
        }
    }

    /// For a list; `None` when there are too many.
    pub(crate) fn list(&self) -> Option<Watch> {
        self.watches.clone().try_acquire_owned().ok()
    }

    /// For a service; `None` when there are too many.
    pub(crate) fn service(&self) -> Option<Watch> {
        let left = self.watches.available_permits() > self.reserve;
        left.then(|| self.list()).flatten()
    }

    /// Waits for a turn to ask what is answered at once.
    pub(crate) async fn turn(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }
}

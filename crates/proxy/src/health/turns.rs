//! How many probes are under way at one time.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Probes under way for one service.
const MAX_OF_SERVICE: usize = 32;

/// Probes under way for all services together.
const MAX: usize = 256;

/// The turns of all services.
#[derive(Debug)]
pub(super) struct AllTurns {
    all: Arc<Semaphore>,
    services: HashMap<Arc<str>, Arc<Semaphore>>,
}

impl Default for AllTurns {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(MAX)),
            services: HashMap::new(),
        }
    }
}

impl AllTurns {
    /// The turns of one service. Whoever waits for one of these keeps no other service waiting: servers that
    /// swallow probes hold up the rest of their service only.
    pub(super) fn of(&mut self, service: &Arc<str>) -> Turns {
        let own = self
            .services
            .entry(service.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(MAX_OF_SERVICE)));
        Turns {
            own: own.clone(),
            all: self.all.clone(),
        }
    }

    /// Forgets services that nobody probes.
    pub(super) fn forget_unused(&mut self) {
        self.services.retain(|_, own| Arc::strong_count(own) > 1);
    }
}

/// The turns of one service.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    own: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

impl Turns {
    /// Waits for a turn, which ends when it is dropped. First come, first served.
    pub(super) async fn take(&self) -> [Option<OwnedSemaphorePermit>; 2] {
        // The semaphores are never closed; without a turn there would be no limit to miss.
        let own = self.own.clone().acquire_owned().await.ok();
        [own, self.all.clone().acquire_owned().await.ok()]
    }
}

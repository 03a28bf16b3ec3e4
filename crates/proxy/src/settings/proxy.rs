//! The data plane as a whole.

use std::{collections::BTreeMap, num::NonZeroUsize, thread};

use super::EntryPoint;

/// What `Proxy::bind` needs.
#[derive(Debug, Clone, Default)]
pub struct ProxySettings {
    /// Entrypoints by name. Their order here is the index that the routing table knows them by.
    pub entry_points: BTreeMap<String, EntryPoint>,
    /// Worker threads; `None` means one for each core.
    pub workers: Option<NonZeroUsize>,
}

impl ProxySettings {
    /// The number of workers to start.
    pub fn worker_count(&self) -> NonZeroUsize {
        self.workers
            .or_else(|| thread::available_parallelism().ok())
            .unwrap_or(NonZeroUsize::MIN)
    }
}

//! What middlewares share that takes place beside requests.

use tokio::runtime::Handle;

use super::jwt::KeySets;

/// Work on the control plane; without a runtime nothing is fetched, as when a configuration is only checked.
#[derive(Debug, Default)]
pub(crate) struct Background {
    pub(super) key_sets: KeySets,
}

impl Background {
    /// Work is done on `runtime` from now on.
    pub(crate) fn work_on(&mut self, runtime: Handle) {
        self.key_sets.work_on(runtime);
    }
}

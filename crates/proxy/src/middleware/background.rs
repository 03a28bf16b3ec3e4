//! What middlewares have beside their definitions: work that takes place beside requests, and what outlives a definition.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::{Caches, Fetches, Instances, jwt::KeySets, quota::Counts};

/// Work on the control plane; without a runtime nothing is fetched, as when a configuration is only checked.
#[derive(Debug, Default)]
pub(crate) struct Background {
    pub(super) key_sets: KeySets,
    runtime: Option<Handle>,
    /// What quotas have counted, by the name of the middleware: a quota that is raised is not used anew.
    pub(super) quotas: Instances<Counts>,
    /// What is kept, by whom.
    pub(super) caches: Arc<Caches>,
}

impl Background {
    /// Work is done on `runtime` from now on.
    pub(crate) fn work_on(&mut self, runtime: Handle) {
        self.key_sets.work_on(runtime.clone());
        self.runtime = Some(runtime);
    }

    /// Where to work.
    pub(super) fn runtime(&self) -> Option<Handle> {
        self.runtime.clone()
    }

    /// What is kept.
    pub(crate) fn caches(&self) -> Arc<Caches> {
        self.caches.clone()
    }

    /// What is fetched.
    pub(crate) fn fetches(&self) -> Fetches {
        self.key_sets.fetches()
    }
}

//! Active health checks: probes servers and tells balancers who is healthy.
//!
//! Runs on the control runtime; a request never waits for a probe.

mod probe;
mod watch;

use std::{collections::HashMap, sync::Arc};

use tokio::{runtime::Handle, sync::Semaphore, task::AbortHandle};

use crate::table::RoutingTable;

/// Probes under way at one time; further ones wait for their turn.
const MAX_CONCURRENT_PROBES: usize = 64;

/// The probes of all servers of the current table.
#[derive(Debug)]
pub struct HealthChecks {
    runtime: Handle,
    turns: Arc<Semaphore>,
    watches: HashMap<u64, Watch>,
}

/// The probing of one server; stops when dropped.
#[derive(Debug)]
struct Watch(AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl HealthChecks {
    /// Probes on `runtime` from the first table on. Dropping it stops all probes.
    pub fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            turns: Arc::new(Semaphore::new(MAX_CONCURRENT_PROBES)),
            watches: HashMap::new(),
        }
    }

    /// Probes the servers of `table` from now on. Servers that stay, with the same definition of checks, are
    /// not disturbed; new ones are probed at once; those that are gone no more.
    pub fn follow(&mut self, table: &RoutingTable) {
        let mut before = std::mem::take(&mut self.watches);
        for balancer in table.balancers() {
            for server in balancer.servers() {
                let Some(health) = &server.health else {
                    continue;
                };
                let watch = before.remove(&health.id());
                self.watches.entry(health.id()).or_insert_with(|| {
                    watch.unwrap_or_else(|| {
                        let watch = watch::watch(server.clone(), health.clone(), self.turns.clone());
                        Watch(self.runtime.spawn(watch).abort_handle())
                    })
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;

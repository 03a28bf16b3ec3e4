//! Active health checks: probes servers and tells balancers who is healthy.
//!
//! Runs on the control runtime; a request never waits for a probe.

mod probe;
mod turns;
mod watch;

use std::collections::HashMap;

use tokio::{runtime::Handle, task::AbortHandle};

use self::turns::AllTurns;
use crate::table::RoutingTable;

/// The probes of all servers of the current table.
#[derive(Debug)]
pub struct HealthChecks {
    runtime: Handle,
    turns: AllTurns,
    watches: HashMap<Key, Watch>,
}

/// The verdicts that the probes of one server decide: their own, and that on an ejected one.
type Key = (u64, Option<u64>);

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
            turns: AllTurns::default(),
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
                let key = (health.id(), server.passive.as_ref().map(|passive| passive.id()));
                let watch = before.remove(&key);
                self.watches.entry(key).or_insert_with(|| {
                    watch.unwrap_or_else(|| {
                        let turns = self.turns.of(&server.service);
                        let watch = watch::watch(server.clone(), health.clone(), turns);
                        Watch(self.runtime.spawn(watch).abort_handle())
                    })
                });
            }
        }
        drop(before);
        self.turns.forget_unused();
    }
}

#[cfg(test)]
mod tests;

//! What to do when the history of a control plane goes back: its servers were restored from an older state, or lost
//! theirs, or another one answers that lags behind.
//!
//! Until all agents have registered their services again, a minute or so, its answers are well-formed and
//! incomplete. What is missing from them is kept for that time.

use std::time::Duration;

use mesh_discovery::SETTLE;
use tokio::time::Instant;

/// Remembers that answers are incomplete.
#[derive(Debug, Default)]
pub struct Settle {
    until: Option<Instant>,
}

impl Settle {
    /// From now on answers are incomplete for a while.
    pub fn begin(&mut self) {
        self.until = Some(Instant::now() + SETTLE);
    }

    /// True while what is missing is to be kept.
    pub fn is_on(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// How long the next query may hang: not beyond the time when its answer has to be believed.
    pub fn limit(&self, wait: Duration) -> Duration {
        match self.until {
            Some(until) if self.is_on() => wait.min(until - Instant::now() + Duration::from_secs(1)),
            _ => wait,
        }
    }
}

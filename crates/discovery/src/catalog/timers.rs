//! What falls due with time alone.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use mesh_config::ProviderName;

use super::{addresses::InstanceKey, unit::UnitKey};

/// What to look at when its time has come. Whether it is still due is for the one who looks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// An instance has drained.
    Drain(InstanceKey),
    /// The routes of a service without instances end.
    Retention(ProviderName, UnitKey),
    /// A system that lost its state has had the time to be complete again.
    Complete(ProviderName),
}

/// Timers by the time they fall due.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(SystemTime, Timer)>);

impl Timers {
    /// Adds a timer `after` `since`; a time beyond the end of the calendar never comes.
    pub(crate) fn add(&mut self, since: SystemTime, after: Duration, timer: Timer) {
        if let Some(due) = since.checked_add(after) {
            self.at(due, timer);
        }
    }

    /// Adds a timer that falls due at `due`.
    pub(crate) fn at(&mut self, due: SystemTime, timer: Timer) {
        self.0.insert((due, timer));
    }

    /// When the next one falls due.
    pub(crate) fn next(&self) -> Option<SystemTime> {
        self.0.first().map(|(due, _)| *due)
    }

    /// The next one that is due at `now`.
    pub(crate) fn pop(&mut self, now: SystemTime) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }
}

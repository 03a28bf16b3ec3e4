//! Points in time that fit an atomic.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A point in time in milliseconds, for comparison within this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Millis(pub(crate) u64);

impl Millis {
    /// Later than any other.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// `time`, which reads as 1 or more: 0 stands for no time.
    pub(crate) fn of(time: Instant) -> Self {
        let since = time.saturating_duration_since(*START);
        Self(millis(since).saturating_add(1))
    }

    /// `length` after it.
    pub(crate) fn after(self, length: Duration) -> Self {
        Self(self.0.saturating_add(millis(length)))
    }

    /// The time between `earlier` and it.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// As calendars have it.
    pub(crate) fn to_system_time(self) -> Option<SystemTime> {
        let (now, clock) = (Self::of(Instant::now()), SystemTime::now());
        match self >= now {
            true => clock.checked_add(self.since(now)),
            false => clock.checked_sub(now.since(self)),
        }
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

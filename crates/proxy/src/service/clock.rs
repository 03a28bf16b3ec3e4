//! Time as atomics hold it.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

/// Microseconds since this process first asked; never 0, so that 0 can mean never.
pub(super) fn micros(at: Instant) -> u64 {
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    let since = at.saturating_duration_since(*FIRST).as_micros();
    u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1)
}

/// A point in time in microseconds, for comparison within this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    /// Later than any other.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// `time`, which never reads as 0: that stands for no time.
    pub(crate) fn of(time: Instant) -> Self {
        Self(micros(time))
    }

    /// So many milliseconds after the first of all times.
    #[cfg(test)]
    pub(crate) fn at(millis: u64) -> Self {
        Self(millis * 1000)
    }

    /// `length` after it.
    pub(crate) fn after(self, length: Duration) -> Self {
        let length = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(length))
    }

    /// The time between `earlier` and it.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
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

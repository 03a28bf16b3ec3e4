//! Time as atomics hold it.

use std::{sync::LazyLock, time::Instant};

/// Microseconds since this process first asked; never 0, so that 0 can mean never.
pub(super) fn micros(at: Instant) -> u64 {
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    let since = at.saturating_duration_since(*FIRST).as_micros();
    u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1)
}

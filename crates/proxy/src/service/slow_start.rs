//! Less than its share for a server that became ready a short time ago.

use std::time::Duration;

/// Least part of its share that a server gets, be it never so new.
const LEAST: f32 = 0.05;

/// How far servers are in growing to their share. What counts is their age beside that of the oldest: if all are new,
/// nobody is spared, for nobody would be left to take the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SlowStart {
    window: u64,
    oldest: u64,
    until: u64,
}

impl SlowStart {
    /// For servers that are ready since these times (in microseconds); `None` when all of them have their full share.
    pub(super) fn new(window: Duration, since: impl Iterator<Item = u64> + Clone, now: u64) -> Option<Self> {
        let window = u64::try_from(window.as_micros()).unwrap_or(u64::MAX);
        let (oldest, newest) = (since.clone().min()?, since.max()?);
        let until = newest.saturating_add(window);
        (window > 0 && oldest < newest && now < until).then_some(Self {
            window,
            oldest,
            until,
        })
    }

    /// The part of its share that a server gets at `now`.
    pub(super) fn part(&self, since: u64, now: u64) -> f32 {
        if now >= self.until {
            return 1.0;
        }
        let age = |since: u64| now.saturating_sub(since).min(self.window);
        match age(self.oldest) {
            0 => 1.0,
            oldest => (age(since) as f32 / oldest as f32).clamp(LEAST, 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn window(since: &[u64], now: u64) -> Option<SlowStart> {
        SlowStart::new(Duration::from_secs(30), since.iter().copied(), now)
    }

    #[test]
    fn a_new_server_beside_old_ones_grows_to_its_share() {
        let now = 100 * SECOND;
        let start = window(&[1, now], now).unwrap();
        let parts = [0, 15, 29, 30].map(|after| start.part(now, now + after * SECOND));
        assert_eq!(parts[0], LEAST);
        assert!((parts[1] - 0.5).abs() < 0.01, "{parts:?}");
        assert!(parts[2] > 0.95, "{parts:?}");
        assert_eq!(parts[3], 1.0);
        assert_eq!(start.part(1, now), 1.0);
    }

    #[test]
    fn servers_that_are_all_new_spare_nobody() {
        assert_eq!(window(&[5 * SECOND; 3], 6 * SECOND), None);
        // The second passed its first check a moment after the first.
        let start = window(&[SECOND, SECOND + 10_000], SECOND + 10_000).unwrap();
        assert!(start.part(SECOND + 10_000, 2 * SECOND) > 0.98);
    }

    #[test]
    fn it_is_over_when_the_newest_is_grown_up_and_without_a_window() {
        assert_eq!(window(&[1, SECOND], 31 * SECOND), None);
        assert_eq!(SlowStart::new(Duration::ZERO, [1, 2].into_iter(), 2), None);
    }
}

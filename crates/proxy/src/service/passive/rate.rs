//! The share of requests that failed lately.

use std::time::Duration;

use crate::service::{
    clock::Moment,
    window::{Count, Window},
};

/// Requests and failures within a window, with the share of failures that is too much.
#[derive(Debug)]
pub(super) struct Rate {
    window: Window,
    limit: u64,
    min_requests: u64,
}

impl Rate {
    /// Notices when `limit` of at least `min_requests` within `window` fail; `None` for a limit of 0.
    pub(super) fn new(window: Duration, limit: u8, min_requests: u32) -> Option<Self> {
        let rate = Self {
            window: Window::new(window),
            limit: u64::from(limit),
            min_requests: u64::from(min_requests.max(1)),
        };
        (rate.limit > 0).then_some(rate)
    }

    /// Counts a request; gives the count if too many failed.
    pub(super) fn count(&self, failed: bool, now: Moment) -> Option<Count> {
        self.window.count(failed, now);
        let count = failed.then(|| self.window.sum(now))?;
        let is_too_much = count.failures * 100 >= count.requests * self.limit;
        (count.requests >= self.min_requests && is_too_much).then_some(count)
    }

    /// Forgets all of it.
    pub(super) fn clear(&self) {
        self.window.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(limit: u8, min_requests: u32) -> Rate {
        Rate::new(Duration::from_secs(8), limit, min_requests).unwrap()
    }

    #[test]
    fn enough_requests_of_which_too_many_fail_are_noticed() {
        let rate = rate(50, 4);
        let verdicts =
            [true, true, false, true].map(|failed| rate.count(failed, Moment::at(9_000)).is_some());
        assert_eq!(verdicts, [false, false, false, true]);
    }

    #[test]
    fn a_share_below_the_limit_is_not() {
        let rate = rate(50, 4);
        for number in 0..100 {
            assert_eq!(rate.count(number % 3 == 2, Moment::at(9_000 + number * 50)), None);
        }
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let rate = rate(50, 4);
        for _ in 0..3 {
            rate.count(true, Moment::at(1_000));
        }
        assert_eq!(rate.count(true, Moment::at(9_000)), None);
        for _ in 0..2 {
            rate.count(true, Moment::at(16_000));
        }
        let all = Count {
            requests: 4,
            failures: 4,
        };
        assert_eq!(rate.count(true, Moment::at(16_500)), Some(all));
    }

    #[test]
    fn a_limit_of_0_is_none() {
        assert!(Rate::new(Duration::from_secs(1), 0, 0).is_none());
    }
}

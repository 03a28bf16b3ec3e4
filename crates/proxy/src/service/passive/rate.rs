//! The share of requests that failed lately.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::service::clock::Moment;

/// Parts of the window: it moves on by one of them at a time.
const SLICES: usize = 8;

/// Bits for each of the two counts of a slice. Beyond a million requests a slice counts no further.
const COUNT_BITS: u32 = 20;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

/// Requests and failures within a window that moves.
#[derive(Debug)]
pub(super) struct Rate {
    slice_micros: u64,
    limit: u64,
    min_requests: u64,
    /// Each one number, so that it is begun anew in one step: when it is of, requests, failures.
    slices: [AtomicU64; SLICES],
}

/// What one of the slices counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Slice {
    number: u64,
    requests: u64,
    failures: u64,
}

/// What was counted within the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) requests: u64,
    pub(super) failures: u64,
}

impl Rate {
    /// Notices when `limit` of at least `min_requests` within `window` fail; `None` for a limit of 0.
    pub(super) fn new(window: Duration, limit: u8, min_requests: u32) -> Option<Self> {
        let window = u64::try_from(window.as_micros()).unwrap_or(u64::MAX);
        let rate = Self {
            slice_micros: window.div_ceil(SLICES as u64).max(1),
            limit: u64::from(limit),
            min_requests: u64::from(min_requests.max(1)),
            slices: Default::default(),
        };
        (rate.limit > 0).then_some(rate)
    }

    /// Counts a request; gives the count if too many failed.
    pub(super) fn count(&self, failed: bool, now: Moment) -> Option<Count> {
        let number = now.0 / self.slice_micros;
        let slice = self.slices.get(usize::try_from(number % SLICES as u64).ok()?)?;
        let add = |packed| Some(Slice::unpack(packed).with(failed, number).pack());
        let _counted = slice.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        let count = failed.then(|| self.sum(number))?;
        let is_too_much = count.failures * 100 >= count.requests * self.limit;
        (count.requests >= self.min_requests && is_too_much).then_some(count)
    }

    /// Forgets all of it.
    pub(super) fn clear(&self) {
        for slice in &self.slices {
            slice.store(0, Ordering::Relaxed);
        }
    }

    fn sum(&self, number: u64) -> Count {
        let slices = self
            .slices
            .iter()
            .map(|slice| Slice::unpack(slice.load(Ordering::Relaxed)));
        let lately = slices.filter(|slice| slice.is_within(number));
        lately.fold(Count::default(), |sum, slice| Count {
            requests: sum.requests + slice.requests,
            failures: sum.failures + slice.failures,
        })
    }
}

impl Slice {
    /// With one request of the slice `number` more.
    fn with(self, failed: bool, number: u64) -> Self {
        let number = number & number_mask();
        let own = match self.number == number {
            true => self,
            false => Self {
                number,
                ..Self::default()
            },
        };
        if own.requests == COUNT_MAX {
            return own;
        }
        Self {
            requests: own.requests + 1,
            failures: own.failures + u64::from(failed),
            ..own
        }
    }

    fn is_within(self, number: u64) -> bool {
        (number.wrapping_sub(self.number) & number_mask()) < SLICES as u64
    }

    fn pack(self) -> u64 {
        self.number << (2 * COUNT_BITS) | self.requests << COUNT_BITS | self.failures
    }

    fn unpack(packed: u64) -> Self {
        Self {
            number: packed >> (2 * COUNT_BITS),
            requests: packed >> COUNT_BITS & COUNT_MAX,
            failures: packed & COUNT_MAX,
        }
    }
}

/// The bits of a slice's number that are kept; they begin again after years.
fn number_mask() -> u64 {
    u64::MAX >> (2 * COUNT_BITS)
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
    fn a_slice_that_is_full_counts_no_further() {
        let full = Slice {
            number: 3,
            requests: COUNT_MAX,
            failures: COUNT_MAX,
        };
        assert_eq!(full.with(true, 3), full);
        assert_eq!(Slice::unpack(full.pack()), full);
        assert_eq!(
            full.with(true, 4),
            Slice {
                number: 4,
                requests: 1,
                failures: 1
            }
        );
    }

    #[test]
    fn a_limit_of_0_is_none() {
        assert!(Rate::new(Duration::from_secs(1), 0, 0).is_none());
    }
}

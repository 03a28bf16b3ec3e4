//! Requests and failures of a time that moves on.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::clock::Moment;

/// Parts of the window: it moves on by one of them at a time.
const SLICES: usize = 8;

/// Bits for each of the two counts of a slice. Beyond a million requests a slice counts no further.
const COUNT_BITS: u32 = 20;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

/// Requests and failures within a window that moves. Counting takes one atomic step.
#[derive(Debug)]
pub(super) struct Window {
    slice_micros: u64,
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

impl Window {
    /// A window of this length, without a request.
    pub(super) fn new(length: Duration) -> Self {
        let length = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        Self {
            slice_micros: length.div_ceil(SLICES as u64).max(1),
            slices: Default::default(),
        }
    }

    /// Counts a request.
    pub(super) fn count(&self, failed: bool, now: Moment) {
        let number = self.number(now);
        let place = usize::try_from(number % SLICES as u64).ok();
        if let Some(slice) = place.and_then(|place| self.slices.get(place)) {
            let add = |packed| Some(Slice::unpack(packed).with(failed, number).pack());
            let _counted = slice.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        }
    }

    /// What there was within the window that ends `now`.
    pub(super) fn sum(&self, now: Moment) -> Count {
        let number = self.number(now);
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

    /// Forgets all of it.
    pub(super) fn clear(&self) {
        for slice in &self.slices {
            slice.store(0, Ordering::Relaxed);
        }
    }

    fn number(&self, now: Moment) -> u64 {
        now.0 / self.slice_micros
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

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let window = Window::new(Duration::from_secs(8));
        let sum = |second: u64| {
            let Count { requests, failures } = window.sum(Moment::at(second * 1000));
            (requests, failures)
        };
        window.count(true, Moment::at(1_000));
        window.count(false, Moment::at(5_000));
        assert_eq!(
            [sum(5), sum(8), sum(9), sum(13)],
            [(2, 1), (2, 1), (1, 0), (0, 0)]
        );
        window.clear();
        assert_eq!(sum(5), (0, 0));
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
}

//! Failures without a success between them.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::service::clock::Moment;

/// The times of the last failures since the last success.
///
/// What several workers count at one moment may be off by a failure: that is cheaper than making them wait.
#[derive(Debug)]
pub(super) struct Run {
    length: AtomicU64,
    times: Box<[AtomicU64]>,
}

impl Run {
    /// Notices when there were `limit` of them; never for 0.
    pub(super) fn new(limit: u16) -> Self {
        Self {
            length: AtomicU64::new(0),
            times: (0..limit).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// A success ends the run; a read for most of them.
    pub(super) fn end(&self) {
        if self.length.load(Ordering::Relaxed) != 0 {
            self.length.store(0, Ordering::Relaxed);
        }
    }

    /// Counts a failure. True if there were as many as the limit within `window`.
    pub(super) fn fail(&self, now: Moment, window: Duration) -> bool {
        let limit = self.times.len() as u64;
        let before = self.length.fetch_add(1, Ordering::Relaxed);
        let at = |index: u64| {
            let index = index.checked_rem(limit)?;
            self.times.get(usize::try_from(index).ok()?)
        };
        let (Some(own), Some(first)) = (at(before), at(before + 1)) else {
            return false;
        };
        own.store(now.0, Ordering::Relaxed);
        before + 1 >= limit && now.since(Moment(first.load(Ordering::Relaxed))) <= window
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fails(run: &Run, seconds: u64) -> bool {
        run.fail(Moment::at(seconds * 1000), Duration::from_secs(10))
    }

    #[test]
    fn failures_count_within_the_window_that_ends_with_the_last_one() {
        let run = Run::new(3);
        let verdicts = [1, 10, 13, 19, 40].map(|seconds| fails(&run, seconds));
        assert_eq!(verdicts, [false, false, false, true, false]);
    }

    #[test]
    fn a_success_ends_a_run() {
        let run = Run::new(2);
        assert!(!fails(&run, 1));
        run.end();
        assert!(!fails(&run, 1) && fails(&run, 2));
        assert!(fails(&Run::new(1), 1));
        assert!(!fails(&Run::new(0), 1), "a limit of 0 is none");
    }

    proptest! {
        #[test]
        fn a_run_is_too_long_when_its_last_failures_are_close_together(
            limit in 1_u16..6,
            events in prop::collection::vec((any::<bool>(), 0_u64..9_000), 1..40),
        ) {
            let (run, mut now, mut failures) = (Run::new(limit), 0, Vec::new());
            for (failed, pause) in events {
                now += pause;
                if !failed {
                    run.end();
                    failures.clear();
                    continue;
                }
                failures.push(now);
                let close = failures.iter().filter(|time| now - **time <= 10_000).count();
                let verdict = run.fail(Moment::at(now), Duration::from_secs(10));
                prop_assert_eq!(verdict, close >= usize::from(limit));
            }
        }
    }
}

//! How often a cluster is read.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use rand::Rng as _;

/// Above this many tasks a cluster is read half as often.
const MANY_TASKS: usize = 1000;

/// Longest interval, in multiples of the usual one.
const MAX_STRETCH: u32 = 8;

/// The interval of all clusters of a provider: they share the calls that AWS grants.
#[derive(Debug)]
pub(crate) struct Pace {
    interval: Duration,
    stretch: AtomicU32,
}

impl Pace {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval,
            stretch: AtomicU32::new(1),
        }
    }

    /// The time until a cluster of `tasks` is read again. Not quite regular, so that many routers spread.
    pub(crate) fn pause(&self, tasks: usize) -> Duration {
        let many = if tasks > MANY_TASKS { 2 } else { 1 };
        let pause = self.interval * many * self.stretch.load(Ordering::Relaxed);
        pause.mul_f64(rand::rng().random_range(0.9..=1.1))
    }

    /// AWS asks for fewer calls.
    pub(crate) fn throttled(&self) {
        let stretch = self.stretch.load(Ordering::Relaxed);
        self.stretch
            .store((stretch * 2).min(MAX_STRETCH), Ordering::Relaxed);
    }

    /// A read in which AWS did not.
    pub(crate) fn well(&self) {
        let stretch = self.stretch.load(Ordering::Relaxed);
        self.stretch.store((stretch / 2).max(1), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(pace: &Pace, tasks: usize) -> u64 {
        let pause = pace.pause(tasks).as_secs_f64();
        // What is left without the tenth of irregularity.
        [15, 30, 60, 120, 240]
            .into_iter()
            .find(|base: &u32| (pause - f64::from(*base)).abs() <= f64::from(*base) / 9.0)
            .map_or(0, u64::from)
    }

    #[test]
    fn many_tasks_are_read_half_as_often() {
        let pace = Pace::new(Duration::from_secs(15));
        assert_eq!((seconds(&pace, 1000), seconds(&pace, 1001)), (15, 30));
    }

    #[test]
    fn throttling_doubles_the_interval_up_to_eight_times_and_wears_off() {
        let pace = Pace::new(Duration::from_secs(15));
        let up: Vec<_> = (0..4)
            .map(|_| {
                pace.throttled();
                seconds(&pace, 1)
            })
            .collect();
        assert_eq!(up, [30, 60, 120, 120]);
        let down: Vec<_> = (0..4)
            .map(|_| {
                pace.well();
                seconds(&pace, 1)
            })
            .collect();
        assert_eq!(down, [60, 30, 15, 15]);
    }
}

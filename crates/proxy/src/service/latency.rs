//! How long a server took lately.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Milliseconds for which what is known of a server stays as it is.
const FRESH: f32 = 10_000.0;

/// Milliseconds in which half of it is forgotten after that: as long as nobody asks a server, it seems ever faster, and is
/// asked again some day.
const HALF_LIFE: f32 = 5_000.0;

/// Least and most that one answer leaves of what was known before it; the longer ago that was, the less.
const KEPT: [f32; 2] = [0.8, 0.99];

/// The time to the head of an answer: an average in which new answers count more than old ones, and which fades.
///
/// One number, so that it is read and written at once: microseconds as `f32` above, when that was in
/// milliseconds below. Of two answers at one moment one may be lost.
#[derive(Debug, Default)]
pub(super) struct Latency(AtomicU64);

impl Latency {
    /// An answer took so long, and came at `now` (in microseconds).
    pub(super) fn record(&self, took: Duration, now: u64) {
        let took = (took.as_secs_f32() * 1e6).max(1.0);
        let value = match self.parts() {
            Some((known, at)) => {
                let passed = since(at, now);
                let known = known * left(passed - FRESH);
                took + (known - took) * left(passed).clamp(KEPT[0], KEPT[1])
            }
            None => took,
        };
        let packed = (u64::from(value.to_bits()) << 32) | u64::from(millis(now));
        self.0.store(packed, Ordering::Relaxed);
    }

    /// An answer took so long at least, for nobody waited any longer.
    pub(super) fn record_at_least(&self, took: Duration, now: u64) {
        if self.at(now).is_none_or(|known| took.as_secs_f32() * 1e6 > known) {
            self.record(took, now);
        }
    }

    /// What to expect at `now`, in microseconds; `None` of a server that never answered.
    pub(super) fn at(&self, now: u64) -> Option<f32> {
        let (known, at) = self.parts()?;
        Some(known * left(since(at, now) - FRESH))
    }

    fn parts(&self) -> Option<(f32, u32)> {
        let packed = self.0.load(Ordering::Relaxed);
        let value = u32::try_from(packed >> 32).ok().filter(|bits| *bits != 0)?;
        Some((f32::from_bits(value), (packed & u64::from(u32::MAX)) as u32))
    }
}

/// What is left of a value after so many milliseconds: 2^-x, with straight lines between whole half-lives.
fn left(millis: f32) -> f32 {
    let halves = (millis / HALF_LIFE).clamp(0.0, 100.0);
    let whole = halves.floor();
    (-whole).exp2() * (1.0 - (halves - whole) / 2.0)
}

fn millis(micros: u64) -> u32 {
    // Wraps after 49 days, as the difference of two does.
    ((micros / 1000) & u64::from(u32::MAX)) as u32
}

/// Milliseconds from then to `now`.
fn since(then: u32, now: u64) -> f32 {
    let passed = millis(now).wrapping_sub(then);
    // Another thread's clock may be a little ahead.
    if passed > u32::MAX / 2 { 0.0 } else { passed as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1000;

    #[test]
    fn one_slow_answer_among_many_changes_little_and_many_change_it_all() {
        let latency = Latency::default();
        assert_eq!(latency.at(1), None);
        for turn in 0..1000 {
            latency.record(Duration::from_millis(10), turn * MS);
        }
        latency.record(Duration::from_millis(110), 1000 * MS);
        let after_one = latency.at(1000 * MS).unwrap();
        assert!((10_000.0..12_000.0).contains(&after_one), "{after_one}");
        for turn in 1000..2000 {
            latency.record(Duration::from_millis(110), turn * MS);
        }
        let after_all = latency.at(2000 * MS).unwrap();
        assert!(after_all > 109_000.0, "{after_all}");
    }

    #[test]
    fn what_is_known_fades_so_that_the_next_answer_decides() {
        let latency = Latency::default();
        latency.record(Duration::from_millis(800), MS);
        assert_eq!(latency.at(10_001 * MS), Some(800_000.0));
        let half = latency.at(15_001 * MS).unwrap();
        assert!((half - 400_000.0).abs() < 1000.0, "{half}");
        latency.record(Duration::from_millis(1), 70_001 * MS);
        let anew = latency.at(70_001 * MS).unwrap();
        assert!(anew < 2000.0, "{anew}");
    }

    #[test]
    fn who_gave_up_waiting_makes_nobody_faster() {
        let latency = Latency::default();
        latency.record(Duration::from_millis(100), MS);
        latency.record_at_least(Duration::from_millis(5), MS);
        assert_eq!(latency.at(MS), Some(100_000.0));
        latency.record_at_least(Duration::from_secs(5), MS);
        assert!(latency.at(MS).unwrap() > 100_000.0);
    }
}

//! What was answered lately: counts of the last ten seconds, latencies of the last minute.

use std::{collections::BTreeMap, ops::Range, time::Duration};

/// Seconds that are counted.
const SECONDS: usize = 10;

/// Spans of [`SPAN`] whose latencies are known.
const SPANS: usize = 6;

/// In seconds.
const SPAN: u64 = 10;

/// Steps into which latencies from one power of two to the next are told apart: they are known to one per cent.
const STEPS: u32 = 64;

/// What one worker answered lately. Each worker has its own; they are put together when somebody looks.
#[derive(Debug, Default)]
pub(super) struct Window {
    counts: [Slot<Counts>; SECONDS],
    latencies: [Slot<BTreeMap<u16, u32>>; SPANS],
}

/// What belongs to one span of time.
#[derive(Debug, Default)]
struct Slot<T> {
    /// Which one, counted from the beginning, and one more: 0 is none.
    number: u64,
    of: T,
}

#[derive(Debug, Default, Clone)]
struct Counts {
    network_errors: u64,
    codes: BTreeMap<u16, u64>,
}

/// What all workers answered lately.
#[derive(Debug, Default)]
pub(super) struct Figures {
    counts: Counts,
    latencies: BTreeMap<u16, u64>,
}

impl Window {
    /// A request was answered by `code` after `latency`, at `now` from the beginning.
    pub(super) fn note(&mut self, now: Duration, code: u16, latency: Duration) {
        if let Some(counts) = slot(&mut self.counts, now.as_secs()) {
            counts.network_errors += u64::from(matches!(code, 502 | 504));
            *counts.codes.entry(code).or_default() += 1;
        }
        if let Some(latencies) = slot(&mut self.latencies, now.as_secs() / SPAN) {
            let count = latencies.entry(step(latency)).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Adds what is not too old at `now`.
    pub(super) fn add_to(&self, figures: &mut Figures, now: Duration) {
        for counts in recent(&self.counts, now.as_secs()) {
            figures.counts.network_errors += counts.network_errors;
            for (code, count) in &counts.codes {
                *figures.counts.codes.entry(*code).or_default() += count;
            }
        }
        for latencies in recent(&self.latencies, now.as_secs() / SPAN) {
            for (step, count) in latencies {
                *figures.latencies.entry(*step).or_default() += u64::from(*count);
            }
        }
    }
}

impl Figures {
    /// Requests.
    pub(super) fn requests(&self) -> u64 {
        self.counts.codes.values().sum()
    }

    /// The part of them answered by 502 or 504; 0 without requests.
    pub(super) fn network_error_ratio(&self) -> f64 {
        ratio(self.counts.network_errors, self.requests())
    }

    /// Requests with a code in `these` for each with one in `those`; 0 without any of those.
    pub(super) fn code_ratio(&self, these: Range<u16>, those: Range<u16>) -> f64 {
        let count = |range: Range<u16>| self.counts.codes.range(range).map(|(_, count)| count).sum();
        ratio(count(these), count(those))
    }

    /// Milliseconds within which `quantile` per cent of the requests were answered; 0 without requests.
    pub(super) fn latency(&self, quantile: f64) -> i64 {
        let total: u64 = self.latencies.values().sum();
        let mut before = 0;
        for (step, count) in &self.latencies {
            before += count;
            if ratio(before, total) * 100.0 >= quantile {
                return milliseconds(*step);
            }
        }
        0
    }
}

/// The slot for span `number`, emptied if it was another one's.
fn slot<T: Default>(slots: &mut [Slot<T>], number: u64) -> Option<&mut T> {
    let place = usize::try_from(number).ok()?.checked_rem(slots.len())?;
    let slot = slots.get_mut(place)?;
    if slot.number != number + 1 {
        *slot = Slot {
            number: number + 1,
            of: T::default(),
        };
    }
    Some(&mut slot.of)
}

/// What belongs to the last spans up to the one with this `number`.
fn recent<T>(slots: &[Slot<T>], number: u64) -> impl Iterator<Item = &T> {
    let oldest = (number + 1).saturating_sub(slots.len() as u64) + 1;
    let recent = slots.iter().filter(move |slot| slot.number >= oldest);
    recent.map(|slot| &slot.of)
}

fn ratio(part: u64, of: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "nobody has so many requests in a minute"
    )]
    match of {
        0 => 0.0,
        of => part as f64 / of as f64,
    }
}

/// Which step a latency belongs to: the power of two of its microseconds, and how far it is from there to the next.
fn step(latency: Duration) -> u16 {
    let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX).max(STEPS);
    let power = micros.ilog2() - STEPS.ilog2();
    u16::try_from(power * STEPS + (micros >> power) - STEPS).unwrap_or(u16::MAX)
}

/// The largest latency of a step.
fn milliseconds(step: u16) -> i64 {
    let (power, within) = (u32::from(step) / STEPS, u32::from(step) % STEPS);
    let micros = (u64::from(STEPS + within + 1) << power) - 1;
    i64::try_from(micros / 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(window: &Window, now: u64) -> Figures {
        let mut figures = Figures::default();
        window.add_to(&mut figures, Duration::from_secs(now));
        figures
    }

    #[test]
    fn counts_are_those_of_the_last_ten_seconds() {
        let mut window = Window::default();
        let answers = [(0, 200), (0, 502), (3, 504), (3, 404), (9, 500)];
        for (second, code) in answers {
            window.note(Duration::from_secs(second), code, Duration::ZERO);
        }
        let seen = figures(&window, 9);
        assert_eq!(seen.requests(), 5);
        assert!((seen.network_error_ratio() - 0.4).abs() < 1e-9);
        assert!((seen.code_ratio(500..600, 0..600) - 0.6).abs() < 1e-9);
        assert!((seen.code_ratio(400..500, 200..300) - 1.0).abs() < 1e-9);
        assert_eq!(seen.code_ratio(0..600, 300..400), 0.0);
        assert_eq!(figures(&window, 10).requests(), 3);
        assert_eq!(figures(&window, 18).requests(), 1);
        assert_eq!(figures(&window, 19).requests(), 0);
        assert_eq!(figures(&window, 19).network_error_ratio(), 0.0);
        window.note(Duration::from_secs(19), 200, Duration::ZERO);
        assert_eq!(
            figures(&window, 19).requests(),
            1,
            "a slot that is used again is empty"
        );
    }

    #[test]
    fn latencies_are_known_to_one_per_cent_for_a_minute() {
        let mut window = Window::default();
        for milliseconds in 1..=1000 {
            window.note(Duration::from_secs(5), 200, Duration::from_millis(milliseconds));
        }
        for (quantile, expected) in [(50.0, 500), (90.0, 900), (99.0, 990), (100.0, 1000)] {
            let found = figures(&window, 60 - 1).latency(quantile);
            assert!((found - expected).abs() * 50 <= expected, "{quantile}: {found}");
        }
        assert_eq!(figures(&window, 60).latency(50.0), 0);
    }

    proptest::proptest! {
        #[test]
        fn a_step_holds_its_latency(micros in 64_u64..u64::from(u32::MAX)) {
            let most = milliseconds(step(Duration::from_micros(micros)));
            let exact = micros as f64 / 1000.0;
            proptest::prop_assert!(most as f64 + 1.0 > exact && most as f64 <= exact * 1.016 + 1.0, "{} {}", most, exact);
        }
    }
}

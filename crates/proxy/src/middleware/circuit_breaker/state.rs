//! Whether a breaker lets requests pass.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    super::expression::Expression,
    condition::{Figure, holds},
    window::{Figures, Window},
};

/// Windows that workers share; with more workers some have one together.
const SHARDS: usize = 16;

/// The terms of a breaker.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) condition: Expression<Figure>,
    pub(super) check_period: Duration,
    pub(super) fallback: Duration,
    pub(super) recovery: Duration,
}

/// The state of a breaker, and what it comes from. All times are from a beginning that its owner knows.
#[derive(Debug, Default)]
pub(super) struct State {
    /// It is not closed: only then anybody asks for `trouble`.
    troubled: AtomicBool,
    trouble: Mutex<Trouble>,
    windows: [Mutex<Window>; SHARDS],
    /// When the condition may be looked at again, in microseconds.
    next_check: AtomicU64,
}

#[derive(Debug, Default, Clone, Copy)]
enum Trouble {
    #[default]
    None,
    /// Nothing passes until then.
    Open { until: Duration },
    /// More and more passes until then.
    Recovering {
        since: Duration,
        admitted: u64,
        denied: u64,
    },
}

/// How a state changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Opened,
    Recovers,
    Closed,
}

impl State {
    /// Whether a request may pass at `now`, and how that changed the state.
    pub(super) fn admits(&self, terms: &Terms, now: Duration) -> (bool, Option<Turn>) {
        if !self.troubled.load(Ordering::Acquire) {
            return (true, None);
        }
        let mut trouble = self.trouble.lock();
        let mut turn = None;
        if let Trouble::Open { until } = *trouble
            && now >= until
        {
            *trouble = Trouble::Recovering {
                since: until,
                admitted: 0,
                denied: 0,
            };
            turn = Some(Turn::Recovers);
        }
        match &mut *trouble {
            Trouble::None => (true, turn),
            Trouble::Open { .. } => (false, turn),
            Trouble::Recovering { since, .. } if now.saturating_sub(*since) >= terms.recovery => {
                *trouble = Trouble::None;
                self.troubled.store(false, Ordering::Release);
                (true, Some(Turn::Closed))
            }
            Trouble::Recovering {
                since,
                admitted,
                denied,
            } => {
                let elapsed = now.saturating_sub(*since).as_secs_f64() / terms.recovery.as_secs_f64();
                let admits = share(*admitted + 1, *denied) <= 0.5 * elapsed;
                *(if admits { admitted } else { denied }) += 1;
                (admits, turn)
            }
        }
    }

    /// A request that passed was answered by `code` after `latency`; `shard` is its worker's. Gives how that changed
    /// the state.
    pub(super) fn note(
        &self,
        terms: &Terms,
        shard: usize,
        now: Duration,
        (code, latency): (u16, Duration),
    ) -> Option<Turn> {
        if let Some(window) = shard
            .checked_rem(SHARDS)
            .and_then(|shard| self.windows.get(shard))
        {
            window.lock().note(now, code, latency);
        }
        if !self.is_due(terms, now) || !holds(&terms.condition, &self.figures(now)) {
            return None;
        }
        let mut trouble = self.trouble.lock();
        if let Trouble::Open { .. } = *trouble {
            return None;
        }
        *trouble = Trouble::Open {
            until: now.saturating_add(terms.fallback),
        };
        self.troubled.store(true, Ordering::Release);
        for window in &self.windows {
            *window.lock() = Window::default();
        }
        Some(Turn::Opened)
    }

    /// Once in each period somebody looks at the condition.
    fn is_due(&self, terms: &Terms, now: Duration) -> bool {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let due = self.next_check.load(Ordering::Relaxed);
        let next = micros(now.saturating_add(terms.check_period));
        micros(now) >= due
            && self
                .next_check
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    fn figures(&self, now: Duration) -> Figures {
        let mut figures = Figures::default();
        for window in &self.windows {
            window.lock().add_to(&mut figures, now);
        }
        figures
    }
}

fn share(admitted: u64, denied: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "nobody has so many requests while a breaker recovers"
    )]
    let share = admitted as f64 / (admitted + denied) as f64;
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(condition: &str) -> Terms {
        Terms {
            condition: Expression::parse(condition).unwrap(),
            check_period: Duration::from_millis(100),
            fallback: Duration::from_secs(10),
            recovery: Duration::from_secs(10),
        }
    }

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    const FAST: Duration = Duration::from_millis(1);

    #[test]
    fn it_opens_on_its_condition_recovers_bit_by_bit_and_closes() {
        let (terms, state) = (terms("NetworkErrorRatio() > 0.5"), State::default());
        assert_eq!(state.note(&terms, 0, at(0), (200, FAST)), None);
        // The ratio is 0.5 and then more, but it is not looked at again before 100 ms have passed.
        assert_eq!(state.note(&terms, 1, at(50), (502, FAST)), None);
        assert_eq!(state.note(&terms, 2, at(60), (504, FAST)), None);
        assert_eq!(state.note(&terms, 0, at(110), (502, FAST)), Some(Turn::Opened));
        for time in [111, 5_000, 10_109] {
            assert_eq!(state.admits(&terms, at(time)), (false, None));
        }
        assert_eq!(state.admits(&terms, at(10_110)), (false, Some(Turn::Recovers)));
        // Ten requests in each of ten seconds: half of them pass near the end, next to none at the beginning.
        let passed = |from: u64| {
            (0..10)
                .filter(|i| state.admits(&terms, at(from + i * 100)).0)
                .count()
        };
        let passed: Vec<_> = (0..9).map(|second| passed(10_200 + second * 1000)).collect();
        assert!(
            passed[0] <= 1 && passed[8] >= 6 && passed.is_sorted(),
            "{passed:?}"
        );
        assert!((20..=45).contains(&passed.iter().sum::<usize>()), "{passed:?}");
        assert_eq!(state.admits(&terms, at(20_110)), (true, Some(Turn::Closed)));
        assert_eq!(state.admits(&terms, at(20_111)), (true, None));
    }

    #[test]
    fn it_opens_again_when_its_condition_holds_while_it_recovers() {
        let (terms, state) = (
            terms("ResponseCodeRatio(500, 600, 0, 600) > 0.5"),
            State::default(),
        );
        assert_eq!(state.note(&terms, 0, at(0), (500, FAST)), Some(Turn::Opened));
        // What passed before it opened says nothing new.
        assert_eq!(state.note(&terms, 0, at(200), (500, FAST)), None);
        state.admits(&terms, at(15_000));
        assert_eq!(state.note(&terms, 0, at(15_000), (500, FAST)), Some(Turn::Opened));
        assert!(!state.admits(&terms, at(24_999)).0);
    }

    #[test]
    fn slow_answers_open_it_too_once_there_were_enough() {
        let terms = terms("LatencyAtQuantileMS(50.0) > 100 && RequestThreshold() >= 3");
        let state = State::default();
        let slow = Duration::from_millis(150);
        assert_eq!(state.note(&terms, 0, at(0), (200, slow)), None);
        assert_eq!(state.note(&terms, 1, at(200), (200, slow)), None);
        assert_eq!(state.note(&terms, 2, at(400), (200, slow)), Some(Turn::Opened));
    }
}

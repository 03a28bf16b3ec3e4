//! How many requests of a service may be sent again.
//!
//! A share of its live traffic: while all servers fail, they do not get a multiple of what clients send. A request
//! asks when it is about to be offered to a server once more; it gives back what it took when the servers before were
//! gone, and the next one answers: then there is no outage that retries could make worse.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use mesh_config::model::Retry;

use super::clock::Moment;

/// Retries are a share of the requests of so many seconds.
const WINDOW: u32 = 10;

/// Of a share that good times left, one second gets this part: servers that just failed are not given all of it at once.
const SPREAD: u64 = 4;

/// Seconds that are told apart: those of the window and a few more, so that nobody reads what is begun anew.
const SECONDS: usize = 16;

/// What is counted for a service, across tables. Every step is a relaxed one; workers that ask at the same moment
/// may be refused once too often, and never get too much.
#[derive(Debug, Default)]
pub(crate) struct RetryBudget {
    requests: PerSecond,
    retries: PerSecond,
    refused: AtomicU64,
}

/// A retry that was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowed(u32);

impl RetryBudget {
    /// A request is offered to its first server.
    pub(crate) fn count(&self, now: Instant) {
        self.requests.add(second(now));
    }

    /// Takes one retry out; `None`, and counted, when there is none left.
    pub(crate) fn take(&self, rules: &Retry, now: Instant) -> Option<Allowed> {
        let now = second(now);
        let share = self.requests.sum(now) * u64::from(rules.budget_percent) / 100;
        let floor = u64::from(rules.min_retries_per_second) * u64::from(WINDOW);
        self.retries.add(now);
        let is_within = self.retries.sum(now) <= share.max(floor);
        if is_within && self.retries.of(now) <= (share / SPREAD).max(floor) {
            return Some(Allowed(now));
        }
        self.retries.remove(now);
        self.refused.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Puts a retry back that no server had more work with.
    pub(crate) fn give_back(&self, Allowed(second): Allowed) {
        self.retries.remove(second);
    }

    /// How often there was none left.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// The second that `time` is in.
fn second(time: Instant) -> u32 {
    let seconds = Duration::from_micros(Moment::of(time).0).as_secs();
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// Numbers of the last seconds, each beside the second that it belongs to.
#[derive(Debug, Default)]
struct PerSecond([AtomicU64; SECONDS]);

impl PerSecond {
    fn slot(&self, second: u32) -> Option<&AtomicU64> {
        self.0.get(second as usize % SECONDS)
    }

    fn add(&self, second: u32) {
        let Some(slot) = self.slot(second) else { return };
        let mut seen = slot.load(Ordering::Relaxed);
        // Somebody may be first in this second, or be ahead of it.
        while stamp(seen) < second {
            let first = u64::from(second) << 32 | 1;
            match slot.compare_exchange_weak(seen, first, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
        if stamp(seen) == second {
            slot.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn remove(&self, second: u32) {
        let Some(slot) = self.slot(second) else { return };
        let mut seen = slot.load(Ordering::Relaxed);
        while stamp(seen) == second && count(seen) > 0 {
            match slot.compare_exchange_weak(seen, seen - 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
    }

    /// Those of one second.
    fn of(&self, second: u32) -> u64 {
        let slot = self.slot(second).map(|slot| slot.load(Ordering::Relaxed));
        slot.filter(|slot| stamp(*slot) == second).map_or(0, count)
    }

    /// All of the window that ends with `now`.
    fn sum(&self, now: u32) -> u64 {
        let slots = self.0.iter().map(|slot| slot.load(Ordering::Relaxed));
        let recent = slots.filter(|slot| stamp(*slot) <= now && now - stamp(*slot) < WINDOW);
        recent.map(count).sum()
    }
}

fn stamp(slot: u64) -> u32 {
    (slot >> 32) as u32
}

fn count(slot: u64) -> u64 {
    slot & u64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a second well after the first of all.
    fn begin() -> Instant {
        let time = Instant::now() + Duration::from_secs(100);
        time + Duration::from_micros(1_000_000 - Moment::of(time).0 % 1_000_000)
    }

    /// Sends `rate` requests a second for `seconds`, each of which wants to be sent twice more; gives what servers
    /// got in each second.
    fn outage(budget: &RetryBudget, rules: &Retry, begin: Instant, rate: u32, seconds: u64) -> Vec<u64> {
        let mut sent = Vec::new();
        for second in 0..seconds {
            let mut upstream = 0;
            for request in 0..rate {
                let now = begin + Duration::from_secs(second) + Duration::from_secs(1) * request / rate;
                budget.count(now);
                upstream += 1;
                upstream += u64::from(budget.take(rules, now).is_some());
                upstream += u64::from(budget.take(rules, now).is_some());
            }
            sent.push(upstream);
        }
        sent
    }

    #[test]
    fn a_total_outage_multiplies_what_servers_get_by_a_fifth_more_at_most() {
        let (budget, rules, rate) = (RetryBudget::default(), Retry::default(), 100);
        let sent: u64 = outage(&budget, &rules, begin(), rate, 120).iter().sum();
        let most = u64::from(rate) * 120 * 12 / 10;
        assert!(sent <= most && sent > most * 95 / 100, "{sent} of {most}");
        assert!(budget.refused() > 0);
    }

    #[test]
    fn any_ten_seconds_of_an_outage_after_good_times_stay_within_the_share() {
        let (budget, rules, begin) = (RetryBudget::default(), Retry::default(), begin());
        for request in 0..1000 {
            budget.count(begin + Duration::from_millis(10) * request);
        }
        let sent = outage(&budget, &rules, begin + Duration::from_secs(10), 100, 90);
        for window in sent.windows(WINDOW as usize) {
            let got: u64 = window.iter().sum();
            assert!(got <= 1200, "{got} for 1000 in {sent:?}");
        }
        assert!(sent.iter().all(|got| *got <= 150), "too many at once: {sent:?}");
    }

    #[test]
    fn a_lone_request_may_be_sent_again_and_a_share_of_nothing_is_nothing() {
        let (budget, now) = (RetryBudget::default(), begin());
        let rules = Retry::default();
        budget.count(now);
        assert!(budget.take(&rules, now).is_some() && budget.take(&rules, now).is_some());
        let none = Retry {
            min_retries_per_second: 0,
            ..rules
        };
        let budget = RetryBudget::default();
        budget.count(now);
        assert_eq!((budget.take(&none, now), budget.refused()), (None, 1));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_while_its_second_is_remembered() {
        let (budget, now) = (RetryBudget::default(), begin());
        let rules = Retry {
            min_retries_per_second: 1,
            ..Retry::default()
        };
        for _ in 0..100 {
            let taken = budget.take(&rules, now).expect("it was given back");
            budget.give_back(taken);
        }
        let taken: Vec<_> = (0..20).filter_map(|_| budget.take(&rules, now)).collect();
        assert_eq!(taken.len(), 10);
        let later = now + Duration::from_secs(16);
        assert!(budget.take(&rules, later).is_some());
        budget.give_back(taken[0]);
        let left = (0..20).filter(|_| budget.take(&rules, later).is_some());
        assert_eq!(left.count(), 9, "nothing of another time comes back");
    }
}

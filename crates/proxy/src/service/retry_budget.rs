//! How many requests of a service may be sent again.
//!
//! A share of its live traffic: while all servers fail, they do not get a multiple of what clients send, and good times
//! leave next to nothing for bad ones. A request asks when it is about to be offered to a server once more; it gives
//! back what it took when the servers before were gone or took too long, and the next one answers: then there is no outage that retries
//! could make worse. To a server that answered whoever asked it last such a request goes on trust: it pays only if that
//! one fails it, too. So whoever loses one server of several fails nobody, and whoever loses all of them hears of it from
//! the first request to each.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use mesh_config::model::Retry;

use super::{
    clock::Moment,
    savings::{Earnings, Savings},
};

/// Retries are a share of the requests of so many seconds.
const WINDOW: u32 = 10;

/// Seconds that are told apart: those of the window and a few more, so that nobody reads what is begun anew.
const SECONDS: usize = 16;

/// What is counted for a service, across tables. Every step is a relaxed one; workers that ask at the same moment
/// may be refused once too often, and never get too much.
#[derive(Debug, Default)]
pub(crate) struct RetryBudget {
    requests: PerSecond,
    retries: PerSecond,
    savings: Savings,
    refused: AtomicU64,
}

/// A retry that was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowed {
    second: u32,
    is_paid: bool,
}

/// Where a request goes that is offered to a server once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// From servers that could not be reached, went away, or took too long, to one that answers others.
    Trust,
    /// To a server of which nothing good is known, or from one that answered in vain.
    Payment,
}

impl RetryBudget {
    /// A request is offered to its first server.
    pub(crate) fn count(&self, rules: &Retry, now: Instant) {
        self.requests.add(second(now));
        self.savings.earn(earnings(rules));
    }

    /// Takes one retry out; `None` when there is none left.
    pub(crate) fn take(&self, rules: &Retry, need: Need, now: Instant) -> Option<Allowed> {
        let second = second(now);
        let share = self.requests.sum(second) * u64::from(rules.budget_percent) / 100;
        let earnings = earnings(rules);
        let most = share.max(earnings.most);
        if need == Need::Trust {
            let is_paid = false;
            return (self.retries.sum(second) < most).then_some(Allowed { second, is_paid });
        }
        self.retries.add(second);
        if self.retries.sum(second) <= most && self.savings.take(earnings, second) {
            let is_paid = true;
            return Some(Allowed { second, is_paid });
        }
        self.retries.remove(second);
        None
    }

    /// A retry was in vain: it is paid for now, if it was let go on trust.
    pub(crate) fn charge(&self, rules: &Retry, allowed: Allowed) -> Allowed {
        if !allowed.is_paid {
            self.retries.add(allowed.second);
            self.savings.pay(earnings(rules));
        }
        Allowed {
            is_paid: true,
            ..allowed
        }
    }

    /// Puts a retry back that no server had more work with.
    pub(crate) fn give_back(&self, rules: &Retry, allowed: Allowed) {
        if allowed.is_paid {
            self.retries.remove(allowed.second);
            self.savings.give_back(earnings(rules));
        }
    }

    /// A request fails because there is none left.
    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// How often there was none left.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// What adds to the savings: a share of the requests, and time. Ten seconds of what time adds are the most.
fn earnings(rules: &Retry) -> Earnings {
    Earnings {
        per_request: rules.budget_percent,
        per_second: rules.min_retries_per_second,
        most: u64::from(rules.min_retries_per_second) * u64::from(WINDOW),
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
    use proptest::prelude::*;

    use super::*;

    /// The beginning of a second well after the first of all.
    fn begin() -> Instant {
        let time = Instant::now() + Duration::from_secs(100);
        time + Duration::from_micros(1_000_000 - Moment::of(time).0 % 1_000_000)
    }

    /// One retry, in vain; whether there was one.
    fn fails(budget: &RetryBudget, rules: &Retry, need: Need, now: Instant) -> bool {
        let taken = budget.take(rules, need, now);
        taken.map(|taken| budget.charge(rules, taken)).is_some()
    }

    /// Sends `rate` requests a second for `seconds`, each of which wants to be sent twice more; gives what servers
    /// got in each second.
    fn outage(
        budget: &RetryBudget,
        rules: &Retry,
        need: Need,
        begin: Instant,
        rate: u32,
        seconds: u64,
    ) -> Vec<u64> {
        let mut sent = Vec::new();
        for second in 0..seconds {
            let mut upstream = 0;
            for request in 0..rate {
                let now = begin + Duration::from_secs(second) + Duration::from_secs(1) * request / rate;
                budget.count(rules, now);
                upstream += 1;
                upstream += u64::from(fails(budget, rules, need, now));
                upstream += u64::from(fails(budget, rules, need, now));
            }
            sent.push(upstream);
        }
        sent
    }

    #[test]
    fn a_total_outage_multiplies_what_servers_get_by_a_fifth_more_at_most() {
        for need in [Need::Trust, Need::Payment] {
            let (budget, rules, rate) = (RetryBudget::default(), Retry::default(), 100);
            let sent: u64 = outage(&budget, &rules, need, begin(), rate, 120).iter().sum();
            let most = u64::from(rate) * 120 * 12 / 10;
            assert!(sent <= most && sent > most * 95 / 100, "{sent} of {most}");
        }
    }

    /// An outage of 90 seconds after good times, both of 100 requests a second.
    fn outage_after_good_times(need: Need) -> Vec<u64> {
        let (budget, rules, begin) = (RetryBudget::default(), Retry::default(), begin());
        for request in 0..1000 {
            budget.count(&rules, begin + Duration::from_millis(10) * request);
        }
        let sent = outage(&budget, &rules, need, begin + Duration::from_secs(10), 100, 90);
        for window in sent.windows(WINDOW as usize) {
            let got: u64 = window.iter().sum();
            assert!(got <= 1200, "{got} for 1000 in {sent:?}");
        }
        sent
    }

    #[test]
    fn trust_that_is_disappointed_is_paid_for_within_the_window() {
        outage_after_good_times(Need::Trust);
        let (budget, rules, now) = (RetryBudget::default(), Retry::default(), begin());
        let lent = |now| budget.take(&rules, Need::Trust, now).unwrap();
        for _ in 0..1000 {
            lent(now);
        }
        for _ in 0..10 {
            budget.charge(&rules, lent(now));
        }
        assert_eq!(budget.take(&rules, Need::Trust, now), None);
        assert_eq!(budget.take(&rules, Need::Payment, now), None);
    }

    #[test]
    fn after_good_times_servers_get_a_fifth_more_from_the_first_second_on() {
        let sent = outage_after_good_times(Need::Payment);
        let begun: u64 = sent.iter().take(3).sum();
        assert!(
            begun <= 360 + 10 + 3,
            "ten are saved for lone requests, one comes each second: {sent:?}"
        );
        assert!(begun >= 360, "a share is a share: {sent:?}");
    }

    #[test]
    fn a_lone_request_may_be_sent_again_and_a_share_of_nothing_is_nothing() {
        for need in [Need::Trust, Need::Payment] {
            let (budget, now) = (RetryBudget::default(), begin());
            let rules = Retry::default();
            budget.count(&rules, now);
            assert!(budget.take(&rules, need, now).is_some() && budget.take(&rules, need, now).is_some());
            let none = Retry {
                min_retries_per_second: 0,
                ..rules
            };
            let budget = RetryBudget::default();
            budget.count(&none, now);
            assert_eq!(budget.take(&none, need, now), None);
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_while_its_second_is_remembered() {
        let (budget, now) = (RetryBudget::default(), begin());
        let rules = Retry {
            min_retries_per_second: 1,
            ..Retry::default()
        };
        let take = |now| budget.take(&rules, Need::Payment, now);
        for _ in 0..100 {
            let taken = take(now).expect("it was given back");
            budget.give_back(&rules, taken);
        }
        let taken: Vec<_> = (0..20).filter_map(|_| take(now)).collect();
        assert_eq!(taken.len(), 10);
        let later = now + Duration::from_secs(16);
        assert!(take(later).is_some());
        budget.give_back(&rules, taken[0]);
        let left = (0..20).filter(|_| take(later).is_some());
        assert_eq!(left.count(), 9, "nothing of another time comes back");
    }

    proptest! {
        #[test]
        fn whatever_was_before_servers_get_a_fifth_more_and_what_time_allows(
            history in prop::collection::vec((0_u64..4000, 0_u64..300, 0_u64..600), 1..60),
            percent in 0_u8..=100,
            floor in 0_u32..5,
        ) {
            let rules = Retry { budget_percent: percent, min_retries_per_second: floor, ..Retry::default() };
            let (budget, mut now, begin) = (RetryBudget::default(), 0, begin());
            let mut steps = Vec::new();
            for (pause, requests, wanted) in history {
                now += pause;
                let at = begin + Duration::from_millis(now);
                (0..requests).for_each(|_| budget.count(&rules, at));
                let retries = (0..wanted).filter(|_| budget.take(&rules, Need::Payment, at).is_some());
                steps.push((now, requests, retries.count() as u64));
            }
            for (first, (from, ..)) in steps.iter().enumerate() {
                let (mut requests, mut retries) = (0, 0);
                for (until, more_requests, more_retries) in &steps[first..] {
                    requests += more_requests;
                    retries += more_retries;
                    // A second that has begun counts as a whole one, and so does a retry.
                    let seconds = u64::from(WINDOW) + (until - from) / 1000 + 1;
                    let most = requests * u64::from(percent) / 100 + u64::from(floor) * seconds + 1;
                    prop_assert!(retries <= most, "{} retries for {} requests", retries, requests);
                }
            }
        }
    }
}

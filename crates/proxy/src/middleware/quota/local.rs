//! Counts in this process, shared by its workers.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Balance, Law};
use crate::middleware::{
    source::Key,
    sources::{Sharded, Who},
};

/// Sources that are told apart; of more, those that asked least are forgotten.
const MAX_SOURCES: usize = 65_536;

/// One part in so many of the sources is forgotten at once where there is no room, so that it is seldom done.
const FORGOTTEN: usize = 8;

/// Requests by source.
#[derive(Debug)]
pub(in super::super) struct Counts(Sharded<HashMap<Who, Count>>);

/// Requests of one source in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    period: u128,
    requests: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self(Sharded::new(MAX_SOURCES))
    }
}

impl Counts {
    /// What a request of a source finds, which is counted if it passes.
    pub(super) fn take(&self, law: Law, key: &Key<'_>, now: SystemTime) -> Balance {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let now = now.as_millis();
        let (period, left) = (now / law.period, law.period - now % law.period);
        let who = self.0.who(key);
        let (mut counts, room) = self.0.lock(who);
        // Of another period, also a later one where the clock was put back.
        let known = counts.get(&who).filter(|known| known.period == period);
        let requests = known.map_or(0, |known| known.requests);
        if requests >= law.limit {
            return law.balance(false, requests, left);
        }
        if !counts.contains_key(&who) && counts.len() >= room {
            make_room(&mut counts, period);
        }
        let requests = requests + 1;
        counts.insert(who, Count { period, requests });
        law.balance(true, requests, left)
    }
}

/// Forgets those of other periods, or those who asked least in this one.
fn make_room(counts: &mut HashMap<Who, Count>, period: u128) {
    let before = counts.len();
    counts.retain(|_, count| count.period == period);
    if counts.len() < before {
        return;
    }
    let mut order: Vec<_> = counts.iter().map(|(who, count)| (count.requests, *who)).collect();
    let forgotten = order.len() / FORGOTTEN;
    if forgotten < order.len() {
        order.select_nth_unstable(forgotten);
    }
    for (_, who) in order.iter().take(forgotten + 1) {
        counts.remove(who);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::cases, *};

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn requests_pass_and_are_refused_as_the_table_says() {
        for case in cases() {
            let law = Law {
                limit: case.limit,
                period: u128::from(case.period_ms),
            };
            let counts = Counts::default();
            for (time, wanted) in &case.requests {
                let found = counts.take(law, &Key::Text(b"a"), at(*time));
                let written = match found.passes {
                    true => format!("{} {}", found.remaining, found.reset),
                    false => format!("!{}", found.reset),
                };
                assert_eq!(written, *wanted, "{}, at {time}", case.name);
            }
            let other = counts.take(law, &Key::Text(b"b"), at(case.requests[0].0));
            assert_eq!(other.remaining, case.limit - 1, "another source has its own");
        }
    }

    #[test]
    fn more_sources_than_there_is_room_for_cost_the_memory_of_those_who_asked_least() {
        let counts = Counts(Sharded::new(160));
        let law = Law {
            limit: 100,
            period: 1000,
        };
        let used =
            |key: &[u8], period: u64| 100 - counts.take(law, &Key::Text(key), at(period * 1000)).remaining;
        for _ in 0..5 {
            used(b"busy", 1);
        }
        for source in 0..1000_u32 {
            assert_eq!(used(&source.to_be_bytes(), 1), 1);
        }
        let known: usize = (0..16).map(|shard| counts.0.lock(shard).0.len()).sum();
        assert!(known <= 160, "{known}");
        assert_eq!(used(b"busy", 1), 6);
        for source in 0..1000_u32 {
            used(&source.to_be_bytes(), 2);
        }
        assert_eq!(used(b"busy", 2), 1);
    }
}

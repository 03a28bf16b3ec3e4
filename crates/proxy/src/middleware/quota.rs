//! `quota`: limits how many requests one source may make in a period.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::future::LocalBoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use mesh_config::{QualifiedName, duration, model};

use super::{
    Around, Instances, InvalidMiddleware, Next, Visit, plain,
    source::{IpStrategy, Key, Source},
    sources::{Sharded, Who},
};
use crate::forward::Answer;

static RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
static RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
static RATELIMIT_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Sources that are told apart; of more, those that asked least are forgotten.
const MAX_SOURCES: usize = 65_536;

/// One part in so many of the sources is forgotten at once where there is no room, so that it is seldom done.
const FORGOTTEN: usize = 8;

/// The shortest period: below that it is a rate.
const MIN_PERIOD: Duration = Duration::from_secs(1);

/// A limit, and what was counted for it by all routers together.
#[derive(Debug)]
pub(super) struct Quota {
    limit: u64,
    period: u128,
    /// None: by user.
    source: Option<Source>,
    counts: Arc<Counts>,
}

/// Requests by source.
#[derive(Debug)]
pub(super) struct Counts(Sharded<HashMap<Who, Count>>);

/// Requests of one source in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    period: u128,
    requests: u64,
}

/// What a request finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Balance {
    passes: bool,
    remaining: u64,
    /// Seconds until the next period.
    reset: u64,
}

impl Quota {
    pub(super) fn new(
        name: &QualifiedName,
        settings: &model::Quota,
        counts: &Instances<Counts>,
    ) -> Result<Self, InvalidMiddleware> {
        let invalid = |key, found, reason| InvalidMiddleware { key, found, reason };
        if settings.limit == 0 {
            return Err(invalid(
                "limit",
                "0".to_owned(),
                "lets nobody pass; write the requests that a source has in a period",
            ));
        }
        if settings.period < MIN_PERIOD {
            let found = duration::format(settings.period);
            return Err(invalid(
                "period",
                found,
                "is less than a second; use rateLimit for that",
            ));
        }
        let criterion = settings.source_criterion.as_ref();
        let source = criterion.map(|it| Source::new(Some(it), by_address()));
        Ok(Self {
            limit: settings.limit,
            period: settings.period.as_millis(),
            source: source.transpose()?,
            counts: counts.of(&name.to_string(), Counts::default),
        })
    }

    /// Counts a request of `key`, if it passes.
    fn take(&self, key: &Key<'_>, now: SystemTime) -> Balance {
        let now = now
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_millis();
        let period = now / self.period;
        let left = self.period - now % self.period;
        let requests = self.counts.take(key, period, self.limit);
        Balance {
            passes: requests.is_some(),
            remaining: self.limit - requests.unwrap_or(self.limit),
            reset: u64::try_from(left.div_ceil(1000)).unwrap_or(u64::MAX),
        }
    }

    fn tell(&self, balance: Balance, headers: &mut HeaderMap) {
        for (name, value) in [
            (&RATELIMIT_LIMIT, self.limit),
            (&RATELIMIT_REMAINING, balance.remaining),
            (&RATELIMIT_RESET, balance.reset),
        ] {
            headers.insert(name, HeaderValue::from(value));
        }
    }
}

impl Around for Quota {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            let (headers, peer) = (&visit.head.headers, visit.client.peer());
            let user = visit.trail.user();
            let key = match (&self.source, &user) {
                (Some(source), _) => source.key(headers, peer),
                (None, Some(user)) => Key::Text(user.as_bytes()),
                (None, None) => by_address().key(headers, peer),
            };
            let balance = self.take(&key, SystemTime::now());
            if !balance.passes {
                let mut refusal = plain(StatusCode::TOO_MANY_REQUESTS);
                let wait = HeaderValue::from(balance.reset);
                refusal.headers_mut().insert(header::RETRY_AFTER, wait);
                self.tell(balance, refusal.headers_mut());
                return refusal.into();
            }
            let mut answer = next.run(visit).await;
            self.tell(balance, &mut answer.head.headers);
            answer
        })
    }
}

fn by_address() -> Source {
    Source::Ip(IpStrategy::default())
}

impl Default for Counts {
    fn default() -> Self {
        Self(Sharded::new(MAX_SOURCES))
    }
}

impl Counts {
    /// The requests of a source in `period` with this one, which is counted; `None` if it is one too many.
    fn take(&self, key: &Key<'_>, period: u128, limit: u64) -> Option<u64> {
        let who = self.0.who(key);
        let (mut counts, room) = self.0.lock(who);
        // Of another period, also a later one where the clock was put back.
        let known = counts.get(&who).filter(|known| known.period == period);
        let requests = known.map_or(0, |known| known.requests);
        if requests >= limit {
            return None;
        }
        if !counts.contains_key(&who) && counts.len() >= room {
            make_room(&mut counts, period);
        }
        let requests = requests + 1;
        counts.insert(who, Count { period, requests });
        Some(requests)
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
    use serde_json::{Value, json};

    use super::*;
    use crate::fixture::name_of;

    fn quota(settings: Value, counts: &Instances<Counts>) -> Result<Quota, InvalidMiddleware> {
        Quota::new(
            &name_of("plan@file"),
            &serde_json::from_value(settings).unwrap(),
            counts,
        )
    }

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn each_source_has_its_requests_in_each_period() {
        let quota = quota(json!({"limit": 2, "period": "10s"}), &Instances::default()).unwrap();
        let take = |who: &str, millis| {
            let balance = quota.take(&Key::Text(who.as_bytes()), at(millis));
            (balance.passes, balance.remaining, balance.reset)
        };
        assert_eq!(take("a", 3000), (true, 1, 7));
        assert_eq!(take("a", 3001), (true, 0, 7));
        assert_eq!(take("a", 9999), (false, 0, 1));
        assert_eq!(take("b", 9999), (true, 1, 1));
        assert_eq!(
            take("a", 10_000),
            (true, 1, 10),
            "a new period, whatever was refused before"
        );
        assert_eq!(take("a", 9000), (true, 1, 1), "the clock was put back");
    }

    #[test]
    fn a_limit_that_is_changed_goes_on_with_what_was_counted() {
        let counts = Instances::default();
        let before = quota(json!({"limit": 2}), &counts).unwrap();
        let key = Key::Text(b"a");
        assert!(before.take(&key, at(0)).passes && before.take(&key, at(0)).passes);
        let after = quota(json!({"limit": 3}), &counts).unwrap();
        drop(before);
        assert_eq!(after.take(&key, at(0)).remaining, 0);
        assert!(!after.take(&key, at(0)).passes);
    }

    #[test]
    fn more_sources_than_there_is_room_for_cost_the_memory_of_those_who_asked_least() {
        let counts = Counts(Sharded::new(160));
        for _ in 0..5 {
            counts.take(&Key::Text(b"busy"), 1, 100);
        }
        for source in 0..1000_u32 {
            assert_eq!(counts.take(&Key::Text(&source.to_be_bytes()), 1, 100), Some(1));
        }
        let known: usize = (0..16).map(|shard| counts.0.lock(shard).0.len()).sum();
        assert!(known <= 160, "{known}");
        assert_eq!(counts.take(&Key::Text(b"busy"), 1, 100), Some(6));
        for source in 0..1000_u32 {
            counts.take(&Key::Text(&source.to_be_bytes()), 2, 100);
        }
        assert_eq!(counts.take(&Key::Text(b"busy"), 2, 100), Some(1));
    }

    #[test]
    fn what_limits_nothing_or_nobody_is_refused() {
        for settings in [
            json!({}),
            json!({"limit": 1, "period": "100ms"}),
            json!({"limit": 1, "sourceCriterion": {"requestHeaderName": "a b"}}),
        ] {
            assert!(
                quota(settings.clone(), &Instances::default()).is_err(),
                "{settings}"
            );
        }
    }
}

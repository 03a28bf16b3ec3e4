//! `quota`: limits how many requests one source may make in a period.

mod local;
mod shared;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use mesh_config::{QualifiedName, duration, model};
use mesh_telemetry::metrics::Outcome;

pub(super) use self::local::Counts;
use self::shared::Shared;
use super::{
    Around, Instances, InvalidMiddleware, Next, Visit, plain,
    source::{IpStrategy, Key, Source},
};
use crate::forward::Answer;

static RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
static RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
static RATELIMIT_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// The shortest period: below that it is a rate.
const MIN_PERIOD: Duration = Duration::from_secs(1);

/// A limit, and what was counted for it by all routers together.
#[derive(Debug)]
pub(super) struct Quota {
    law: Law,
    /// None: by user.
    source: Option<Source>,
    counted: Counted,
}

/// How many requests in how many milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Law {
    limit: u64,
    period: u128,
}

/// Where requests are counted.
#[derive(Debug)]
enum Counted {
    Here(Arc<Counts>),
    Shared(Box<Shared>),
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
        let counted = match &settings.redis {
            None => Counted::Here(counts.of(&name.to_string(), Counts::default)),
            Some(redis) => Counted::Shared(Box::new(Shared::new(name, redis)?)),
        };
        let law = Law {
            limit: settings.limit,
            period: settings.period.as_millis(),
        };
        Ok(Self {
            law,
            source: source.transpose()?,
            counted,
        })
    }

    /// What a request of `key` finds, which is counted if it passes; what is to become of it if that cannot be done.
    async fn take(&self, key: &Key<'_>) -> Result<Balance, model::OnError> {
        match &self.counted {
            Counted::Here(counts) => Ok(counts.take(self.law, key, SystemTime::now())),
            Counted::Shared(shared) => shared.take(self.law, key).await,
        }
    }
}

impl Law {
    /// The balance of a source that has made so many requests in a period that goes on for `left` milliseconds, the
    /// last one included if it `passes`.
    fn balance(self, passes: bool, requests: u64, left: u128) -> Balance {
        Balance {
            passes,
            remaining: self.limit.saturating_sub(requests),
            reset: u64::try_from(left.div_ceil(1000)).unwrap_or(u64::MAX),
        }
    }

    fn tell(self, balance: Balance, headers: &mut HeaderMap) {
        for (name, value) in [
            (&RATELIMIT_LIMIT, self.limit),
            (&RATELIMIT_REMAINING, balance.remaining),
            (&RATELIMIT_RESET, balance.reset),
        ] {
            headers.insert(name, HeaderValue::from(value));
        }
    }

    fn refusal(self, balance: Balance) -> Response<Bytes> {
        let mut refusal = plain(StatusCode::TOO_MANY_REQUESTS);
        let headers = refusal.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from(balance.reset));
        self.tell(balance, headers);
        refusal
    }
}

impl Around for Quota {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            let (headers, peer) = (&visit.head.headers, visit.client.peer());
            let user = visit.trail.user();
            let key = match (&self.source, &user) {
                (Some(source), _) => source.key(headers, peer),
                (None, Some(user)) => Key::User(user),
                (None, None) => by_address().key(headers, peer),
            };
            let balance = match self.take(&key).await {
                Ok(balance) => balance,
                Err(model::OnError::Allow) => return next.run(visit).await.counted(Outcome::Uncounted),
                Err(model::OnError::Deny) => {
                    let refusal = plain(StatusCode::INTERNAL_SERVER_ERROR);
                    return Answer::from(refusal).counted(Outcome::Unavailable);
                }
            };
            if !balance.passes {
                return Answer::from(self.law.refusal(balance)).counted(Outcome::Limit);
            }
            let mut answer = next.run(visit).await;
            self.law.tell(balance, &mut answer.head.headers);
            answer
        })
    }
}

fn by_address() -> Source {
    Source::Ip(IpStrategy::default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fixture::name_of;

    /// A run of requests of one source, and what each finds.
    #[derive(Debug, serde::Deserialize)]
    pub(super) struct Case {
        pub(super) name: String,
        pub(super) limit: u64,
        pub(super) period_ms: u64,
        /// When, in milliseconds, and what: requests left and seconds until the next period, `!` before the latter alone.
        pub(super) requests: Vec<(u64, String)>,
    }

    /// The same for counts in this process and for those in Redis.
    pub(super) fn cases() -> Vec<Case> {
        serde_json::from_str(include_str!("cases.json")).unwrap()
    }

    fn quota(settings: Value, counts: &Instances<Counts>) -> Result<Quota, InvalidMiddleware> {
        Quota::new(
            &name_of("plan@file"),
            &serde_json::from_value(settings).unwrap(),
            counts,
        )
    }

    #[tokio::test]
    async fn a_limit_that_is_changed_goes_on_with_what_was_counted() {
        let counts = Instances::default();
        let long = |limit: u64| json!({"limit": limit, "period": "100000h"});
        let before = quota(long(2), &counts).unwrap();
        let key = Key::Text(b"a");
        for _ in 0..2 {
            assert!(before.take(&key).await.unwrap().passes);
        }
        let after = quota(long(3), &counts).unwrap();
        drop(before);
        assert_eq!(after.take(&key).await.unwrap().remaining, 0);
        assert!(!after.take(&key).await.unwrap().passes);
    }

    #[tokio::test]
    async fn a_redis_that_is_gone_denies_or_allows() {
        let gone = crate::fixture::Refusing::new();
        for (on_error, expected) in [("deny", model::OnError::Deny), ("allow", model::OnError::Allow)] {
            let redis = json!({"endpoints": [gone.address().to_string()], "onError": on_error});
            let quota = quota(json!({"limit": 1, "redis": redis}), &Instances::default()).unwrap();
            for _ in 0..2 {
                assert_eq!(quota.take(&Key::Text(b"a")).await, Err(expected));
            }
        }
    }

    #[test]
    fn what_limits_nothing_or_nobody_is_refused() {
        for settings in [
            json!({}),
            json!({"limit": 1, "period": "100ms"}),
            json!({"limit": 1, "sourceCriterion": {"requestHeaderName": "a b"}}),
            json!({"limit": 1, "redis": {"endpoints": ["redis://a"]}}),
        ] {
            assert!(
                quota(settings.clone(), &Instances::default()).is_err(),
                "{settings}"
            );
        }
    }
}

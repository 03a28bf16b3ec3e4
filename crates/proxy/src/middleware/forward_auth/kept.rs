//! What `forwardAuth` was answered before.
//!
//! An answer counts for the very same question: everything that is asked, in every header, is in its key. Of the question
//! itself nothing is kept but a hash.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderName, StatusCode, header, request, response};
use mesh_config::{duration, model};
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use crate::middleware::{
    InvalidMiddleware,
    caches::{Keeper, Purge},
    credentials::own_header,
    directives::{Directives, date, seconds},
    flights::{Boarding, Flight, Flights},
};

/// The longest time that an answer may count: nobody is known for longer without being asked for.
const MAX_TTL: Duration = Duration::from_secs(60 * 60);

/// Bytes of headers and body at most; longer answers are not kept.
const MAX_ANSWER: usize = 8 * 1024;

/// How long it is remembered that a question has an answer which cannot be kept: requests do not wait for each other then.
const PASS_TIME: Duration = Duration::from_secs(10);

/// Questions of which that is remembered: strangers who ask for much cost those nothing who are let in.
const MAX_PASSES: u64 = 4096;

/// Says who asks: to ignore one of these would give one client what another one may have.
const OF_CLIENT: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// Stands for a question.
pub(super) type Print = [u8; 32];

/// Answers by question. Workers share it.
#[derive(Debug)]
pub(super) struct Kept {
    ttl: Duration,
    negative_ttl: Duration,
    ignored: Vec<HeaderName>,
    answers: Cache<Print, Known>,
    passes: Cache<Print, ()>,
    flights: Flights<Print>,
    /// How often all was thrown away: what was asked before that is not kept any more.
    purges: AtomicU64,
}

/// What the one that was asked said.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub(super) head: response::Parts,
    pub(super) body: Bytes,
}

/// The answer to a question.
#[derive(Debug, Clone)]
struct Known {
    until: Instant,
    verdict: Verdict,
}

/// What there is for a question.
#[derive(Debug)]
pub(super) enum Found {
    /// Its answer.
    Verdict(Verdict),
    /// It has to be asked.
    Nothing(Turn),
}

/// The right to ask; others wait until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    purges: u64,
    _flight: Option<Flight<Print>>,
}

impl Kept {
    pub(super) fn new(
        settings: &model::ForwardAuthCache,
        all: &model::ForwardAuth,
    ) -> Result<Self, InvalidMiddleware> {
        let invalid = |key, found: String, reason| InvalidMiddleware { key, found, reason };
        if all.forward_body {
            let reason = "goes with forwardBody: answers are kept by heads alone; leave one of them out";
            return Err(invalid("cache", String::new(), reason));
        }
        if settings.ttl.is_zero() && settings.negative_ttl.is_zero() {
            let reason = "keeps nothing; write a time such as 10s, or leave cache out";
            return Err(invalid("cache.ttl", duration::format(settings.ttl), reason));
        }
        for (key, ttl) in [
            ("cache.ttl", settings.ttl),
            ("cache.negativeTtl", settings.negative_ttl),
        ] {
            if ttl > MAX_TTL {
                let reason = "is too long to believe what was said once; write 1h or less";
                return Err(invalid(key, duration::format(ttl), reason));
            }
        }
        let ignored = settings.ignore_headers.iter();
        let ignored = ignored.map(|name| own_header("cache.ignoreHeaders", name));
        let ignored = ignored.collect::<Result<Vec<_>, _>>()?;
        if let Some(name) = ignored.iter().find(|name| OF_CLIENT.contains(name)) {
            let reason = "says who asks; without it one client would get what another one may have";
            return Err(invalid("cache.ignoreHeaders", name.to_string(), reason));
        }
        Ok(Self {
            ttl: settings.ttl,
            negative_ttl: settings.negative_ttl,
            ignored,
            answers: Cache::builder()
                .max_capacity(settings.max_entries)
                .time_to_live(settings.ttl.max(settings.negative_ttl))
                .build(),
            passes: Cache::builder()
                .max_capacity(MAX_PASSES)
                .time_to_live(PASS_TIME)
                .build(),
            flights: Flights::default(),
            purges: AtomicU64::new(0),
        })
    }

    /// What stands for a question: no other one has the same, however its parts are put together.
    pub(super) fn print(&self, question: &request::Parts) -> Print {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        add(question.method.as_str().as_bytes());
        add(question.uri.to_string().as_bytes());
        let names = question
            .headers
            .keys()
            .filter(|name| !self.ignored.contains(name));
        let mut names: Vec<_> = names.map(HeaderName::as_str).collect();
        names.sort_unstable();
        for name in names {
            let values = question.headers.get_all(name);
            add(name.as_bytes());
            add(&(values.iter().count() as u64).to_be_bytes());
            for value in values {
                add(value.as_bytes());
            }
        }
        hash.finalize().into()
    }

    /// What there is for a question, once nobody else asks it.
    pub(super) async fn find(&self, print: Print) -> Found {
        loop {
            let purges = self.purges.load(Ordering::SeqCst);
            if let Some(verdict) = self.known(print) {
                return Found::Verdict(verdict);
            }
            let boarding = match self.passes.contains_key(&print) {
                true => Boarding::Alone,
                false => self.flights.board(print),
            };
            let flight = match boarding {
                Boarding::Alone => None,
                Boarding::Asks(flight) => Some(flight),
                // It ends within the time of a question, also when its client leaves; then somebody else asks.
                Boarding::Waits(mut landed) => {
                    let _landed = landed.changed().await;
                    continue;
                }
            };
            // Another one may have heard it just now.
            return match self.known(print) {
                Some(verdict) => Found::Verdict(verdict),
                None => Found::Nothing(Turn {
                    purges,
                    _flight: flight,
                }),
            };
        }
    }

    fn known(&self, print: Print) -> Option<Verdict> {
        let known = self.answers.get(&print)?;
        (known.until > Instant::now()).then_some(known.verdict)
    }

    /// Keeps what a question was answered, if that may be, with the headers that are `wanted` of an answer that lets
    /// requests pass.
    pub(super) fn learn(
        &self,
        print: Print,
        turn: Turn,
        answer: Option<&Verdict>,
        wanted: impl Fn(&HeaderName) -> bool,
    ) {
        let now = Instant::now();
        let kept = answer.and_then(|answer| {
            let lifetime = self.lifetime(&answer.head, SystemTime::now())?;
            let verdict = reduced(answer, wanted)?;
            Some((now + lifetime, verdict))
        });
        let Some((until, verdict)) = kept else {
            self.passes.insert(print, ());
            return;
        };
        self.passes.invalidate(&print);
        self.answers.insert(print, Known { until, verdict });
        // Only now: a purge that did not find it yet has begun before.
        if self.purges.load(Ordering::SeqCst) != turn.purges {
            self.answers.invalidate(&print);
        }
    }

    /// How long an answer counts; `None` if it may not be kept.
    fn lifetime(&self, answer: &response::Parts, now: SystemTime) -> Option<Duration> {
        let most = match answer.status {
            status if status.is_success() => self.ttl,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.negative_ttl,
            _ => Duration::ZERO,
        };
        let headers = &answer.headers;
        let said = Directives::of(headers);
        let varies = headers.get_all(header::VARY).iter().any(|line| {
            let names = line.to_str().unwrap_or("*").split(',').map(str::trim);
            let ignored = |name: &str| {
                self.ignored
                    .iter()
                    .any(|known| name.eq_ignore_ascii_case(known.as_str()))
            };
            names.into_iter().any(|name| name == "*" || ignored(name))
        });
        if said.no_store
            || said.no_cache
            || said.private
            || varies
            || headers.contains_key(header::SET_COOKIE)
        {
            return None;
        }
        let age = headers
            .get(header::AGE)
            .and_then(|age| seconds(age.to_str().ok()?));
        let told = match said.s_maxage.or(said.max_age) {
            Some(told) => Some(told),
            // A date that cannot be read has passed.
            None => headers.contains_key(header::EXPIRES).then(|| {
                let made = date(headers, &header::DATE).unwrap_or(now);
                let expires = date(headers, &header::EXPIRES);
                let left = expires.and_then(|expires| expires.duration_since(made).ok());
                left.unwrap_or_default()
            }),
        };
        let told = told.map(|told| told.saturating_sub(age.unwrap_or_default()));
        let lifetime = told.map_or(most, |told| told.min(most));
        (!lifetime.is_zero()).then_some(lifetime)
    }
}

impl Keeper for Kept {
    fn entries(&self) -> u64 {
        self.answers.run_pending_tasks();
        self.answers.entry_count()
    }

    fn bytes(&self) -> Option<u64> {
        None
    }

    /// Nothing tells what was asked: all or nothing.
    fn purge(&self, purge: &Purge) -> u64 {
        if !purge.answers.is_all() {
            return 0;
        }
        self.purges.fetch_add(1, Ordering::SeqCst);
        let purged = self.entries();
        self.answers.invalidate_all();
        purged
    }
}

/// What is kept of an answer; `None` if that is too much.
fn reduced(answer: &Verdict, wanted: impl Fn(&HeaderName) -> bool) -> Option<Verdict> {
    let mut kept = answer.clone();
    // It may have been made for its connection, or tell of it.
    kept.head.extensions.clear();
    if kept.head.status.is_success() {
        kept.body = Bytes::new();
        let headers = answer.head.headers.iter();
        let wanted = headers.filter(|(name, _)| wanted(name));
        kept.head.headers = wanted
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
    }
    let headers = kept
        .head
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    (headers.sum::<usize>() + kept.body.len() <= MAX_ANSWER).then_some(kept)
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use serde_json::{Value, json};

    use super::*;

    fn kept(cache: Value) -> Result<Kept, String> {
        let settings = serde_json::from_value(cache).unwrap();
        Kept::new(&settings, &model::ForwardAuth::default()).map_err(|error| error.to_string())
    }

    fn question(method: &str, uri: &str, lines: &[(&str, &str)]) -> request::Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn answer(status: u16, lines: &[(&str, &str)], body: &str) -> Verdict {
        let mut response = Response::builder().status(status);
        for (name, value) in lines {
            response = response.header(*name, *value);
        }
        Verdict {
            head: response.body(()).unwrap().into_parts().0,
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn questions_that_differ_in_anything_have_different_prints() {
        let kept = kept(json!({})).unwrap();
        let questions = [
            question("GET", "/", &[]),
            question("POST", "/", &[]),
            question("GET", "/?a", &[]),
            question("GET", "/", &[("a", "")]),
            question("GET", "/", &[("a", "b")]),
            question("GET", "/", &[("a", "B")]),
            question("GET", "/", &[("ab", "")]),
            question("GET", "/", &[("a", "b"), ("a", "b")]),
            question("GET", "/", &[("a", "b"), ("a", "c")]),
            question("GET", "/", &[("a", "c"), ("a", "b")]),
            question("GET", "/", &[("a", "b, c")]),
            question("GET", "/", &[("a", "b,c")]),
            question("GET", "/", &[("a", "bc")]),
            question("GET", "/", &[("a", "b"), ("c", "")]),
            question("GET", "/", &[("a", ""), ("b", "c")]),
            question("GET", "/", &[("authorization", "Bearer a"), ("x-tenant", "b")]),
            question("GET", "/", &[("authorization", "Bearer"), ("x-tenant", "ab")]),
            question("GET", "/", &[("authorization", "Bearer ab"), ("x-tenant", "")]),
            question("GET", "/", &[("cookie", "a=1; b=2")]),
            question("GET", "/", &[("cookie", "a=1"), ("cookie", "b=2")]),
        ];
        let prints: std::collections::BTreeSet<_> =
            questions.iter().map(|question| kept.print(question)).collect();
        assert_eq!(prints.len(), questions.len());
        let one = question("GET", "/", &[("A", "1"), ("b", "2"), ("c", "3")]);
        let same = question("GET", "/", &[("C", "3"), ("a", "1"), ("B", "2")]);
        assert_eq!(
            kept.print(&one),
            kept.print(&same),
            "an order of names says nothing"
        );
    }

    #[test]
    fn headers_that_are_ignored_decide_nothing_and_those_of_clients_cannot_be() {
        let kept = kept(json!({"ignoreHeaders": ["User-Agent", "X-Forwarded-Uri"]})).unwrap();
        let one = question(
            "GET",
            "/",
            &[("user-agent", "a"), ("cookie", "1"), ("x-forwarded-uri", "/a")],
        );
        let same = question(
            "GET",
            "/",
            &[("user-agent", "b"), ("user-agent", "c"), ("cookie", "1")],
        );
        let other = question("GET", "/", &[("user-agent", "a"), ("cookie", "2")]);
        assert_eq!(kept.print(&one), kept.print(&same));
        assert_ne!(kept.print(&one), kept.print(&other));
        let varies = answer(200, &[("vary", "Accept, user-agent")], "");
        assert_eq!(kept.lifetime(&varies.head, SystemTime::now()), None);
    }

    #[test]
    fn answers_count_as_long_as_they_say_and_may() {
        let kept = kept(json!({"ttl": "60s", "negativeTtl": "5s"})).unwrap();
        for (status, lines, seconds) in [
            (200, &[][..], Some(60)),
            (204, &[], Some(60)),
            (401, &[], Some(5)),
            (403, &[], Some(5)),
            (302, &[], None),
            (404, &[], None),
            (500, &[], None),
            (200, &[("cache-control", "max-age=10")], Some(10)),
            (200, &[("cache-control", "max-age=10"), ("age", "4")], Some(6)),
            (200, &[("cache-control", "max-age=10"), ("age", "10")], None),
            (200, &[("cache-control", "max-age=10, s-maxage=20")], Some(20)),
            (200, &[("cache-control", "max-age=1000")], Some(60)),
            (403, &[("cache-control", "max-age=1000")], Some(5)),
            (200, &[("cache-control", "max-age=0")], None),
            (200, &[("cache-control", "No-Store")], None),
            (
                200,
                &[("cache-control", "max-age=10"), ("cache-control", "private")],
                None,
            ),
            (200, &[("cache-control", "no-cache")], None),
            (200, &[("set-cookie", "a=1")], None),
            (200, &[("vary", "*")], None),
            (200, &[("vary", "cookie")], Some(60)),
            (200, &[("expires", "0")], None),
            (
                200,
                &[
                    ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
                    ("expires", "Thu, 01 Jan 2026 00:00:07 GMT"),
                ],
                Some(7),
            ),
        ] {
            let answer = answer(status, lines, "");
            let lifetime = kept.lifetime(&answer.head, SystemTime::now());
            assert_eq!(lifetime, seconds.map(Duration::from_secs), "{status} {lines:?}");
        }
        let usual = super::tests::kept(json!({})).unwrap();
        assert_eq!(
            usual.lifetime(&answer(401, &[], "").head, SystemTime::now()),
            None
        );
    }

    #[tokio::test]
    async fn what_was_answered_is_found_without_what_nobody_needs() {
        let kept = kept(json!({"negativeTtl": "5s"})).unwrap();
        let learn = async |print, said: &Verdict| {
            let Found::Nothing(turn) = kept.find(print).await else {
                panic!("nothing is known yet");
            };
            kept.learn(print, turn, Some(said), |name| name == "x-user");
            kept.find(print).await
        };
        let admitted = answer(200, &[("x-user", "ann"), ("x-more", "1")], "body");
        let Found::Verdict(verdict) = learn([1; 32], &admitted).await else {
            panic!("it is kept");
        };
        assert_eq!((verdict.head.headers.len(), verdict.body.len()), (1, 0));
        let refused = answer(403, &[("x-more", "1")], "no");
        let Found::Verdict(verdict) = learn([2; 32], &refused).await else {
            panic!("it is kept");
        };
        assert_eq!((verdict.head.headers.len(), verdict.body.len()), (1, 2));
        let long = answer(403, &[], &"x".repeat(MAX_ANSWER + 1));
        assert!(matches!(learn([3; 32], &long).await, Found::Nothing(_)));
        assert_eq!(kept.purge(&Purge::default()), 2);
        let Found::Nothing(before) = kept.find([1; 32]).await else {
            panic!("it is gone");
        };
        kept.purge(&Purge::default());
        kept.learn([1; 32], before, Some(&admitted), |_| true);
        assert!(
            matches!(kept.find([1; 32]).await, Found::Nothing(_)),
            "it was asked before"
        );
    }

    #[tokio::test]
    async fn one_asks_and_if_it_leaves_another_one_does() {
        let kept = kept(json!({})).unwrap();
        let Found::Nothing(first) = kept.find([1; 32]).await else {
            panic!("nothing is known yet");
        };
        let waits = kept.find([1; 32]);
        tokio::pin!(waits);
        assert!(futures::poll!(&mut waits).is_pending());
        drop(first);
        let Found::Nothing(second) = waits.await else {
            panic!("the first one heard nothing");
        };
        let waits = kept.find([1; 32]);
        kept.learn([1; 32], second, Some(&answer(200, &[], "")), |_| true);
        assert!(matches!(waits.await, Found::Verdict(_)));
    }

    #[test]
    fn what_would_keep_nothing_or_too_long_or_for_others_is_refused() {
        for (cache, key) in [
            (json!({"ttl": "0s"}), "cache.ttl"),
            (json!({"ttl": "2h"}), "cache.ttl"),
            (json!({"negativeTtl": "2h"}), "cache.negativeTtl"),
            (json!({"ignoreHeaders": ["Authorization"]}), "cache.ignoreHeaders"),
            (json!({"ignoreHeaders": ["cookie"]}), "cache.ignoreHeaders"),
            (json!({"ignoreHeaders": ["a b"]}), "cache.ignoreHeaders"),
        ] {
            let error = kept(cache).unwrap_err();
            assert!(error.starts_with(key), "{error}");
        }
        let bodies = model::ForwardAuth {
            forward_body: true,
            ..model::ForwardAuth::default()
        };
        assert!(Kept::new(&model::ForwardAuthCache::default(), &bodies).is_err());
    }
}

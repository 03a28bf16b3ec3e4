//! Whether answers may be kept, how long they are fresh, and who may have them (RFC 9111 3 and 4).

use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, StatusCode, header, request, response};

use crate::middleware::directives::{Directives, date, seconds};

/// The part of the time since its last change for which an answer is taken to be fresh that says nothing of it.
const HEURISTIC_PART: u32 = 10;

/// The longest time that is guessed.
const MAX_HEURISTIC: Duration = Duration::from_secs(24 * 60 * 60);

/// What holds where answers do not say.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Defaults {
    pub(super) ttl: Duration,
    pub(super) stale_while_revalidate: Duration,
    pub(super) stale_if_error: Duration,
}

/// How long an answer may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime {
    /// From when it was made.
    pub(super) fresh: Duration,
    /// After that, while it is asked for anew.
    pub(super) while_revalidating: Duration,
    /// After that, when the service fails.
    pub(super) if_error: Duration,
    /// Never without asking whether it still holds.
    pub(super) always_ask: bool,
    /// It may not be given once it is not fresh, whatever a client accepts.
    pub(super) is_strict: bool,
}

/// True if an answer that is kept may answer this request, or its own answer may be kept.
pub(super) fn is_cacheable(head: &request::Parts, directives: &Directives) -> bool {
    let has_part = head.headers.contains_key(header::RANGE);
    matches!(head.method, Method::GET | Method::HEAD) && !has_part && !directives.no_store
}

/// How long the answer to a request may be given; `None` if it may not be kept.
pub(super) fn lifetime(
    asked: &HeaderMap,
    answer: &response::Parts,
    now: SystemTime,
    defaults: Defaults,
) -> Option<Lifetime> {
    let said = Directives::of(&answer.headers);
    let is_understood = is_heuristic(answer.status) || matches!(answer.status.as_u16(), 302 | 307);
    let no_store = said.no_store && !(said.must_understand && is_understood);
    let is_final = answer.status.as_u16() >= 200;
    let is_part = matches!(
        answer.status,
        StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
    );
    let varies_by_all = answer.headers.get_all(header::VARY).iter().any(|line| {
        line.to_str()
            .map_or(true, |line| line.split(',').any(|name| name.trim() == "*"))
    });
    // What is set for one client is not for others.
    let is_personal = said.private || answer.headers.contains_key(header::SET_COOKIE);
    if no_store
        || !is_final
        || is_part
        || varies_by_all
        || is_personal
        || said.must_understand && !is_understood
    {
        return None;
    }
    let is_shared = said.public || said.s_maxage.is_some() || said.must_revalidate;
    if asked.contains_key(header::AUTHORIZATION) && !is_shared {
        return None;
    }
    let fresh = explicit(&said, answer, now).or_else(|| heuristic(&said, answer, now, defaults))?;
    // Who says `s-maxage` wants to be asked after that, unless it says itself that it need not be.
    let is_strict = said.must_revalidate || said.s_maxage.is_some() || said.no_cache;
    let unless_strict = |time: Option<Duration>, default| match time {
        Some(time) if !said.must_revalidate && !said.no_cache => time,
        None if !is_strict => default,
        _ => Duration::ZERO,
    };
    Some(Lifetime {
        fresh,
        while_revalidating: unless_strict(said.stale_while_revalidate, defaults.stale_while_revalidate),
        if_error: unless_strict(said.stale_if_error, defaults.stale_if_error),
        always_ask: said.no_cache,
        is_strict,
    })
}

/// What the answer says itself.
fn explicit(said: &Directives, answer: &response::Parts, now: SystemTime) -> Option<Duration> {
    if let Some(age) = said.s_maxage.or(said.max_age) {
        return Some(age);
    }
    let mut expires = answer.headers.get_all(header::EXPIRES).iter();
    let (Some(line), None) = (expires.next(), expires.next()) else {
        return None;
    };
    // A date that is none is in the past (RFC 9111 5.3).
    let end = line
        .to_str()
        .ok()
        .and_then(|line| httpdate::parse_http_date(line).ok());
    let made = date(&answer.headers, &header::DATE).unwrap_or(now);
    Some(
        end.and_then(|end| end.duration_since(made).ok())
            .unwrap_or_default(),
    )
}

/// What may be taken for fresh that does not say so.
fn heuristic(
    said: &Directives,
    answer: &response::Parts,
    now: SystemTime,
    defaults: Defaults,
) -> Option<Duration> {
    if !is_heuristic(answer.status) && !said.public {
        return None;
    }
    if !defaults.ttl.is_zero() {
        return Some(defaults.ttl);
    }
    let made = date(&answer.headers, &header::DATE).unwrap_or(now);
    let changed = date(&answer.headers, &header::LAST_MODIFIED);
    let since = changed.and_then(|changed| made.duration_since(changed).ok());
    match since {
        Some(since) => Some((since / HEURISTIC_PART).min(MAX_HEURISTIC)),
        // It can be asked for anew by its tag.
        None if answer.headers.contains_key(header::ETAG) => Some(Duration::ZERO),
        None => None,
    }
}

/// Statuses that are fresh for a while without a word (RFC 9110 15.1).
fn is_heuristic(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

/// How old an answer was when it came, after `delay` since it was asked for (RFC 9111 4.2.3).
pub(super) fn age_on_arrival(headers: &HeaderMap, now: SystemTime, delay: Duration) -> Duration {
    let made = date(headers, &header::DATE);
    let apparent = made
        .and_then(|made| now.duration_since(made).ok())
        .unwrap_or_default();
    let mut ages = headers.get_all(header::AGE).iter();
    let first = ages
        .next()
        .and_then(|age| age.to_str().ok())
        .and_then(|age| seconds(age.split(',').next()?));
    apparent.max(first.unwrap_or_default().saturating_add(delay))
}

/// Whether an answer of some age may be given to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// As it is.
    Give,
    /// As it is, and it is asked for anew beside that.
    GiveAndAsk,
    /// Only if it still holds.
    Ask,
}

/// What a request with these directives may have of an answer that is `age` old.
pub(super) fn usable(lifetime: &Lifetime, age: Duration, asked: &Directives) -> Use {
    let fresh_for = match asked.max_age {
        Some(most) if most < lifetime.fresh => most,
        _ => lifetime.fresh,
    };
    let needed = age.saturating_add(asked.min_fresh.unwrap_or_default());
    if lifetime.always_ask || asked.no_cache {
        return Use::Ask;
    }
    if needed < fresh_for {
        return Use::Give;
    }
    if asked.min_fresh.is_some()
        || asked
            .max_age
            .is_some_and(|most| age >= most && asked.max_stale.is_none())
    {
        return Use::Ask;
    }
    let stale = age.saturating_sub(lifetime.fresh);
    if stale < lifetime.while_revalidating {
        return Use::GiveAndAsk;
    }
    match asked.max_stale {
        Some(most) if !lifetime.is_strict && stale <= most => Use::Give,
        _ => Use::Ask,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Response};

    use super::*;

    /// The answer of `status` with headers `name: value; name: value`.
    fn answer(status: u16, headers: &str) -> response::Parts {
        let (mut head, ()) = Response::builder().status(status).body(()).unwrap().into_parts();
        head.headers = map(headers);
        head
    }

    fn map(headers: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        for line in headers.split("; ").filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap();
            let name: header::HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    const NOW: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

    fn now() -> SystemTime {
        httpdate::parse_http_date(NOW).unwrap()
    }

    fn fresh(asked: &str, status: u16, headers: &str) -> Option<u64> {
        let lifetime = lifetime(&map(asked), &answer(status, headers), now(), Defaults::default());
        lifetime.map(|lifetime| lifetime.fresh.as_secs())
    }

    #[test]
    fn answers_say_how_long_they_are_fresh() {
        for (headers, expected) in [
            ("cache-control: max-age=60", Some(60)),
            ("cache-control: max-age=60, s-maxage=30", Some(30)),
            ("expires: Thu, 01 Jan 2026 00:01:00 GMT", Some(60)),
            (
                "expires: Thu, 01 Jan 2026 00:01:00 GMT; date: Thu, 01 Jan 2026 00:00:30 GMT",
                Some(30),
            ),
            ("expires: 0", Some(0)),
            (
                "expires: Thu, 01 Jan 2026 00:01:00 GMT; cache-control: max-age=5",
                Some(5),
            ),
            ("last-modified: Wed, 31 Dec 2025 22:20:00 GMT", Some(600)),
            ("last-modified: Thu, 01 Jan 2004 00:00:00 GMT", Some(24 * 3600)),
            ("etag: \"x\"", Some(0)),
            ("", None),
        ] {
            assert_eq!(fresh("", 200, headers), expected, "{headers}");
        }
        assert_eq!(
            fresh("", 500, "last-modified: Wed, 31 Dec 2025 22:20:00 GMT"),
            None
        );
        assert_eq!(fresh("", 500, "cache-control: max-age=9"), Some(9));
    }

    #[test]
    fn what_is_for_one_client_or_not_whole_is_not_kept() {
        for headers in [
            "cache-control: no-store, max-age=60",
            "cache-control: private, max-age=60",
            "cache-control: max-age=60; set-cookie: a=b",
            "cache-control: max-age=60; vary: accept, *",
        ] {
            assert_eq!(fresh("", 200, headers), None, "{headers}");
        }
        assert_eq!(fresh("", 206, "cache-control: max-age=60"), None);
        assert_eq!(fresh("authorization: x", 200, "cache-control: max-age=60"), None);
        for shared in ["public, max-age=60", "s-maxage=60", "must-revalidate, max-age=60"] {
            let headers = format!("cache-control: {shared}");
            assert_eq!(fresh("authorization: x", 200, &headers), Some(60), "{shared}");
        }
    }

    #[test]
    fn the_age_of_an_answer_is_the_larger_of_what_it_and_its_date_say() {
        let age = |headers: &str| age_on_arrival(&map(headers), now(), Duration::from_secs(2)).as_secs();
        assert_eq!(age(&format!("date: {NOW}")), 2);
        assert_eq!(age(&format!("date: {NOW}; age: 10")), 12);
        assert_eq!(age("date: Wed, 31 Dec 2025 23:59:00 GMT; age: 10"), 60);
        assert_eq!(age("age: x"), 2);
    }

    #[test]
    fn requests_get_what_they_accept() {
        let lifetime = |headers: &str| {
            lifetime(
                &HeaderMap::new(),
                &answer(200, headers),
                now(),
                Defaults::default(),
            )
            .unwrap()
        };
        let plain = "cache-control: max-age=60";
        for (headers, asked, age, expected) in [
            (plain, "", 59, Use::Give),
            (plain, "", 60, Use::Ask),
            (plain, "no-cache", 1, Use::Ask),
            (plain, "max-age=10", 9, Use::Give),
            (plain, "max-age=10", 10, Use::Ask),
            (plain, "max-age=0", 0, Use::Ask),
            (plain, "min-fresh=20", 40, Use::Ask),
            (plain, "max-stale=10", 71, Use::Ask),
            (plain, "max-stale", 10_000, Use::Give),
            (
                "cache-control: max-age=60, must-revalidate",
                "max-stale",
                61,
                Use::Ask,
            ),
            ("cache-control: max-age=60, no-cache", "", 1, Use::Ask),
            (
                "cache-control: max-age=60, stale-while-revalidate=10",
                "",
                69,
                Use::GiveAndAsk,
            ),
            (
                "cache-control: max-age=60, stale-while-revalidate=10",
                "",
                70,
                Use::Ask,
            ),
            (
                "cache-control: s-maxage=60, stale-while-revalidate=10",
                "",
                65,
                Use::GiveAndAsk,
            ),
            (
                "cache-control: max-age=60, must-revalidate, stale-while-revalidate=10",
                "",
                65,
                Use::Ask,
            ),
            ("cache-control: s-maxage=60", "max-stale", 61, Use::Ask),
        ] {
            let asked = Directives::of(&map(&match asked {
                "" => String::new(),
                asked => format!("cache-control: {asked}"),
            }));
            let found = usable(&lifetime(headers), Duration::from_secs(age), &asked);
            assert_eq!(found, expected, "{headers} {asked:?} {age}");
        }
    }
}

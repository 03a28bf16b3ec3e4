//! An answer that is kept.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, response};

use super::freshness::Lifetime;
use crate::middleware::directives::{date, members};

/// Headers of an answer that only says that nothing changed.
const OF_UNCHANGED: [HeaderName; 7] = [
    header::CACHE_CONTROL,
    header::CONTENT_LOCATION,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::VARY,
];

/// Headers that an answer which says that nothing changed cannot change: they belong to the body.
const OF_BODY: [HeaderName; 4] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
];

/// One answer.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) lifetime: Lifetime,
    /// What requests have to say to get it, by the names in its `Vary`.
    pub(super) selected_by: Selection,
    /// How old it was when it came, and when that was.
    pub(super) age: Duration,
    pub(super) arrived: Instant,
}

/// Values of the headers that choose among answers.
pub(super) type Selection = Vec<(HeaderName, Vec<u8>)>;

impl Stored {
    /// How old it is.
    pub(super) fn age(&self, now: Instant) -> Duration {
        self.age
            .saturating_add(now.saturating_duration_since(self.arrived))
    }

    /// Bytes that it takes, roughly.
    pub(super) fn weight(&self) -> usize {
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 64);
        512 + headers.sum::<usize>() + self.body.len()
    }

    /// True if a request with these headers may have it.
    pub(super) fn is_for(&self, asked: &HeaderMap) -> bool {
        self.selected_by
            .iter()
            .all(|(name, wanted)| values(asked, name) == *wanted)
    }

    /// Adds to a request what makes its answer say whether this one still holds. False if nothing does.
    pub(super) fn ask_whether_it_holds(&self, headers: &mut HeaderMap) -> bool {
        let validators = [
            (header::ETAG, header::IF_NONE_MATCH),
            (header::LAST_MODIFIED, header::IF_MODIFIED_SINCE),
        ];
        let mut asks = false;
        for (validator, condition) in validators {
            if let Some(value) = self.headers.get(validator) {
                headers.insert(condition, value.clone());
                asks = true;
            }
        }
        asks
    }

    /// It still holds, as `said`; it came anew.
    pub(super) fn renewed(&self, said: &response::Parts, (age, arrived): (Duration, Instant)) -> Self {
        let mut renewed = Self {
            age,
            arrived,
            ..self.clone()
        };
        for name in said.headers.keys().filter(|name| !OF_BODY.contains(name)) {
            renewed.headers.remove(name);
            for value in said.headers.get_all(name) {
                renewed.headers.append(name, value.clone());
            }
        }
        renewed
    }

    /// The answer to a request, `age` after it was made: without body to a HEAD, and only that nothing changed to
    /// those who have it.
    pub(super) fn answer(&self, method: &Method, asked: &Conditions, age: Duration) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        if self.status == StatusCode::OK && asked.are_met_by(&self.headers) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            for name in &OF_UNCHANGED {
                for value in self.headers.get_all(name) {
                    response.headers_mut().append(name, value.clone());
                }
            }
        } else {
            *response.status_mut() = self.status;
            response.headers_mut().clone_from(&self.headers);
            let has_body = self.status != StatusCode::NO_CONTENT;
            if has_body {
                response
                    .headers_mut()
                    .insert(header::CONTENT_LENGTH, self.body.len().into());
            }
            if method != Method::HEAD {
                *response.body_mut() = self.body.clone();
            }
        }
        response.headers_mut().insert(header::AGE, age.as_secs().into());
        response
    }
}

/// The values of the headers that `names`, the lines of a `Vary`, chooses by.
pub(super) fn selection(answer: &HeaderMap, asked: &HeaderMap) -> Selection {
    let lines = answer
        .get_all(header::VARY)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let names = lines.flat_map(|line| line.split(','));
    let names = names.filter_map(|name| name.trim().parse::<HeaderName>().ok());
    let mut selection: Selection = names.map(|name| (name.clone(), values(asked, &name))).collect();
    selection.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
    selection.dedup_by(|(a, _), (b, _)| a == b);
    selection
}

/// All values of a header as one list, without blanks around its members.
fn values(headers: &HeaderMap, name: &HeaderName) -> Vec<u8> {
    let lines = headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let members: Vec<_> = lines
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
        .collect();
    members.join(&b',')
}

/// What a client that has an answer already says of it.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    none_match: Vec<HeaderValue>,
    modified_since: Option<SystemTime>,
}

impl Conditions {
    /// Takes them off a request: the service is to give a whole answer.
    pub(super) fn take(headers: &mut HeaderMap) -> Self {
        let none_match: Vec<_> = headers.get_all(header::IF_NONE_MATCH).iter().cloned().collect();
        let modified_since = date(headers, &header::IF_MODIFIED_SINCE).filter(|_| none_match.is_empty());
        headers.remove(header::IF_NONE_MATCH);
        headers.remove(header::IF_MODIFIED_SINCE);
        Self {
            none_match,
            modified_since,
        }
    }

    /// True if the answer with these headers is what the client has (RFC 9110 13.1).
    fn are_met_by(&self, headers: &HeaderMap) -> bool {
        if let Some(since) = self.modified_since {
            return date(headers, &header::LAST_MODIFIED).is_some_and(|changed| changed <= since);
        }
        let strong = |tag: &str| tag.trim().strip_prefix("W/").unwrap_or(tag.trim()).to_owned();
        let own = headers
            .get(header::ETAG)
            .and_then(|tag| tag.to_str().ok())
            .map(strong);
        self.none_match
            .iter()
            .filter_map(|line| line.to_str().ok())
            .any(|line| {
                line.trim() == "*"
                    || own
                        .as_ref()
                        .is_some_and(|own| members(line).any(|tag| strong(tag) == *own))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    fn stored(headers: &[(&'static str, &'static str)], asked: &[(&'static str, &'static str)]) -> Stored {
        let headers = map(headers);
        Stored {
            status: StatusCode::OK,
            selected_by: selection(&headers, &map(asked)),
            headers,
            body: Bytes::from_static(b"body"),
            lifetime: Lifetime {
                fresh: Duration::from_secs(60),
                while_revalidating: Duration::ZERO,
                if_error: Duration::ZERO,
                always_ask: false,
                is_strict: false,
            },
            age: Duration::from_secs(3),
            arrived: Instant::now(),
        }
    }

    #[test]
    fn an_answer_is_for_those_who_ask_for_the_same() {
        let stored = stored(
            &[("vary", "Accept-Language, X-A"), ("vary", "x-a")],
            &[("accept-language", "de, en")],
        );
        for (asked, is_for) in [
            (&[("accept-language", "de,en")][..], true),
            (&[("accept-language", "de"), ("accept-language", "en")], true),
            (&[("accept-language", "en, de")], false),
            (&[], false),
            (&[("accept-language", "de, en"), ("x-a", "1")], false),
        ] {
            assert_eq!(stored.is_for(&map(asked)), is_for, "{asked:?}");
        }
    }

    #[test]
    fn who_has_it_hears_that_nothing_changed() {
        let stored = stored(
            &[
                ("etag", "W/\"a,b\""),
                ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
                ("x-a", "1"),
            ],
            &[],
        );
        let answer = |asked: &[(&'static str, &'static str)], method: &Method| {
            let mut asked = map(asked);
            let conditions = Conditions::take(&mut asked);
            assert!(asked.is_empty());
            stored.answer(method, &conditions, Duration::from_secs(7))
        };
        for (asked, status) in [
            (&[("if-none-match", "\"x\", \"a,b\"")][..], 304),
            (&[("if-none-match", "*")], 304),
            (&[("if-none-match", "\"a\"")], 200),
            (&[("if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT")], 304),
            (&[("if-modified-since", "Wed, 31 Dec 2025 00:00:00 GMT")], 200),
            // The tag counts where both are there.
            (
                &[
                    ("if-none-match", "\"x\""),
                    ("if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT"),
                ],
                200,
            ),
            (&[], 200),
        ] {
            let answer = answer(asked, &Method::GET);
            assert_eq!(answer.status().as_u16(), status, "{asked:?}");
            assert_eq!(answer.headers()["age"], "7");
            assert_eq!(answer.headers().contains_key("x-a"), status == 200);
            assert_eq!(answer.body().is_empty(), status == 304);
        }
        let head = answer(&[], &Method::HEAD);
        assert_eq!(
            (head.body().len(), &head.headers()["content-length"]),
            (0, &HeaderValue::from_static("4"))
        );
    }

    #[test]
    fn what_still_holds_takes_over_the_new_headers_but_those_of_its_body() {
        let stored = stored(
            &[("x-a", "1"), ("content-type", "text/plain"), ("etag", "\"1\"")],
            &[],
        );
        let (mut said, ()) = Response::builder().status(304).body(()).unwrap().into_parts();
        said.headers = map(&[
            ("x-a", "2"),
            ("x-a", "3"),
            ("content-type", "no"),
            ("content-length", "0"),
        ]);
        let renewed = stored.renewed(&said, (Duration::ZERO, Instant::now()));
        assert_eq!(
            renewed.headers.get_all("x-a").iter().collect::<Vec<_>>(),
            ["2", "3"]
        );
        assert_eq!(renewed.headers["content-type"], "text/plain");
        assert_eq!((renewed.age, renewed.body.len()), (Duration::ZERO, 4));
    }
}

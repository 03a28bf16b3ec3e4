//! `Cache-Control` of requests and answers (RFC 9111 5.2, RFC 5861).

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

/// The largest number of seconds (RFC 9111 1.2.2).
const MAX_SECONDS: u64 = 1 << 31;

/// What a header field says; a directive that stands twice with different values counts as its smaller one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Directives {
    pub(super) no_store: bool,
    pub(super) no_cache: bool,
    pub(super) private: bool,
    pub(super) public: bool,
    pub(super) must_revalidate: bool,
    pub(super) must_understand: bool,
    pub(super) only_if_cached: bool,
    pub(super) max_age: Option<Duration>,
    pub(super) s_maxage: Option<Duration>,
    pub(super) min_fresh: Option<Duration>,
    /// Without a number: any age.
    pub(super) max_stale: Option<Duration>,
    pub(super) stale_while_revalidate: Option<Duration>,
    pub(super) stale_if_error: Option<Duration>,
    /// The field is there.
    pub(super) is_given: bool,
}

impl Directives {
    /// Those of a head.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        for line in headers.get_all(header::CACHE_CONTROL) {
            directives.is_given = true;
            // What cannot be read must not be kept.
            match line.to_str() {
                Ok(line) => parts(line, |name, value| directives.take(name, value)),
                Err(_) => directives.no_store = true,
            }
        }
        directives
    }

    fn take(&mut self, name: &str, value: Option<&str>) {
        let given = || value.and_then(seconds);
        let shorter = |known: Option<Duration>| {
            // An age that cannot be read is none: what it limits is old.
            let new = given().unwrap_or_default();
            Some(known.map_or(new, |known| known.min(new)))
        };
        match name {
            "no-store" => self.no_store = true,
            // With names it is about these headers only; to take it for all of the answer is safe.
            "no-cache" => self.no_cache = true,
            "private" => self.private = true,
            "public" => self.public = true,
            "must-revalidate" | "proxy-revalidate" => self.must_revalidate = true,
            "must-understand" => self.must_understand = true,
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => self.max_age = shorter(self.max_age),
            "s-maxage" => self.s_maxage = shorter(self.s_maxage),
            "min-fresh" => self.min_fresh = given(),
            "max-stale" => self.max_stale = value.map_or(Some(Duration::MAX), seconds),
            "stale-while-revalidate" => self.stale_while_revalidate = shorter(self.stale_while_revalidate),
            "stale-if-error" => self.stale_if_error = shorter(self.stale_if_error),
            _ => {}
        }
    }
}

/// Seconds as written, in quotes or not; larger ones than can be told are the largest.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let digits = text.trim().trim_matches('"');
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = digits.parse().unwrap_or(MAX_SECONDS).min(MAX_SECONDS);
    Some(Duration::from_secs(seconds))
}

/// Shows each directive, its name in lower case, to `take`.
fn parts(line: &str, mut take: impl FnMut(&str, Option<&str>)) {
    for piece in members(line) {
        let (name, value) = match piece.split_once('=') {
            Some((name, value)) => (name, Some(value.trim())),
            None => (piece, None),
        };
        let name = name.trim().to_ascii_lowercase();
        if !name.is_empty() {
            take(&name, value);
        }
    }
}

/// A date in a header; `None` for what is none.
pub(super) fn date(headers: &HeaderMap, name: &header::HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// The members of a list. Commas in quotes are no ends.
pub(super) fn members(line: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    line.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(lines: &[&str]) -> Directives {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::CACHE_CONTROL, HeaderValue::from_str(line).unwrap());
        }
        Directives::of(&headers)
    }

    #[test]
    fn directives_are_read_in_any_case_with_quotes_and_over_lines() {
        let seen = of(&[
            "MAX-AGE=60, Public , ,x=\"a, no-store\"",
            "stale-if-error=\"30\",max-age=90",
        ]);
        assert_eq!(seen.max_age, Some(Duration::from_secs(60)));
        assert!(seen.public && !seen.no_store && seen.is_given);
        assert_eq!(seen.stale_if_error, Some(Duration::from_secs(30)));
        assert_eq!(of(&["max-stale"]).max_stale, Some(Duration::MAX));
        assert_eq!(of(&[]), Directives::default());
    }

    #[test]
    fn ages_that_cannot_be_read_are_none_and_too_large_ones_the_largest() {
        for age in [
            "max-age=x",
            "max-age=-1",
            "max-age=1.5",
            "max-age=",
            "max-age",
            "max-age=1 2",
        ] {
            assert_eq!(of(&[age]).max_age, Some(Duration::ZERO), "{age}");
        }
        let most = Some(Duration::from_secs(MAX_SECONDS));
        assert_eq!(of(&["max-age=99999999999999999999999"]).max_age, most);
    }

    proptest::proptest! {
        #[test]
        fn no_line_is_too_much(line in "[ -~]{0,80}") {
            let _any = of(&[&line]);
        }
    }
}

//! What answers are kept by.

use http::{HeaderName, HeaderValue, Uri, header, request};

static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What an answer is kept by: the URL, and before it what a proxy that is trusted says of how it was asked, where that
/// differs, since services redirect by it, and write it into their pages.
pub(super) fn key(head: &request::Parts, scheme: &str) -> String {
    let rest = head.uri.path_and_query().map_or("/", |rest| rest.as_str());
    format!("{}{rest}", place(head, scheme))
}

/// The part of a key that all URLs of a host share.
fn place(head: &request::Parts, scheme: &str) -> String {
    let text = |name: &HeaderName| {
        let value = head.headers.get(name).map(HeaderValue::as_bytes);
        value.map(|value| String::from_utf8_lossy(value).to_ascii_lowercase())
    };
    let host = text(&header::HOST).unwrap_or_default();
    // Sanitizing has dropped the words of everybody else.
    let scheme = text(&FORWARDED_PROTO).unwrap_or_else(|| scheme.to_owned());
    let mut place = String::new();
    for name in [&FORWARDED_HOST, &FORWARDED_PREFIX] {
        if let Some(said) = text(name).filter(|said| *said != host) {
            place += &format!("{said} ");
        }
    }
    place + &scheme + "://" + &host
}

/// The key of what a header of an answer names, if it is of the same host.
pub(super) fn key_of(named: &str, asked: &request::Parts, scheme: &str) -> Option<String> {
    let uri: Uri = named.parse().ok()?;
    let host = asked.headers.get(header::HOST)?;
    match uri.authority() {
        Some(authority)
            if !authority
                .as_str()
                .as_bytes()
                .eq_ignore_ascii_case(host.as_bytes()) =>
        {
            None
        }
        _ if !uri.path().starts_with('/') => None,
        _ => Some(format!("{}{}", place(asked, scheme), uri.path_and_query()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(uri: &str, headers: &[(&str, &str)]) -> request::Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn what_is_asked_in_another_way_is_another_thing() {
        let key = |uri, headers: &[(&str, &str)]| key(&asked(uri, headers), "http");
        let plain = key("/a?b", &[("host", "A.test")]);
        assert_eq!(plain, "http://a.test/a?b");
        assert_eq!(
            key("/a?b", &[("host", "a.test"), ("x-forwarded-host", "a.TEST")]),
            plain
        );
        for (uri, headers) in [
            ("/a?c", &[("host", "a.test")][..]),
            ("/a", &[("host", "a.test")]),
            ("/a?b", &[("host", "b.test")]),
            ("/a?b", &[("host", "a.test"), ("x-forwarded-proto", "https")]),
            ("/a?b", &[("host", "a.test"), ("x-forwarded-host", "b.test")]),
            ("/a?b", &[("host", "a.test"), ("x-forwarded-prefix", "/b")]),
        ] {
            assert_ne!(key(uri, headers), plain, "{uri} {headers:?}");
        }
    }

    #[test]
    fn what_an_answer_names_is_of_the_same_host() {
        let asked = asked("/a", &[("host", "a.test"), ("x-forwarded-proto", "https")]);
        let key = |named| key_of(named, &asked, "http");
        let b = Some("https://a.test/b".to_owned());
        assert_eq!((key("/b"), key("https://A.test/b")), (b.clone(), b));
        assert_eq!((key("https://b.test/b"), key("b"), key("")), (None, None, None));
    }
}

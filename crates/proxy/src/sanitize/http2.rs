//! Requests of HTTP/2, told as HTTP/1.1 would tell them.

use http::{HeaderMap, HeaderValue, Uri, Version, header, request, uri::Authority};

use super::{Rejection, is_web};

/// Gives a request of HTTP/2 the form that those of HTTP/1.1 have: a target without authority, one Host, one
/// Cookie (RFC 9113 8.2.3 and 8.3.1). Leaves others alone.
///
/// # Errors
/// What this version of the protocol forbids and the codec lets through.
pub(super) fn flatten(head: &mut request::Parts) -> Result<(), Rejection> {
    if head.version != Version::HTTP_2 {
        return Ok(());
    }
    let is_padded = |value: &HeaderValue| {
        let bytes = value.as_bytes();
        [bytes.first(), bytes.last()]
            .into_iter()
            .flatten()
            .any(|byte| matches!(byte, b' ' | b'\t'))
    };
    if head.headers.values().any(is_padded) {
        return Err(Rejection::Value);
    }
    take_authority(head)?;
    join_cookies(&mut head.headers)
}

/// The authority of the target is the Host. One beside it must be the same.
fn take_authority(head: &mut request::Parts) -> Result<(), Rejection> {
    let uri = std::mem::take(&mut head.uri).into_parts();
    // Without an authority in the target, Host says it alone, and the codec tells no scheme.
    if uri.scheme.is_some() != uri.authority.is_some() || !uri.scheme.as_ref().is_none_or(is_web) {
        return Err(Rejection::Target);
    }
    let Some(target) = uri.path_and_query else {
        return Err(Rejection::Target);
    };
    head.uri = Uri::from(target);
    let Some(authority) = uri.authority.as_ref().map(Authority::as_str) else {
        return Ok(());
    };
    let mut hosts = head.headers.get_all(header::HOST).iter();
    if hosts.any(|host| !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes())) {
        return Err(Rejection::Host);
    }
    let host = HeaderValue::from_str(authority).map_err(|_| Rejection::Host)?;
    head.headers.insert(header::HOST, host);
    Ok(())
}

/// Clients may send the parts of a cookie as headers of their own, to compress them better.
fn join_cookies(headers: &mut HeaderMap) -> Result<(), Rejection> {
    let mut cookies = headers.get_all(header::COOKIE).iter();
    if cookies.next().is_none() || cookies.next().is_none() {
        return Ok(());
    }
    let crumbs: Vec<_> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let joined = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])).map_err(|_| Rejection::Value)?;
    headers.insert(header::COOKIE, joined);
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn flattened(uri: &str, headers: &[(&str, &str)]) -> Result<request::Parts, Rejection> {
        let mut request = Request::builder().version(Version::HTTP_2).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        flatten(&mut head)?;
        Ok(head)
    }

    #[test]
    fn the_authority_becomes_the_host_and_the_target_is_what_remains() {
        let head = flattened("https://A.example:444/x?y", &[("host", "a.example:444")]).unwrap();
        assert_eq!(head.uri, "/x?y");
        assert_eq!(head.headers[header::HOST], "A.example:444");
    }

    #[test]
    fn a_host_may_stand_alone() {
        let head = flattened("/x?y", &[("host", "a")]).unwrap();
        assert_eq!(
            (head.uri.to_string().as_str(), &head.headers[header::HOST]),
            ("/x?y", &"a".parse().unwrap())
        );
    }

    #[test]
    fn a_host_that_says_something_else_is_refused() {
        for hosts in [&[("host", "b")][..], &[("host", "a"), ("host", "b")]] {
            assert_eq!(flattened("http://a/", hosts).unwrap_err(), Rejection::Host);
        }
    }

    #[test]
    fn crumbs_become_one_cookie() {
        let head = flattened("http://a/", &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")]).unwrap();
        let cookies: Vec<_> = head.headers.get_all(header::COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; b=2"]);
    }

    #[test]
    fn other_schemes_and_blanks_around_values_are_refused() {
        assert_eq!(flattened("ftp://a/", &[]).unwrap_err(), Rejection::Target);
        for value in [" x", "x\t"] {
            assert_eq!(
                flattened("http://a/", &[("x", value)]).unwrap_err(),
                Rejection::Value
            );
        }
    }
}

//! What routing sees of a request.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv6Addr},
};

use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

/// A request as rules test it.
#[derive(Debug, Clone, Copy)]
pub struct RequestView<'a> {
    /// The host without port, as [`canonical_host`] gives it; empty when the request names none.
    pub host: &'a str,
    /// The path as [`routing_path`](super::routing_path) gives it.
    pub path: &'a str,
    /// The query as sent, without `?`.
    pub query: Option<&'a str>,
    /// The method.
    pub method: &'a Method,
    /// The header lines.
    pub headers: &'a HeaderMap,
    /// The address of the peer.
    pub peer: IpAddr,
    /// It came over TLS.
    pub secure: bool,
}

/// The host of a `Host` header or an authority in the form that rules compare: lower case, without port,
/// without the dot at its end, an IPv6 address in its shortest spelling and without brackets. Allocates only for
/// such an address, and when a letter is a capital.
pub fn canonical_host(authority: &str) -> Cow<'_, str> {
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => match address.parse::<Ipv6Addr>() {
            Ok(address) => return Cow::Owned(address.to_string()),
            Err(_) => address,
        },
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// The decoded values of one parameter of a query, in order. Pairs with a semicolon are no pairs.
pub(super) fn query_values<'q>(query: Option<&'q str>, key: &'q str) -> impl Iterator<Item = Cow<'q, [u8]>> {
    let pairs = query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.contains(';'));
    pairs.filter(|pair| !pair.is_empty()).filter_map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (*form_decoded(name) == *key.as_bytes()).then(|| form_decoded(value))
    })
}

fn form_decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text.as_bytes());
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode_str(&spaced).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_lose_port_case_dot_and_brackets() {
        for (authority, host) in [
            ("a.example", "a.example"),
            ("A.Example.:8080", "a.example"),
            ("[::1]:80", "::1"),
            ("[::1]", "::1"),
            ("[2001:0:0:0:0:0:0:A]:80", "2001::a"),
            ("", ""),
            (":80", ""),
        ] {
            assert_eq!(canonical_host(authority), host, "{authority:?}");
        }
    }

    #[test]
    fn query_values_are_decoded_and_repeat() {
        let values = |query, key| {
            let values = query_values(Some(query), key);
            values
                .map(|value| String::from_utf8(value.into_owned()).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(values("a=1&b=2&a=x%20y+z&a", "a"), ["1", "x y z", ""]);
        assert_eq!(values("a;b=1&%61=2", "a"), ["2"]);
    }
}

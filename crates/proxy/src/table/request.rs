//! What routing sees of a request.

use std::{borrow::Cow, net::IpAddr};

use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

/// A request as rules test it.
#[derive(Debug, Clone, Copy)]
pub struct RequestView<'a> {
    /// The host without port, as [`canonical_host`] gives it; empty when the request names none.
    pub host: &'a str,
    /// The path as [`routing_path`] gives it.
    pub path: &'a str,
    /// The query as sent, without `?`.
    pub query: Option<&'a str>,
    /// The method.
    pub method: &'a Method,
    /// The header lines.
    pub headers: &'a HeaderMap,
    /// The address of the peer.
    pub peer: IpAddr,
}

/// The host of a `Host` header or an authority in the form that rules compare: lower case, without port,
/// without the dot at its end, an IPv6 address without brackets. Allocates only when a letter is a capital.
pub fn canonical_host(authority: &str) -> Cow<'_, str> {
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// Characters that mean something in a URL: their escapes are not the same as themselves and stay.
const RESERVED: &[u8] = b":/?#[]@!$&'()*+,;=%";

/// The path of a request in the form that rules compare: every escape is decoded except those of reserved
/// characters and those that make no text; escapes that stay are in upper case. Allocates only when there is
/// an escape.
pub fn routing_path(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, escapes)) = rest
        .split_once('%')
        .map(|(before, _)| rest.split_at(before.len()))
    {
        text.push_str(before);
        let end = escape_run(escapes.as_bytes());
        let (run, after) = escapes.split_at_checked(end).unwrap_or((escapes, ""));
        if end == 0 {
            // A lone percent sign: the entrypoint refuses it; here it stands for itself.
            text.push('%');
            rest = escapes.strip_prefix('%').unwrap_or_default();
        } else {
            push_decoded(run, &mut text);
            rest = after;
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// Length of the escapes that `bytes` starts with.
fn escape_run(bytes: &[u8]) -> usize {
    let escapes = bytes.chunks_exact(3).take_while(
        |escape| matches!(escape, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()),
    );
    escapes.count() * 3
}

/// Adds what the escapes of `run` stand for.
fn push_decoded(run: &str, text: &mut String) {
    let bytes: Vec<u8> = percent_decode_str(run).collect();
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match u8::try_from(letter) {
                Ok(byte) if RESERVED.contains(&byte) => push_escaped(byte, text),
                _ => text.push(letter),
            }
        }
        for byte in chunk.invalid() {
            push_escaped(*byte, text);
        }
    }
}

fn push_escaped(byte: u8, text: &mut String) {
    text.push_str(percent_encoding::percent_encode_byte(byte));
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
            ("", ""),
            (":80", ""),
        ] {
            assert_eq!(canonical_host(authority), host, "{authority:?}");
        }
    }

    #[test]
    fn paths_are_decoded_except_for_reserved_characters() {
        for (path, routing) in [
            ("/foo%20bar", "/foo bar"),
            ("/a%2fb%3A", "/a%2Fb%3A"),
            ("/%61%2e%e2%82%ac", "/a.€"),
            ("/%ff%fe/x", "/%FF%FE/x"),
            ("/100%", "/100%"),
            ("/%zz%41", "/%zzA"),
            ("/%25%32%35", "/%2525"),
        ] {
            assert_eq!(routing_path(path), routing, "{path:?}");
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

    proptest::proptest! {
        #[test]
        fn any_path_has_a_routing_path(path in "\\PC*") {
            let routing = routing_path(&path).into_owned();
            proptest::prop_assert_eq!(routing.contains('/'), path.contains('/'));
        }
    }
}

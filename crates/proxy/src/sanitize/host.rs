//! Hosts as RFC 3986 writes them: `name[:port]`, `1.2.3.4[:port]`, `[v6][:port]`.

use std::net::Ipv6Addr;

/// Longest host that is looked at; a DNS name has 253.
const MAX_HOST: usize = 255;

/// True for exactly one host with an optional port. Of the characters that RFC 3986 would allow in a name,
/// only those that names of machines have are taken: `,` and its like have misled proxies before.
pub(crate) fn is_valid(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    let (host_is_valid, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => (address.parse::<Ipv6Addr>().is_ok(), port),
            None => return false,
        },
        None => {
            let end = text.find(':').unwrap_or(text.len());
            let (name, port) = text.split_at_checked(end).unwrap_or((text, ""));
            (is_name(name), port)
        }
    };
    host_is_valid && is_port(port)
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    !name.is_empty() && name.len() <= MAX_HOST && name.bytes().all(fits)
}

/// Nothing, or a colon and a number; RFC 3986 lets the number be missing.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        None => text.is_empty(),
        Some("") => true,
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok(),
    }
}

/// The port at the end of a valid host.
pub(crate) fn port(host: &str) -> Option<&str> {
    let after = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    after
        .rsplit_once(':')
        .map(|(_, port)| port)
        .filter(|port| !port.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_with_and_without_port_are_valid() {
        for host in [
            "a",
            "a.example.:8080",
            "10.0.0.1:80",
            "[::1]",
            "[::1]:80",
            "a:",
            "under_score",
        ] {
            assert!(is_valid(host.as_bytes()), "{host:?} was refused");
        }
    }

    #[test]
    fn what_could_be_read_as_another_host_is_not() {
        for host in [
            "", "a, b", "a,b", "a@b", "a/x", "a b", "a:80@b", "a:x", "a:70000", "a:+8", "[::1", "[a]:80",
            "::1", "a#b", "a?b", "a\\b", "[::1]x", ":80", "a:80:90",
        ] {
            assert!(!is_valid(host.as_bytes()), "{host:?} was taken");
        }
        assert!(!is_valid(b"\xff"));
    }

    #[test]
    fn ports_are_found_behind_names_and_addresses() {
        for (host, found) in [
            ("a:8080", Some("8080")),
            ("[::1]:80", Some("80")),
            ("[::1]", None),
            ("a:", None),
        ] {
            assert_eq!(port(host), found, "{host}");
        }
    }

    proptest! {
        #[test]
        fn a_valid_host_is_one_host_with_one_port(text in r"(\[?([a-z0-9.:_~@,/%#? -]|::1){0,8}\]?)(:[0-9]{0,6})?") {
            if is_valid(text.as_bytes()) {
                let port = port(&text);
                prop_assert!(port.is_none_or(|port| port.parse::<u16>().is_ok()));
                let host = text.strip_suffix(port.unwrap_or_default()).unwrap().trim_end_matches(':');
                prop_assert!(is_name(host) || (host.starts_with('[') && host.ends_with(']')), "{}", host);
            }
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if is_valid(&bytes) {
                prop_assert!(bytes.is_ascii());
            }
        }
    }
}

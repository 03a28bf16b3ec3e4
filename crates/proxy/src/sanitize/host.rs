//! Hosts as RFC 3986 writes them: `name[:port]`, `1.2.3.4[:port]`, `[v6][:port]`.

use std::net::Ipv6Addr;

/// Longest host that is looked at; a DNS name has 253.
const MAX_HOST: usize = 255;

/// True for exactly one host with an optional port. Of the characters that RFC 3986 would allow in a name,
/// only those that names of machines have are taken: `,` and its like have misled proxies before.
pub(crate) fn is_valid(text: &[u8]) -> bool {
    if let Some(rest) = text.strip_prefix(b"[") {
        let address = std::str::from_utf8(rest)
            .ok()
            .and_then(|rest| rest.split_once(']'));
        return address
            .is_some_and(|(address, port)| address.parse::<Ipv6Addr>().is_ok() && is_port(port.as_bytes()));
    }
    let length = text.iter().take_while(|byte| is_of_name(**byte)).count();
    (1..=MAX_HOST).contains(&length) && is_port(text.get(length..).unwrap_or_default())
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Nothing, or a colon and a number; RFC 3986 lets the number be missing.
fn is_port(text: &[u8]) -> bool {
    match text.strip_prefix(b":") {
        None => text.is_empty(),
        Some(b"") => true,
        Some(digits) => {
            let number = std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| digits.parse::<u16>().ok());
            number.is_some() && digits.iter().all(u8::is_ascii_digit)
        }
    }
}

/// The port at the end of a valid host: the digits behind its last colon.
pub(crate) fn port(host: &str) -> Option<&str> {
    let before = host.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let port = host.get(before.len()..).filter(|port| !port.is_empty());
    port.filter(|_| before.ends_with(':'))
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
                prop_assert!(host.bytes().all(is_of_name) || (host.starts_with('[') && host.ends_with(']')), "{}", host);
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

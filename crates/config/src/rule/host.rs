//! Hosts as rules name them.

use std::{fmt, net::Ipv6Addr, str::FromStr};

/// A host to match, in the form in which those of requests come: in lower case, without a trailing dot, an IPv6
/// address in its shortest spelling and without brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `*`: every request, even one without host.
    Any,
    /// `example.com`.
    Exact(String),
    /// `*.example.com`: exactly one more label; holds `example.com`.
    Wildcard(String),
}

/// Why a text is not a host; to be read behind the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Letters outside ASCII.
    #[error("has letters outside ASCII: write it in punycode (xn--...)")]
    NotAscii,
    /// A `*` elsewhere than alone or as the whole first label.
    #[error("has a wildcard inside: * stands alone or as the whole first label, *.example.com")]
    Wildcard,
    /// Something no host has: a scheme, a port, a path, a blank, an empty label.
    #[error("is not a host: write a name without scheme, port or path, like example.com")]
    NotAHost,
}

impl FromStr for HostPattern {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if !text.is_ascii() {
            return Err(HostError::NotAscii);
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let (wildcard, base) = match name.strip_prefix("*.") {
            Some(base) => (true, base),
            None => (false, name.as_str()),
        };
        if base.contains('*') {
            return Err(HostError::Wildcard);
        }
        match (is_name(base), address(base)) {
            (true, _) if wildcard => Ok(Self::Wildcard(base.to_owned())),
            (true, _) => Ok(Self::Exact(base.to_owned())),
            (false, Some(address)) if !wildcard => Ok(Self::Exact(address.to_string())),
            (false, _) => Err(HostError::NotAHost),
        }
    }
}

/// Labels with a dot between each; what characters they have is the resolver's business, not ours.
fn is_name(text: &str) -> bool {
    const NEVER: &[char] = &[':', '/', '?', '#', '@', '[', ']', '{', '}', '\\'];
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.contains(NEVER)
            && !label.contains(|c: char| c.is_ascii_whitespace() || c.is_ascii_control())
    };
    text.split('.').all(is_label)
}

/// An IPv6 address with or without brackets (an IPv4 address is a name already).
fn address(text: &str) -> Option<Ipv6Addr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    bare.unwrap_or(text).parse().ok()
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(host) => f.write_str(host),
            Self::Wildcard(base) => write!(f, "*.{base}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Result<HostPattern, HostError> {
        text.parse()
    }

    #[test]
    fn a_host_is_kept_in_lower_case_without_its_trailing_dot() {
        assert_eq!(
            host("API.Example.com."),
            Ok(HostPattern::Exact("api.example.com".to_owned()))
        );
        assert_eq!(
            host("*.Example.com."),
            Ok(HostPattern::Wildcard("example.com".to_owned()))
        );
        assert_eq!(host("*"), Ok(HostPattern::Any));
        assert_eq!(host("localhost"), Ok(HostPattern::Exact("localhost".to_owned())));
        assert_eq!(host("10.0.0.1"), Ok(HostPattern::Exact("10.0.0.1".to_owned())));
    }

    #[test]
    fn an_address_is_one_however_it_is_written() {
        for text in ["[::2]", "::2", "[0:0::2]", "0000::0002", "[::2]."] {
            assert_eq!(host(text), Ok(HostPattern::Exact("::2".to_owned())), "{text}");
        }
        assert_eq!(
            host("[2001:DB8::A]"),
            Ok(HostPattern::Exact("2001:db8::a".to_owned()))
        );
        for text in ["[::2", "::2]", "*.::2", "[10.0.0.1]", "[::2]:80", "fe80::1%eth0"] {
            assert_eq!(host(text), Err(HostError::NotAHost), "{text}");
        }
    }

    #[test]
    fn a_wildcard_is_the_whole_first_label_or_nothing() {
        for text in ["a.*.com", "*a.com", "a*.com", "*.*.com", "example.*", "**"] {
            assert!(matches!(host(text), Err(HostError::Wildcard)), "{text}");
        }
        assert!(host("*.").is_err());
    }

    #[test]
    fn what_no_host_header_can_hold_is_refused() {
        for text in [
            ".",
            "..",
            "a..b",
            "a.com..",
            "https://a.com",
            "a.com/x",
            "a.com:80",
            "a b",
            "{x}.a.com",
        ] {
            assert!(matches!(host(text), Err(HostError::NotAHost)), "{text}");
        }
        assert!(matches!(host("bücher.example"), Err(HostError::NotAscii)));
    }
}

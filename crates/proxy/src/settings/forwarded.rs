//! Whom to believe about the client.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Whose `X-Forwarded-*` headers are believed, and what is added to them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ForwardedHeaders {
    /// Believe everybody. Only behind something that cannot be reached around.
    pub insecure: bool,
    /// Believe these peers: addresses or ranges (`10.0.0.0/8`).
    #[serde(rename = "trustedIPs")]
    pub trusted_ips: Vec<TrustedRange>,
    /// Headers that a client names in `Connection` and that middlewares may see nevertheless.
    pub connection: Vec<String>,
    /// Do not add the peer to `X-Forwarded-For`.
    pub not_append_x_forwarded_for: bool,
    /// Also set `X-Forwarded-Scheme` and `X-Scheme`.
    pub add_x_forwarded_scheme_headers: bool,
}

impl ForwardedHeaders {
    /// Whether what `peer` says about its client is believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.insecure || self.trusted_ips.iter().any(|range| range.contains(peer))
    }
}

/// An address or a range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedRange(IpNet);

impl TrustedRange {
    /// True if `address` is in it.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for TrustedRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map(Self)
            .map_err(|_| format!("{text:?} is no address or range: write 10.0.0.1 or 10.0.0.0/8"))
    }
}

impl fmt::Display for TrustedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for TrustedRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TrustedRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_peers_are_believed() {
        let headers = ForwardedHeaders {
            trusted_ips: vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()],
            ..ForwardedHeaders::default()
        };
        for (peer, trusted) in [("10.1.2.3", true), ("::1", true), ("11.0.0.1", false)] {
            assert_eq!(headers.trusts(peer.parse().unwrap()), trusted, "{peer}");
        }
    }

    #[test]
    fn nobody_is_believed_by_default() {
        assert!(!ForwardedHeaders::default().trusts("127.0.0.1".parse().unwrap()));
    }
}

//! The PROXY protocol on an entrypoint.

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::TrustedRange;

/// Whose word about the client's address is believed, in front of everything else on a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ProxyProtocol {
    /// Take a header from everybody who sends one. Only behind something that cannot be reached around.
    pub insecure: bool,
    /// Demand a header of these peers: addresses or ranges. Nobody else may send one.
    #[serde(rename = "trustedIPs")]
    pub trusted_ips: Vec<TrustedRange>,
    /// How long a trusted peer may take for its header; 0 means no limit.
    #[serde(with = "mesh_config::duration")]
    pub header_timeout: Duration,
}

impl Default for ProxyProtocol {
    fn default() -> Self {
        Self {
            insecure: false,
            trusted_ips: Vec::new(),
            header_timeout: Duration::from_secs(3),
        }
    }
}

impl ProxyProtocol {
    /// True if connections of `peer` begin with a header, always.
    pub(crate) fn demands_of(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_ips.iter().any(|range| range.contains(peer))
    }

    /// True if nobody could ever send a header.
    pub fn is_idle(&self) -> bool {
        !self.insecure && self.trusted_ips.is_empty()
    }
}

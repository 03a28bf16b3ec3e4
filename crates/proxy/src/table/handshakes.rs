//! Which TLS options a handshake is made by.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use mesh_tls::ServerOptions;

use super::{matching::parent_domain, request::canonical_host};

/// What a handshake is made by; `None` when nobody may come: no router behind it can be served.
pub(super) type Choice = Option<Arc<ServerOptions>>;

/// The TLS options of one entrypoint, by the names that clients ask for.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    // The standard hasher is keyed: clients choose these names.
    pub(super) exact: HashMap<Box<str>, Choice>,
    pub(super) below: HashMap<Box<str>, Choice>,
    /// Of all other names.
    pub(super) any: Choice,
}

impl Handshakes {
    /// All options that some client may get.
    pub(super) fn options(&self) -> impl Iterator<Item = &Arc<ServerOptions>> {
        let named = self.exact.values().chain(self.below.values());
        named.chain([&self.any]).flatten()
    }

    /// The options for a client that asks for `name`, or for nobody at `address`.
    pub(super) fn find(&self, name: Option<&str>, address: IpAddr) -> Option<&Arc<ServerOptions>> {
        if self.exact.is_empty() && self.below.is_empty() {
            return self.any.as_ref();
        }
        let address = name.is_none().then(|| address.to_canonical().to_string());
        let host = canonical_host(name.unwrap_or_default());
        let host = address.as_deref().unwrap_or(&host);
        let below = || parent_domain(host).and_then(|parent| self.below.get(parent));
        let choice = self.exact.get(host).or_else(below).unwrap_or(&self.any);
        choice.as_ref()
    }
}

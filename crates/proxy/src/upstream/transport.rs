//! How connections to the servers of a service are made.

use std::{ops::Deref, sync::OnceLock};

use mesh_config::model::ServersTransport;
use mesh_tls::ClientTls;

/// A servers transport with what is made of it once.
#[derive(Debug, Default)]
pub struct Transport {
    settings: ServersTransport,
    /// Made when the first server needs it: reading whom the system believes takes a while.
    tls: OnceLock<Result<ClientTls, String>>,
}

impl Transport {
    pub(crate) fn new(settings: ServersTransport) -> Self {
        Self {
            settings,
            tls: OnceLock::new(),
        }
    }

    /// TLS to servers.
    ///
    /// # Errors
    /// When the settings cannot be used; the text says which.
    pub(crate) fn tls(&self) -> Result<&ClientTls, String> {
        let made = self.tls.get_or_init(|| ClientTls::new(&self.settings));
        made.as_ref().map_err(Clone::clone)
    }
}

impl Deref for Transport {
    type Target = ServersTransport;

    fn deref(&self) -> &ServersTransport {
        &self.settings
    }
}

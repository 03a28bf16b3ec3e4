//! What all handshakes with clients share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use mesh_config::{ProviderName, QualifiedName, model::TlsOptions};
use rustls::crypto::{CryptoProvider, aws_lc_rs};

use crate::{Certificates, ServerOptions};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The library refuses.
    #[error("TLS cannot be set up: {0}")]
    Library(String),
    /// The certificate for everyone else cannot be made.
    #[error("no certificate can be generated: {0}")]
    Generate(#[from] rcgen::Error),
    /// It was made and cannot be read.
    #[error(transparent)]
    Pair(#[from] crate::PairError),
}

/// The certificates that clients are shown, and the options of those for whom nobody wrote others.
#[derive(Debug, Clone)]
pub struct Tls {
    certificates: Arc<ArcSwap<Certificates>>,
    default: Arc<ServerOptions>,
}

impl Tls {
    pub(crate) fn new(certificates: Arc<ArcSwap<Certificates>>) -> Result<Self, TlsError> {
        let name = QualifiedName::new("default", ProviderName::internal());
        let default = ServerOptions::new(&name, &TlsOptions::default(), &[], certificates.clone());
        Ok(Self {
            certificates,
            default: Arc::new(default.map_err(TlsError::Library)?),
        })
    }

    /// The options that serve while nobody writes others of the name `default`.
    pub fn default_options(&self) -> &Arc<ServerOptions> {
        &self.default
    }

    pub(crate) fn certificates(&self) -> &Arc<ArcSwap<Certificates>> {
        &self.certificates
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

//! What handshakes need.

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache},
    sign::CertifiedKey,
};

use crate::Certificates;

/// Sessions of TLS 1.2 that clients may come back to, for the whole process. Those of TLS 1.3, and clients that take
/// tickets, need no memory here.
const SESSIONS: usize = 4096;

/// Protocols that are offered, the better one first.
const PROTOCOLS: [&[u8]; 3] = [b"h2", b"http/1.1", b"http/1.0"];

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The library refuses.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
    /// The certificate for everyone else cannot be made.
    #[error("no certificate can be generated: {0}")]
    Generate(#[from] rcgen::Error),
    /// It was made and cannot be read.
    #[error(transparent)]
    Pair(#[from] crate::PairError),
}

/// TLS as all connections share it.
#[derive(Debug, Clone)]
pub struct Tls {
    certificates: Arc<ArcSwap<Certificates>>,
    config: Arc<ServerConfig>,
}

impl Tls {
    pub(crate) fn new(certificates: Arc<ArcSwap<Certificates>>) -> Result<Self, TlsError> {
        let resolver = Arc::new(Resolver(certificates.clone(), None));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        Ok(Self {
            certificates,
            config: Arc::new(config),
        })
    }

    /// What a handshake is made with.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// The same for a client that asks for no name: the address it came to is what it may have meant.
    pub fn config_at(&self, address: IpAddr) -> Arc<ServerConfig> {
        let mut config = self.config.as_ref().clone();
        config.cert_resolver = Arc::new(Resolver(self.certificates.clone(), Some(address)));
        Arc::new(config)
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Chooses among the certificates of the moment.
#[derive(Debug)]
struct Resolver(Arc<ArcSwap<Certificates>>, Option<IpAddr>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificates = self.0.load();
        certificates.find(hello.server_name(), self.1, hello.signature_schemes())
    }
}

//! Connections to a proxy, plain or by TLS.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use rcgen::generate_simple_self_signed;
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::ServerName,
    version::TLS13,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::peer::{DOMAIN, host};

/// A connection that was opened.
pub(crate) type Conn = Box<dyn Duplex>;

/// What can be read and written.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// A TLS client, and the certificate that it believes.
#[derive(Clone)]
pub(crate) struct Client {
    certificate: String,
    http1: TlsConnector,
    http2: TlsConnector,
}

/// Where a proxy listens, and how.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    address: SocketAddr,
    tls: Option<Client>,
}

impl Client {
    /// Makes the certificate.
    pub(crate) fn new() -> io::Result<Self> {
        let made = generate_simple_self_signed([format!("*.{DOMAIN}")]).map_err(io::Error::other)?;
        let certificate = format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem());
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).map_err(io::Error::other)?;
        let connector = |protocol: &[u8]| {
            let mut config = settings(roots.clone())?;
            config.alpn_protocols = vec![protocol.to_vec()];
            io::Result::Ok(TlsConnector::from(Arc::new(config)))
        };
        Ok(Self {
            http1: connector(b"http/1.1")?,
            http2: connector(b"h2")?,
            certificate,
        })
    }

    /// In PEM format, with its key.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }
}

/// TLS 1.3 with one cipher suite and one group, so that all proxies do the same; no session is resumed.
fn settings(roots: RootCertStore) -> io::Result<ClientConfig> {
    let provider = CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384],
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    };
    let config = ClientConfig::builder_with_provider(Arc::new(provider));
    let config = config
        .with_protocol_versions(&[&TLS13])
        .map_err(io::Error::other)?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

impl Front {
    pub(crate) fn new(address: SocketAddr, tls: Option<Client>) -> Self {
        Self { address, tls }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn connect(&self, protocol: Protocol) -> io::Result<Conn> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let Some(client) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let connector = match protocol {
            Protocol::Http1 => &client.http1,
            Protocol::Http2 => &client.http2,
        };
        let name = ServerName::try_from(host(0)).map_err(io::Error::other)?;
        Ok(Box::new(connector.connect(name, stream).await?))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

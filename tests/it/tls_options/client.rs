//! Clients with certificates, and who vouches for them.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, date_time_ymd,
};
use rustls::{
    ClientConfig, ClientConnection, StreamOwned, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, ServerName},
    sign::{CertifiedKey, SingleCertAndKey},
};

use crate::{
    http2::{self, Frame, frame},
    mesh::Mesh,
    tls::{client, client_of},
};

/// Who vouches for clients.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = called(name);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A client called `name` for whom it vouches.
    pub(crate) fn client(&self, name: &str) -> Identity {
        self.client_until(name, 2040)
    }

    /// The same, until the beginning of `year`.
    pub(crate) fn client_until(&self, name: &str, year: i32) -> Identity {
        let mut params = CertificateParams::new(["client.test".to_owned()]).unwrap();
        params.distinguished_name = called(name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let der = certificate.der().clone();
        let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let certified = CertifiedKey::from_der(vec![der.clone()], private, &aws_lc_rs::default_provider());
        Identity {
            der: der.to_vec(),
            key: Arc::new(SingleCertAndKey::from(certified.unwrap())),
        }
    }
}

fn called(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) der: Vec<u8>,
    key: Arc<SingleCertAndKey>,
}

/// A client that proves to be `identity`, if it is anybody.
pub(crate) fn known(identity: Option<&Identity>) -> Arc<ClientConfig> {
    with(client(&[]), identity)
}

/// The same with HTTP/2.
pub(crate) fn known_http2(identity: Option<&Identity>) -> Arc<ClientConfig> {
    with(client(&["h2"]), identity)
}

/// The same with one version of TLS.
pub(crate) fn known_by(
    version: &'static SupportedProtocolVersion,
    identity: Option<&Identity>,
) -> Arc<ClientConfig> {
    with(client_of(&[], &[version]), identity)
}

fn with(config: Arc<ClientConfig>, identity: Option<&Identity>) -> Arc<ClientConfig> {
    let mut config = config.as_ref().clone();
    if let Some(identity) = identity {
        config.client_auth_cert_resolver = identity.key.clone();
    }
    Arc::new(config)
}

/// An open connection.
pub(crate) struct Open(StreamOwned<ClientConnection, TcpStream>);

impl Open {
    /// A connection to `web` as if it were `name`. A client that is refused may learn it later, when it reads.
    pub(crate) fn new(mesh: &Mesh, name: &str, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connection = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
        let tcp = TcpStream::connect(mesh.address("web"))?;
        tcp.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut stream = StreamOwned::new(connection, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self(stream))
    }

    /// The status of a GET of `host`, with these header lines.
    pub(crate) fn get(&mut self, host: &str, lines: &str) -> io::Result<u16> {
        write!(self.0, "GET / HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")?;
        let (mut text, mut byte) = (Vec::new(), [0]);
        while !text.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte)?;
            text.push(byte[0]);
        }
        let text = String::from_utf8(text).unwrap().to_lowercase();
        let length = text.split("content-length: ").nth(1).unwrap();
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        self.0.read_exact(&mut vec![0; length])?;
        Ok(text[9..12].parse().unwrap())
    }

    /// True if a GET of `host` over HTTP/2 is answered 200, false if 421.
    pub(crate) fn get_http2(mut self, host: &str) -> bool {
        let length = u8::try_from(host.len()).unwrap();
        let head = [b"\x82\x87\x84\x41", &[length][..], host.as_bytes()].concat();
        let flags = http2::END_STREAM | http2::END_HEADERS;
        let request = [
            http2::PREFACE.to_vec(),
            frame(http2::SETTINGS, 0, 0, b""),
            frame(http2::HEADERS, flags, 1, &head),
        ];
        self.0.write_all(&request.concat()).unwrap();
        loop {
            let frame = Frame::read(&mut self.0).unwrap();
            match (frame.kind, frame.payload.as_slice()) {
                (http2::HEADERS, [0x88, ..]) => return true,
                // `:status` and "421" in the code of Huffman.
                (http2::HEADERS, [0x48, 0x82, 0x68, 0x41, ..]) => return false,
                (http2::HEADERS, other) => panic!("another answer: {other:?}"),
                _ => {}
            }
        }
    }
}

/// The status of a GET of `host` over a connection to `name`.
pub(crate) fn ask(mesh: &Mesh, name: &str, host: &str, config: &Arc<ClientConfig>) -> io::Result<u16> {
    Open::new(mesh, name, config)?.get(host, "")
}

/// The same to the host that the connection is for; 0 for a client that is turned away.
pub(crate) fn status(mesh: &Mesh, host: &str, config: &Arc<ClientConfig>) -> u16 {
    ask(mesh, host, host, config).unwrap_or(0)
}

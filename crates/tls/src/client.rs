//! TLS towards servers.

use std::{fmt, sync::Arc};

use mesh_config::model::{SanType, ServersTransport};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        ResolvesClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    server::ParsedCertificate,
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::{extensions::GeneralName, prelude::parse_x509_certificate};

use crate::{
    pair::{Texts, believed, read},
    server::provider,
    spoken,
};

/// How connections to servers are secured.
#[derive(Clone)]
pub struct ClientTls {
    http1: Arc<ClientConfig>,
    both: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ClientTls {
    /// TLS as `settings` want it, with what was read of their files.
    ///
    /// # Errors
    /// When an option cannot be used; the text names it.
    pub(crate) fn new(settings: &ServersTransport, files: &Files) -> Result<Self, String> {
        let provider = crypto(settings)?;
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&spoken::versions(settings.min_version, settings.max_version)?)
            .map_err(|error| format!("cipherSuites, minVersion and maxVersion leave nothing: {error}"))?;
        let accepted = accepted(settings);
        let verifier = Verifier {
            roots: match believes_all(settings) {
                true => RootCertStore::empty(),
                false => roots(settings, files)?,
            },
            accepted,
            skip: settings.insecure_skip_verify,
            provider: provider.clone(),
        };
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut http1 = match own(settings, files, &provider)? {
            keys if keys.is_empty() => builder.with_no_client_auth(),
            keys => builder.with_client_cert_resolver(Arc::new(Own(keys))),
        };
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut both = http1.clone();
        both.alpn_protocols = match settings.disable_http2 {
            true => http1.alpn_protocols.clone(),
            false => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        let name = match settings.server_name.as_str() {
            "" => None,
            name => Some(
                ServerName::try_from(name.to_owned())
                    .map_err(|_| format!("serverName {name:?} is no name of a machine"))?,
            ),
        };
        Ok(Self {
            http1: Arc::new(http1),
            both: Arc::new(both),
            name,
        })
    }

    /// What a handshake is made with, for HTTP/1.1 alone or for whatever the server likes better.
    pub fn config(&self, only_http1: bool) -> Arc<ClientConfig> {
        if only_http1 { &self.http1 } else { &self.both }.clone()
    }

    /// The name that the server at `host` has to prove; `None` when that is no name.
    pub fn name_of(&self, host: &str) -> Option<ServerName<'static>> {
        self.name
            .clone()
            .or_else(|| ServerName::try_from(host.to_owned()).ok())
    }
}

fn crypto(settings: &ServersTransport) -> Result<Arc<CryptoProvider>, String> {
    let all = provider();
    if settings.cipher_suites.is_empty() {
        return Ok(all);
    }
    let named = settings.cipher_suites.iter().map(|name| spoken::suite(name));
    Ok(Arc::new(CryptoProvider {
        cipher_suites: named.collect::<Result<_, _>>()?,
        ..all.as_ref().clone()
    }))
}

/// What the files of a servers transport say, as they are at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Files {
    roots: Vec<Vec<u8>>,
    own: Vec<Texts>,
}

impl Files {
    /// Reads those of `settings`.
    pub(crate) fn read(settings: &ServersTransport) -> Result<Self, String> {
        let roots = match believes_all(settings) {
            true => Ok(Vec::new()),
            false => settings.root_cas.iter().map(read).collect::<Result<_, _>>(),
        };
        let own = settings.certificates.iter();
        let own = own
            .map(|pair| Texts::read(&pair.clone().into()))
            .collect::<Result<_, _>>();
        Ok(Self {
            roots: roots.map_err(|error| format!("rootCAs: {error}"))?,
            own: own.map_err(|error| format!("certificates: {error}"))?,
        })
    }
}

/// Who is believed: those of the files, or those that the system believes.
fn roots(settings: &ServersTransport, files: &Files) -> Result<RootCertStore, String> {
    if settings.root_cas.is_empty() {
        let mut roots = RootCertStore::empty();
        let known = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(known.certs);
        return Ok(roots);
    }
    believed("rootCAs", &settings.root_cas, &files.roots)
}

/// The certificates by which Mesh proves who it is.
fn own(
    settings: &ServersTransport,
    files: &Files,
    provider: &CryptoProvider,
) -> Result<Vec<Arc<CertifiedKey>>, String> {
    let pairs = settings.certificates.iter().zip(&files.own);
    let keys = pairs.map(|(pair, texts)| Ok(texts.pair(&pair.clone().into(), provider)?.key));
    let keys: Result<_, crate::PairError> = keys.collect();
    keys.map_err(|error| format!("certificates: {error}"))
}

/// True if any server will do.
fn believes_all(settings: &ServersTransport) -> bool {
    settings.insecure_skip_verify && accepted(settings).is_empty()
}

/// Names of which a server has to prove one, beside being believed.
fn accepted(settings: &ServersTransport) -> Vec<(SanType, String)> {
    let mut accepted: Vec<_> = settings
        .peer_cert_sans
        .iter()
        .map(|san| (san.kind, san.value.clone()))
        .collect();
    if !settings.peer_cert_uri.is_empty() {
        accepted.push((SanType::Uri, settings.peer_cert_uri.clone()));
    }
    accepted
}

/// Shows the first certificate that the server can read.
#[derive(Debug)]
struct Own(Vec<Arc<CertifiedKey>>);

impl ResolvesClientCert for Own {
    fn resolve(&self, _hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let mut fitting = self
            .0
            .iter()
            .filter(|key| key.key.choose_scheme(schemes).is_some());
        fitting.next().cloned()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Believes servers as the settings say.
#[derive(Debug)]
struct Verifier {
    roots: RootCertStore,
    accepted: Vec<(SanType, String)>,
    skip: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.skip && self.accepted.is_empty() {
            return Ok(ServerCertVerified::assertion());
        }
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        if self.accepted.is_empty() {
            verify_server_name(&parsed, name)?;
        } else if !self.is_accepted(certificate) {
            return Err(CertificateError::NotValidForName.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl Verifier {
    fn is_accepted(&self, certificate: &CertificateDer<'_>) -> bool {
        let Ok((_, certificate)) = parse_x509_certificate(certificate) else {
            return false;
        };
        let names = certificate.subject_alternative_name().ok().flatten();
        let mut names = names.iter().flat_map(|names| &names.value.general_names);
        names.any(|name| {
            self.accepted.iter().any(|(kind, wanted)| match (kind, name) {
                (SanType::DnsName, GeneralName::DNSName(name)) | (SanType::Uri, GeneralName::URI(name)) => {
                    name.eq_ignore_ascii_case(wanted)
                }
                _ => false,
            })
        })
    }
}

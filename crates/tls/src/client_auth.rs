//! What clients have to prove.

use std::sync::Arc;

use mesh_config::model::{ClientAuth, ClientAuthType};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::pair::believed;

/// Who looks at the certificates of clients; `None` where none is asked for.
///
/// # Errors
/// When `auth`, or what was read of its `authorities`, cannot be used; the text names the option.
pub(crate) fn verifier(
    auth: &ClientAuth,
    authorities: &[Vec<u8>],
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    let roots = believed("clientAuth.caFiles", &auth.ca_files, authorities)?;
    let kind = auth.effective();
    match kind {
        ClientAuthType::None => return Ok(None),
        ClientAuthType::Request | ClientAuthType::RequireAny => {
            return Ok(Some(Arc::new(Anybody {
                hints: roots.subjects(),
                mandatory: kind.requires(),
                provider,
            })));
        }
        ClientAuthType::VerifyIfGiven | ClientAuthType::RequireAndVerify => {}
    }
    if roots.is_empty() {
        return Err(
            "clientAuth.caFiles is empty: name the files of those who vouch for clients, or write another \
             clientAuthType"
                .to_owned(),
        );
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match kind.requires() {
        true => builder,
        false => builder.allow_unauthenticated(),
    };
    let verifier = builder.build();
    verifier
        .map(|verifier| -> Option<Arc<dyn ClientCertVerifier>> { Some(verifier) })
        .map_err(|error| format!("clientAuth.caFiles: {error}"))
}

/// Believes any certificate whose key the client has.
#[derive(Debug)]
struct Anybody {
    hints: Vec<DistinguishedName>,
    mandatory: bool,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
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

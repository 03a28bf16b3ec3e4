//! A certificate for clients for whom there is no other one.

use mesh_config::model::{Certificate, Pem};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

use crate::TlsError;

/// A certificate that nobody has to trust, so that a handshake ends in something a user can look at.
pub(crate) fn generate() -> Result<Certificate, TlsError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "MESH DEFAULT CERT");
    params.subject_alt_names = vec![SanType::DnsName("default.mesh.invalid".try_into()?)];
    let certificate = params.self_signed(&key)?;
    Ok(Certificate {
        cert_file: Pem::Inline(certificate.pem()),
        key_file: Pem::Inline(key.serialize_pem()),
        stores: Vec::new(),
        default: true,
    })
}

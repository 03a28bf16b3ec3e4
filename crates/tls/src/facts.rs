//! What a certificate says of itself.

use std::{
    fmt::Write,
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, prelude::parse_x509_certificate,
    public_key::PublicKey, time::ASN1Time, x509::AttributeTypeAndValue,
};

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The common name of its subject; empty where it has none.
    pub common_name: String,
    /// The organization of its subject; empty where it has none, here and below.
    pub organization: String,
    /// The country of its subject.
    pub country: String,
    /// The common name of who signed it.
    pub issuer: String,
    /// The organization of who signed it.
    pub issuer_organization: String,
    /// The country of who signed it.
    pub issuer_country: String,
    /// Its number, in decimal.
    pub serial: String,
    /// The names it is for, in lower case; `*.a.example` for all of one more label.
    pub names: Vec<String>,
    /// The addresses it is for.
    pub addresses: Vec<IpAddr>,
    /// It is not valid before.
    pub not_before: SystemTime,
    /// It is not valid after.
    pub not_after: SystemTime,
    /// `RSA`, `ECDSA` or `Unknown`.
    pub key_type: &'static str,
    /// The length of its key in bits; 0 where it is not known.
    pub key_size: usize,
    /// The SHA-256 of the certificate, in hex.
    pub fingerprint: String,
    /// The SHA-256 of its public key, in hex.
    pub key_fingerprint: String,
}

impl Facts {
    /// Those of `certificate`; `None` when it makes no sense.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let fingerprint = print(certificate);
        let (_, certificate) = parse_x509_certificate(certificate).ok()?;
        let (names, addresses) = subjects(&certificate);
        let (subject, issuer) = (certificate.subject(), certificate.issuer());
        let (key_type, key_size) = match certificate.public_key().parsed() {
            Ok(PublicKey::RSA(key)) => ("RSA", key.key_size()),
            Ok(PublicKey::EC(key)) => ("ECDSA", key.key_size()),
            Ok(_) | Err(_) => ("Unknown", 0),
        };
        Some(Self {
            common_name: text(subject.iter_common_name()),
            organization: text(subject.iter_organization()),
            country: text(subject.iter_country()),
            issuer: text(issuer.iter_common_name()),
            issuer_organization: text(issuer.iter_organization()),
            issuer_country: text(issuer.iter_country()),
            serial: certificate.tbs_certificate.serial.to_string(),
            names,
            addresses,
            not_before: instant(certificate.validity().not_before),
            not_after: instant(certificate.validity().not_after),
            key_type,
            key_size,
            fingerprint,
            key_fingerprint: print(certificate.public_key().raw),
        })
    }

    /// What is wrong with it at `now`.
    pub fn untimely(&self, now: SystemTime) -> Option<&'static str> {
        if now > self.not_after {
            Some("the certificate has expired")
        } else if now < self.not_before {
            Some("the certificate is not valid yet")
        } else {
            None
        }
    }
}

/// Its common name counts only where it has no others.
fn subjects(certificate: &X509Certificate<'_>) -> (Vec<String>, Vec<IpAddr>) {
    let (mut names, mut addresses) = (Vec::new(), Vec::new());
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    for name in alternatives.iter().flat_map(|names| &names.value.general_names) {
        match name {
            GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => addresses.extend(address(bytes)),
            _ => {}
        }
    }
    if names.is_empty() && addresses.is_empty() {
        names.push(text(certificate.subject().iter_common_name()).to_ascii_lowercase());
        names.retain(|name| !name.is_empty());
    }
    (names, addresses)
}

/// The first of `parts` that can be read.
fn text<'n>(mut parts: impl Iterator<Item = &'n AttributeTypeAndValue<'n>>) -> String {
    let text = parts.find_map(|part| part.as_str().ok());
    text.unwrap_or_default().to_owned()
}

fn print(bytes: &[u8]) -> String {
    let print = Sha256::digest(bytes);
    print.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// What is before 1970 is 1970.
fn instant(time: ASN1Time) -> SystemTime {
    let seconds = u64::try_from(time.timestamp()).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(seconds)
}

//! What a certificate says of itself.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls_pki_types::CertificateDer;
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, prelude::parse_x509_certificate, time::ASN1Time,
    x509::X509Name,
};

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The common name of its subject; empty where it has none.
    pub common_name: String,
    /// The common name of who signed it.
    pub issuer: String,
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
}

impl Facts {
    /// Those of `certificate`; `None` when it makes no sense.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = parse_x509_certificate(certificate).ok()?;
        let (names, addresses) = subjects(&certificate);
        Some(Self {
            common_name: common_name(certificate.subject()).unwrap_or_default().to_owned(),
            issuer: common_name(certificate.issuer()).unwrap_or_default().to_owned(),
            serial: certificate.tbs_certificate.serial.to_string(),
            names,
            addresses,
            not_before: instant(certificate.validity().not_before),
            not_after: instant(certificate.validity().not_after),
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
        names.extend(common_name(certificate.subject()).map(str::to_ascii_lowercase));
    }
    (names, addresses)
}

fn common_name<'n>(name: &'n X509Name<'_>) -> Option<&'n str> {
    name.iter_common_name().find_map(|name| name.as_str().ok())
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

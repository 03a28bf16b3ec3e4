//! `passTLSClientCert`: tells servers by which certificate a client proved who it is.

use std::{net::IpAddr, ops::ControlFlow};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, request};
use mesh_config::model::{self, TlsClientCertInfo, TlsClientCertIssuer, TlsClientCertSubject};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::{
    asn1_rs::{Oid, oid},
    certificate::X509Certificate,
    extensions::GeneralName,
    prelude::parse_x509_certificate,
    x509::X509Name,
};

use super::{Head, InvalidMiddleware, answer};
use crate::sanitize::Peer;

static CERTIFICATE: HeaderName = HeaderName::from_static("x-forwarded-tls-client-cert");
static INFO: HeaderName = HeaderName::from_static("x-forwarded-tls-client-cert-info");

/// As parts of a query are written.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Parts of a name, in the order in which they are told.
static PARTS: [(&str, Oid<'static>); 8] = [
    ("DC", oid!(0.9.2342.19200300.100.1.25)),
    ("C", oid!(2.5.4.6)),
    ("ST", oid!(2.5.4.8)),
    ("L", oid!(2.5.4.7)),
    ("O", oid!(2.5.4.10)),
    ("OU", oid!(2.5.4.11)),
    ("SN", oid!(2.5.4.5)),
    ("CN", oid!(2.5.4.3)),
];

/// Which of [`PARTS`] are told.
type Chosen = [bool; 8];

/// What servers are told. Without a certificate they are told nothing: what a trusted peer says of one stays, what
/// others say is gone already.
#[derive(Debug)]
pub(super) struct PassTlsClientCert {
    pem: bool,
    info: Option<Info>,
}

/// What is told of each certificate.
#[derive(Debug)]
struct Info {
    subject: Chosen,
    issuer: Chosen,
    serial_number: bool,
    not_before: bool,
    not_after: bool,
    sans: bool,
}

impl PassTlsClientCert {
    pub(super) fn new(settings: &model::PassTlsClientCert) -> Result<Self, InvalidMiddleware> {
        let invalid = |key, reason| InvalidMiddleware {
            key,
            found: String::new(),
            reason,
        };
        match &settings.info {
            None if !settings.pem => Err(invalid(
                "pem",
                "is off, and there is no info: nothing would be passed",
            )),
            Some(info) if *info == TlsClientCertInfo::default() => Err(invalid(
                "info",
                "chooses nothing; add sans, serialNumber, subject or another part",
            )),
            info => Ok(Self {
                pem: settings.pem,
                info: info.as_ref().map(Info::new),
            }),
        }
    }

    /// Tells of `chain`, and of no other certificate; `None` when it cannot be read.
    fn tell(&self, chain: &[CertificateDer<'_>], head: &mut request::Parts) -> Option<()> {
        head.headers.remove(&CERTIFICATE);
        head.headers.remove(&INFO);
        if self.pem {
            let texts: Vec<_> = chain
                .iter()
                .map(|certificate| STANDARD.encode(certificate))
                .collect();
            head.headers
                .insert(&CERTIFICATE, HeaderValue::try_from(texts.join(",")).ok()?);
        }
        if let Some(info) = &self.info {
            let texts = chain.iter().map(|certificate| info.of(certificate));
            let text = texts.collect::<Option<Vec<_>>>()?.join(",");
            let text = utf8_percent_encode(&text, QUERY).to_string().replace("%20", "+");
            head.headers.insert(&INFO, HeaderValue::try_from(text).ok()?);
        }
        Some(())
    }
}

impl Head for PassTlsClientCert {
    fn request(&self, head: &mut request::Parts, peer: &Peer) -> ControlFlow<Response<Bytes>> {
        let chain = peer.certificates();
        if !chain.is_empty() && self.tell(chain, head).is_none() {
            return answer(StatusCode::BAD_REQUEST);
        }
        ControlFlow::Continue(())
    }
}

impl Info {
    fn new(settings: &TlsClientCertInfo) -> Self {
        Self {
            subject: settings.subject.map(of_subject).unwrap_or_default(),
            issuer: settings.issuer.map(of_issuer).unwrap_or_default(),
            serial_number: settings.serial_number,
            not_before: settings.not_before,
            not_after: settings.not_after,
            sans: settings.sans,
        }
    }

    /// What is told of one certificate; `None` when it cannot be read.
    fn of(&self, certificate: &CertificateDer<'_>) -> Option<String> {
        let (_, certificate) = parse_x509_certificate(certificate).ok()?;
        let validity = certificate.validity();
        let parts = [
            (
                "Subject",
                Some(name(certificate.subject(), self.subject)).filter(|it| !it.is_empty()),
            ),
            (
                "Issuer",
                Some(name(certificate.issuer(), self.issuer)).filter(|it| !it.is_empty()),
            ),
            (
                "SerialNumber",
                self.serial_number
                    .then(|| certificate.tbs_certificate.serial.to_string()),
            ),
            (
                "NB",
                self.not_before
                    .then(|| validity.not_before.timestamp().to_string()),
            ),
            (
                "NA",
                self.not_after.then(|| validity.not_after.timestamp().to_string()),
            ),
            (
                "SAN",
                Some(&certificate)
                    .filter(|_| self.sans)
                    .map(sans)
                    .filter(|it| !it.is_empty()),
            ),
        ];
        let parts = parts
            .into_iter()
            .filter_map(|(key, value)| Some(format!("{key}=\"{}\"", value?)));
        Some(parts.collect::<Vec<_>>().join(";"))
    }
}

fn of_subject(it: TlsClientCertSubject) -> Chosen {
    [
        it.domain_component,
        it.country,
        it.province,
        it.locality,
        it.organization,
        it.organizational_unit,
        it.serial_number,
        it.common_name,
    ]
}

fn of_issuer(it: TlsClientCertIssuer) -> Chosen {
    [
        it.domain_component,
        it.country,
        it.province,
        it.locality,
        it.organization,
        false,
        it.serial_number,
        it.common_name,
    ]
}

/// The chosen parts of a name: `C=FR,O=Shop,CN=a.example`.
fn name(name: &X509Name<'_>, chosen: Chosen) -> String {
    let parts = PARTS.iter().zip(chosen).filter(|(_, is_chosen)| *is_chosen);
    let values = parts.flat_map(|((key, oid), _)| {
        let values = name.iter_by_oid(oid).filter_map(|value| value.as_str().ok());
        values.map(move |value| format!("{key}={}", escaped(value)))
    });
    values.collect::<Vec<_>>().join(",")
}

/// The names, mail addresses, addresses and URIs that a certificate is for.
fn sans(certificate: &X509Certificate<'_>) -> String {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map_or(&[][..], |names| &names.value.general_names);
    let of = |look: fn(&GeneralName<'_>) -> Option<String>| names.iter().filter_map(look);
    let dns = of(|name| match name {
        GeneralName::DNSName(name) => Some(escaped(name)),
        _ => None,
    });
    let mail = of(|name| match name {
        GeneralName::RFC822Name(name) => Some(escaped(name)),
        _ => None,
    });
    let addresses = of(|name| match name {
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    });
    let uris = of(|name| match name {
        GeneralName::URI(uri) => Some(escaped(uri)),
        _ => None,
    });
    dns.chain(mail)
        .chain(addresses)
        .chain(uris)
        .collect::<Vec<_>>()
        .join(",")
}

fn address(bytes: &[u8]) -> Option<String> {
    let ip = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    Some(ip.to_string())
}

/// With a backslash before what separates parts: no name looks like more than it is.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for letter in value.chars() {
        if matches!(letter, '\\' | '"' | ',' | ';') {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

#[cfg(test)]
mod tests {
    use mesh_config::model::Middleware;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType, date_time_ymd};

    use super::{
        super::tests::{compile, peer, step},
        *,
    };

    fn certificate(common_name: &str) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["a.test".to_owned(), "10.0.0.1".to_owned()]).unwrap();
        params
            .subject_alt_names
            .push(SanType::URI("spiffe://a/b".try_into().unwrap()));
        params
            .subject_alt_names
            .push(SanType::Rfc822Name("x@a.test".try_into().unwrap()));
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, common_name);
        name.push(DnType::CountryName, "FR");
        name.push(DnType::OrganizationName, "Shop, Inc.");
        name.push(DnType::OrganizationalUnitName, "IT");
        params.distinguished_name = name;
        params.serial_number = Some(vec![1, 0].into());
        params.not_before = date_time_ymd(2024, 1, 1);
        params.not_after = date_time_ymd(2034, 1, 1);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    fn everything() -> TlsClientCertInfo {
        TlsClientCertInfo {
            not_after: true,
            not_before: true,
            sans: true,
            serial_number: true,
            subject: Some(TlsClientCertSubject {
                common_name: true,
                organization: true,
                organizational_unit: true,
                country: true,
                province: true,
                ..TlsClientCertSubject::default()
            }),
            issuer: Some(TlsClientCertIssuer {
                common_name: true,
                ..TlsClientCertIssuer::default()
            }),
        }
    }

    fn pass(pem: bool, info: Option<TlsClientCertInfo>) -> Middleware {
        Middleware::PassTlsClientCert(model::PassTlsClientCert { pem, info })
    }

    /// The headers that a server gets from a client with `chain`.
    fn told(definition: &Middleware, chain: &[CertificateDer<'static>]) -> [Option<String>; 2] {
        let peer = peer();
        peer.present(chain);
        let request = http::Request::builder().header(&CERTIFICATE, "of another");
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        assert!(step(definition).request(&mut head, &peer).is_continue());
        [&CERTIFICATE, &INFO].map(|name| {
            head.headers
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        })
    }

    #[test]
    fn the_certificates_are_told_as_they_are() {
        let chain = [certificate("a"), certificate("b")];
        let [certificates, info] = told(&pass(true, None), &chain);
        let expected = [STANDARD.encode(&chain[0]), STANDARD.encode(&chain[1])].join(",");
        assert_eq!((certificates, info), (Some(expected), None));
    }

    #[test]
    fn what_they_say_is_told_in_order() {
        let [certificates, info] = told(&pass(false, Some(everything())), &[certificate("a b")]);
        assert_eq!(certificates, None, "it would be one of another client");
        let info = info.unwrap();
        assert!(info.starts_with("Subject%3D%22C%3DFR%2CO%3DShop"), "{info}");
        let plain = percent_encoding::percent_decode_str(&info.replace('+', " "))
            .decode_utf8()
            .unwrap()
            .into_owned();
        let expected = concat!(
            "Subject=\"C=FR,O=Shop\\, Inc.,OU=IT,CN=a b\";Issuer=\"CN=a b\";SerialNumber=\"256\";",
            "NB=\"1704067200\";NA=\"2019686400\";SAN=\"a.test,x@a.test,10.0.0.1,spiffe://a/b\""
        );
        assert_eq!(plain, expected);
    }

    #[test]
    fn a_name_cannot_look_like_more_than_it_is() {
        let info = TlsClientCertInfo {
            subject: Some(TlsClientCertSubject {
                common_name: true,
                ..TlsClientCertSubject::default()
            }),
            ..TlsClientCertInfo::default()
        };
        let [_, info] = told(&pass(false, Some(info)), &[certificate("x\";Issuer=\"CN=root")]);
        let plain = percent_encoding::percent_decode_str(&info.unwrap())
            .decode_utf8()
            .unwrap()
            .into_owned();
        assert_eq!(plain, "Subject=\"CN=x\\\"\\;Issuer=\\\"CN=root\"");
    }

    #[test]
    fn without_a_certificate_nothing_is_told() {
        let [certificates, info] = told(&pass(true, Some(everything())), &[]);
        assert_eq!((certificates.as_deref(), info), (Some("of another"), None));
    }

    #[test]
    fn what_would_pass_nothing_is_refused() {
        for definition in [pass(false, None), pass(true, Some(TlsClientCertInfo::default()))] {
            assert!(compile(&definition).is_err(), "{definition:?} was taken");
        }
    }
}

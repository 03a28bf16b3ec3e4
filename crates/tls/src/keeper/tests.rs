//! Certificates from configurations and files to what a client is shown.

use std::{fs, path::Path, sync::Arc};

use mesh_config::{
    Configuration, Entry, Origin, ProviderName, QualifiedName,
    model::{Certificate, Pem},
};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SignatureAlgorithm};
use rustls::SignatureScheme;

use super::Keeper;
use crate::{PairError, pair::Stamp};

const ANY: [SignatureScheme; 2] = [SignatureScheme::ED25519, SignatureScheme::ECDSA_NISTP256_SHA256];

fn made(name: &str, algorithm: &'static SignatureAlgorithm) -> Certificate {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let certificate = CertificateParams::new([name.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    Certificate {
        cert_file: Pem::Inline(certificate.pem()),
        key_file: Pem::Inline(key.serialize_pem()),
        stores: Vec::new(),
        default: false,
    }
}

fn pair(name: &str) -> Certificate {
    made(name, &PKCS_ECDSA_P256_SHA256)
}

fn text(pem: &Pem) -> &str {
    match pem {
        Pem::Inline(text) => text,
        Pem::File(_) => panic!("a file"),
    }
}

/// The same in files of `directory`.
fn written(directory: &Path, pair: &Certificate) -> Certificate {
    let path = |name| directory.join(name);
    fs::write(path("a.pem"), text(&pair.cert_file)).unwrap();
    fs::write(path("a.key"), text(&pair.key_file)).unwrap();
    Certificate {
        cert_file: Pem::File(path("a.pem")),
        key_file: Pem::File(path("a.key")),
        ..pair.clone()
    }
}

fn configuration(certificates: &[&Certificate]) -> Configuration {
    let entries = certificates.iter().map(|certificate| {
        let name = QualifiedName::new(certificate.name(), ProviderName::new("file"));
        let entry = Entry {
            value: (*certificate).clone(),
            origin: Origin::new("routes.yml:1"),
            problems: Vec::new(),
        };
        (name, Arc::new(entry))
    });
    Configuration {
        certificates: entries.collect(),
        ..Configuration::default()
    }
}

fn shown(keeper: &Keeper, name: &str, schemes: &[SignatureScheme]) -> String {
    let certificates = keeper.certificates.load();
    let key = certificates.find(Some(name), None, schemes).unwrap();
    print(&key.cert[0])
}

fn print(der: &[u8]) -> String {
    use std::fmt::Write;
    der.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn own(certificate: &Certificate) -> String {
    use rustls_pki_types::{CertificateDer, pem::PemObject};
    print(&CertificateDer::from_pem_slice(text(&certificate.cert_file).as_bytes()).unwrap())
}

#[test]
fn of_several_certificates_for_a_name_a_client_gets_one_that_it_understands() {
    let certificates = [made("a.test", &PKCS_ED25519), pair("a.test")];
    for order in [[0, 1], [1, 0]] {
        let mut keeper = Keeper::new().unwrap();
        // In either order of their names.
        let mut configuration = configuration(&[]);
        for (name, index) in ["one", "two"].into_iter().zip(order) {
            let only = self::configuration(&[&certificates[index]]);
            let entry = only.certificates.into_values().next().unwrap();
            let name = QualifiedName::new(name, ProviderName::new("file"));
            configuration.certificates.insert(name, entry);
        }
        keeper.update(&configuration);
        for (index, scheme) in ANY.into_iter().enumerate() {
            assert_eq!(
                shown(&keeper, "a.test", &[scheme]),
                own(&certificates[index]),
                "{scheme:?}"
            );
        }
    }
}

#[test]
fn a_name_with_a_dot_at_its_end_is_the_name_without() {
    let a = pair("a.test");
    let mut keeper = Keeper::new().unwrap();
    keeper.update(&configuration(&[&a]));
    assert_eq!(shown(&keeper, "A.test.", &ANY), own(&a));
}

#[test]
fn a_file_that_could_not_be_read_is_read_again_though_it_looks_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (pair("a.test"), pair("a.test"));
    let mut keeper = Keeper::new().unwrap();
    keeper.update(&configuration(&[&written(directory.path(), &first)]));
    let before: Vec<_> = keeper
        .known
        .values()
        .map(|known| (known.texts.clone(), known.good.clone()))
        .collect();
    written(directory.path(), &second);
    keeper.refresh();
    // As if there had been no descriptor left for the second.
    for (known, (texts, good)) in keeper.known.values_mut().zip(before) {
        (known.texts, known.good) = (texts, good);
        known.error = Some(PairError::File {
            path: "a.pem".into(),
            reason: "too many open files".to_owned(),
        });
    }
    keeper.publish();
    assert_eq!(shown(&keeper, "a.test", &ANY), own(&first));
    assert!(keeper.refresh());
    assert_eq!(shown(&keeper, "a.test", &ANY), own(&second));
    assert!(!keeper.refresh());
}

#[cfg(unix)]
#[test]
fn a_file_that_may_be_read_from_now_on_looks_changed() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let certificate = written(directory.path(), &pair("a.test"));
    let before = Stamp::of(&certificate);
    let allowed = || {
        let permissions = fs::Permissions::from_mode(0o640);
        fs::set_permissions(directory.path().join("a.key"), permissions).unwrap();
        before != Stamp::of(&certificate)
    };
    // The clock of a file system may be coarse.
    assert!((0..1_000_000).any(|_| allowed()));
}

#[test]
fn of_two_default_certificates_the_first_counts_and_the_other_says_so() {
    let (mut one, mut two) = (pair("a.test"), pair("b.test"));
    (one.default, two.default) = (true, true);
    let mut both = configuration(&[]);
    for (provider, certificate) in [("file", &one), ("other", &two)] {
        let entry = configuration(&[certificate])
            .certificates
            .into_values()
            .next()
            .unwrap();
        let name = QualifiedName::new("default", ProviderName::new(provider));
        both.certificates.insert(name, entry);
    }
    let mut keeper = Keeper::new().unwrap();
    let list = keeper.shown();
    keeper.update(&both);
    assert_eq!(shown(&keeper, "else.test", &ANY), own(&one));
    assert_eq!(shown(&keeper, "b.test", &ANY), own(&two));
    let list = list();
    assert!(list[0].default && list[0].errors.is_empty(), "{list:?}");
    assert!(
        !list[1].default && list[1].errors[0].contains("default@file"),
        "{list:?}"
    );
    let facts = list[0].facts.as_ref().unwrap();
    assert_eq!(
        (facts.key_type, facts.key_size, facts.fingerprint.len()),
        ("ECDSA", 256, 64)
    );
}

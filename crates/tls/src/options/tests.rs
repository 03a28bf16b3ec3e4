use std::{fs, path::Path};

use mesh_config::{
    ProviderName,
    model::{ClientAuth, ClientAuthType, TlsVersion},
};
use rcgen::{CertificateParams, KeyPair};

use super::*;
use crate::Keeper;

fn keeper(settings: &TlsOptions) -> OptionsKeeper {
    let tls = Keeper::new().unwrap().tls().unwrap();
    let name = QualifiedName::new("strict", ProviderName::new("file"));
    OptionsKeeper::new(&name, settings, &tls)
}

/// What is wrong with `settings`.
fn error(settings: TlsOptions) -> String {
    keeper(&settings).options().unwrap_err()
}

fn auth(kind: Option<ClientAuthType>, files: &[&Path]) -> TlsOptions {
    TlsOptions {
        client_auth: ClientAuth {
            ca_files: files.iter().map(|path| Pem::File(path.into())).collect(),
            client_auth_type: kind,
        },
        ..TlsOptions::default()
    }
}

fn put(path: &Path, text: &str) {
    let aside = path.with_extension("aside");
    fs::write(&aside, text).unwrap();
    fs::rename(&aside, path).unwrap();
}

fn authority() -> String {
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(["ca".to_owned()]).unwrap();
    made.self_signed(&key).unwrap().pem()
}

#[test]
fn what_cannot_be_used_names_its_option_and_what_to_write() {
    let old = TlsOptions {
        min_version: Some(TlsVersion::Tls10),
        ..TlsOptions::default()
    };
    let told = error(old);
    assert!(
        told.contains("minVersion") && told.contains("1.0") && told.contains("VersionTLS12"),
        "{told}"
    );
    let suites = TlsOptions {
        cipher_suites: vec!["TLS_RSA_WITH_RC4_128_SHA".to_owned()],
        ..TlsOptions::default()
    };
    assert!(error(suites).contains("cipherSuites: TLS_RSA_WITH_RC4_128_SHA is not spoken"));
    let groups = TlsOptions {
        curve_preferences: vec!["CurveP521".to_owned()],
        ..TlsOptions::default()
    };
    assert!(error(groups).contains("curvePreferences: CurveP521"));
    for (protocols, told) in [(["h3"], "\"h3\""), (["acme-tls/1"], "add h2")] {
        let alpn = TlsOptions {
            alpn_protocols: protocols.map(str::to_owned).to_vec(),
            ..TlsOptions::default()
        };
        assert!(error(alpn).contains(told));
    }
    let nobody = error(auth(Some(ClientAuthType::RequireAndVerify), &[]));
    assert!(nobody.contains("clientAuth.caFiles is empty"), "{nobody}");
    let gone = error(auth(None, &[Path::new("gone.pem")]));
    assert!(
        gone.contains("clientAuth.caFiles: cannot read gone.pem"),
        "{gone}"
    );
}

#[test]
fn suites_of_tls_1_3_are_there_whatever_is_written() {
    let settings = TlsOptions {
        cipher_suites: vec!["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256".to_owned()],
        ..TlsOptions::default()
    };
    let config = keeper(&settings).options().unwrap().config();
    let suites: Vec<_> = config
        .crypto_provider()
        .cipher_suites
        .iter()
        .map(|suite| suite.tls13().is_some())
        .collect();
    assert_eq!(suites, [true, true, true, false]);
}

#[test]
fn no_two_options_share_sessions_and_those_that_verify_have_none() {
    let (one, other) = (keeper(&TlsOptions::default()), keeper(&TlsOptions::default()));
    let ticket = |keeper: &OptionsKeeper| keeper.options().unwrap().config().ticketer.encrypt(b"x");
    let theirs = ticket(&one).unwrap();
    let opened = other.options().unwrap().config().ticketer.decrypt(&theirs);
    assert_eq!(opened, None);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    put(&path, &authority());
    let verifying = keeper(&auth(None, &[&path]));
    assert_eq!(ticket(&verifying), None);
    assert_eq!(verifying.options().unwrap().config().send_tls13_tickets, 0);
}

#[test]
fn authorities_that_change_count_and_broken_ones_leave_those_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    put(&path, &authority());
    let mut keeper = keeper(&auth(None, &[&path]));
    let first = keeper.options().unwrap();
    assert_eq!(keeper.refresh(), Renewal::Same);
    put(&path, "rubbish");
    assert_eq!(keeper.refresh(), Renewal::Trouble);
    assert!(keeper.trouble().unwrap().contains("ca.pem holds no certificate"));
    assert!(Arc::ptr_eq(&first, &keeper.options().unwrap()));
    put(&path, &authority());
    assert_eq!(keeper.refresh(), Renewal::New);
    let second = keeper.options().unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(
        first.guard(),
        second.guard(),
        "open connections are as good as before"
    );
}

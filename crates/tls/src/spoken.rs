//! What there is of versions, cipher suites and groups, by the names that settings have for them.

use mesh_config::model::TlsVersion;
use rustls::{
    SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{SupportedKxGroup, aws_lc_rs},
    version::{TLS12, TLS13},
};

/// The versions between two; none of them is fewer than what is spoken.
///
/// # Errors
/// When nothing is left.
pub(crate) fn versions(
    least: Option<TlsVersion>,
    most: Option<TlsVersion>,
) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let (least, most) = (
        least.unwrap_or(TlsVersion::Tls12),
        most.unwrap_or(TlsVersion::Tls13),
    );
    let all = [(TlsVersion::Tls12, &TLS12), (TlsVersion::Tls13, &TLS13)];
    let versions: Vec<_> = all
        .into_iter()
        .filter(|(version, _)| (least..=most).contains(version))
        .map(|(_, spoken)| spoken)
        .collect();
    match versions.is_empty() {
        true => Err("minVersion and maxVersion leave no version of TLS: 1.2 and 1.3 are spoken".to_owned()),
        false => Ok(versions),
    }
}

/// The cipher suite called `name`.
///
/// # Errors
/// When there is none; the text lists those that there are.
pub(crate) fn suite(name: &str) -> Result<SupportedCipherSuite, String> {
    let all = aws_lc_rs::DEFAULT_CIPHER_SUITES;
    // Those of TLS 1.3 are written with or without the mark of their version, and some without their hash.
    let plain = |name: &str| {
        let name = name.trim().to_ascii_uppercase().replace("TLS13_", "TLS_");
        match name.ends_with("POLY1305") {
            true => name + "_SHA256",
            false => name,
        }
    };
    let text = |suite: &SupportedCipherSuite| format!("{:?}", suite.suite());
    let wanted = plain(name);
    let found = all.iter().find(|suite| plain(&text(suite)) == wanted);
    found.copied().ok_or_else(|| {
        let known: Vec<_> = all.iter().map(text).collect();
        format!(
            "cipherSuites: {name} is not spoken; leave it out; there is {}",
            known.join(", ")
        )
    })
}

/// The group called `name`.
///
/// # Errors
/// When there is none; the text lists those that there are.
pub(crate) fn group(name: &str) -> Result<&'static dyn SupportedKxGroup, String> {
    let all = aws_lc_rs::ALL_KX_GROUPS;
    let wanted = match name.trim().to_ascii_lowercase().as_str() {
        "curvep256" => "secp256r1".to_owned(),
        "curvep384" => "secp384r1".to_owned(),
        other => other.to_owned(),
    };
    let text = |group: &&dyn SupportedKxGroup| format!("{:?}", group.name());
    let found = all.iter().find(|group| text(group).eq_ignore_ascii_case(&wanted));
    found.copied().ok_or_else(|| {
        let known: Vec<_> = all.iter().map(text).collect();
        format!(
            "curvePreferences: {name} is not spoken; leave it out; there is {}",
            known.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_and_groups_are_known_by_every_name_they_have() {
        for name in [
            "TLS_AES_128_GCM_SHA256",
            "TLS13_AES_128_GCM_SHA256",
            "tls_ecdhe_rsa_with_aes_128_gcm_sha256",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        ] {
            assert!(suite(name).is_ok(), "{name}");
        }
        for name in [
            "X25519",
            "x25519mlkem768",
            "CurveP256",
            "secp384r1",
            "SecP256r1MLKEM768",
        ] {
            assert!(group(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_is_not_spoken_is_told_with_what_is() {
        let told = suite("TLS_RSA_WITH_AES_128_CBC_SHA").unwrap_err();
        assert!(
            told.contains("TLS_RSA_WITH_AES_128_CBC_SHA is not spoken") && told.contains("TLS13_AES_256_GCM"),
            "{told}"
        );
        let told = group("CurveP521").unwrap_err();
        assert!(told.contains("CurveP521") && told.contains("X25519"), "{told}");
        assert!(versions(Some(TlsVersion::Tls13), Some(TlsVersion::Tls12)).is_err());
    }
}

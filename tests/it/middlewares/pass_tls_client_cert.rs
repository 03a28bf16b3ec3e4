//! `passTLSClientCert`, as far as it goes while entrypoints ask no client for a certificate.

use serde_json::json;

use super::{Behind, errors};

const FORGED: &str =
    "GET / HTTP/1.1\r\nX-Forwarded-Tls-Client-Cert: abc\r\nX-Forwarded-Tls-Client-Cert-Info: def";

#[test]
fn only_a_trusted_peer_may_speak_of_a_certificate() {
    let pass =
        json!({"passTLSClientCert": {"pem": true, "info": {"sans": true, "subject": {"commonName": true}}}});
    for (behind, certificate, info) in [
        (Behind::of(&[("pass", pass.clone())]), None, None),
        (Behind::trusting(&[("pass", pass)]), Some("abc"), Some("def")),
    ] {
        assert_eq!(behind.ask(FORGED).status, 200);
        let noted = behind.server.last();
        assert_eq!(noted.header("x-forwarded-tls-client-cert"), certificate);
        assert_eq!(noted.header("x-forwarded-tls-client-cert-info"), info);
    }
}

#[test]
fn what_would_pass_nothing_is_told() {
    let [nothing, info] = errors([
        json!({"passTLSClientCert": {}}),
        json!({"passTLSClientCert": {"info": {"sans": false}}}),
    ]);
    assert!(nothing.contains("nothing would be passed"), "{nothing}");
    assert!(info.contains("chooses nothing"), "{info}");
}

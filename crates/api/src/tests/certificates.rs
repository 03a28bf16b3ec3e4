//! Certificates in lists, in the overview and in metrics.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mesh_config::{Origin, ProviderName, QualifiedName};
use mesh_tls::{Facts, Shown};
use serde_json::json;

use super::World;

const DAY: Duration = Duration::from_secs(86_400);

fn facts(common_name: &str, not_after: SystemTime) -> Facts {
    Facts {
        common_name: common_name.to_owned(),
        organization: "Shop".to_owned(),
        country: String::new(),
        issuer: "Root".to_owned(),
        issuer_organization: "Trust".to_owned(),
        issuer_country: String::new(),
        serial: "7".to_owned(),
        names: vec![common_name.to_owned(), format!("*.{common_name}")],
        addresses: vec!["127.0.0.1".parse().unwrap()],
        not_before: UNIX_EPOCH,
        not_after,
        key_type: "ECDSA",
        key_size: 256,
        fingerprint: format!("print-of-{common_name}"),
        key_fingerprint: "print-of-key".to_owned(),
    }
}

fn certificate(name: &str, facts: Option<Facts>, error: Option<&str>) -> Shown {
    Shown {
        name: QualifiedName::new(name, ProviderName::new("file")),
        origin: Origin::new("routes.yml:3"),
        default: name == "good",
        facts: facts.map(Arc::new),
        errors: error.into_iter().map(str::to_owned).collect(),
    }
}

/// One of each state; two are the same certificate.
pub(super) fn shown() -> Vec<Shown> {
    let now = SystemTime::now();
    let late = UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    vec![
        certificate("broken", None, Some("cannot read broken.pem")),
        certificate("good", Some(facts("good.example", late)), None),
        certificate("old", Some(facts("old.example", now - DAY)), None),
        certificate("soon", Some(facts("soon.example", now + 20 * DAY)), None),
        certificate(
            "stuck",
            Some(facts("good.example", late)),
            Some("cannot read new.pem"),
        ),
    ]
}

#[tokio::test]
async fn certificates_are_listed_with_their_state() {
    let world = World::new();
    let (status, list) = world.api("/api/certificates").await;
    assert_eq!(status, 200);
    let states: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["status"].clone())
        .collect();
    assert_eq!(states, ["enabled", "warning", "expired", "warning", "disabled"]);
    assert_eq!(list[2]["error"], json!(["the certificate has expired"]));
    assert_eq!(list[4]["name"], "broken@file");
    let query = "/api/certificates?sortBy=validUntil&direction=desc&status=warning&search=trust";
    assert_eq!(
        world.names(query).await,
        ["print-of-good.example", "print-of-soon.example"]
    );
}

#[tokio::test]
async fn one_certificate_is_shown_by_its_print() {
    let world = World::new();
    let (_, good) = world.api("/api/certificates/print-of-good.example").await;
    let expected = json!({
        "name": "print-of-good.example", "certFingerprint": "print-of-good.example",
        "publicKeyFingerprint": "print-of-key", "commonName": "good.example", "organization": "Shop",
        "issuerCN": "Root", "issuerOrg": "Trust", "serialNumber": "7", "keyType": "ECDSA", "keySize": 256,
        "sans": ["good.example", "*.good.example", "127.0.0.1"], "status": "enabled", "default": true,
        "notBefore": "1970-01-01T00:00:00.000000000Z", "notAfter": "2096-10-02T07:06:40.000000000Z",
        "provider": "file", "origin": "routes.yml:3",
    });
    assert_eq!(good, expected);
    assert_eq!(world.api("/api/certificates/none").await.0, 404);
}

#[tokio::test]
async fn the_overview_counts_certificates_and_tells_what_is_wrong() {
    let (_, overview) = World::new().api("/api/overview").await;
    assert_eq!(
        overview["certificates"],
        json!({"total": 5, "warnings": 2, "errors": 2})
    );
    assert_eq!(
        overview["problems"],
        json!([
            "routes.yml:3: tls.certificates: cannot read broken.pem",
            "routes.yml:3: tls.certificates: cannot read new.pem",
        ])
    );
}

#[tokio::test]
async fn metrics_tell_the_end_of_each_certificate_once() {
    let answer = World::new().call("prometheus", "GET", "/metrics").await;
    let text = String::from_utf8(answer.body().to_vec()).unwrap();
    let line = "mesh_tls_certs_not_after{cn=\"good.example\",serial=\"7\",\
                sans=\"good.example,*.good.example,127.0.0.1\"} 4000000000";
    assert_eq!(text.lines().filter(|known| *known == line).count(), 1, "{text}");
    assert_eq!(text.matches("mesh_tls_certs_not_after{").count(), 3);
}

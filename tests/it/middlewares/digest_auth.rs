//! `digestAuth`.

use md5::{Digest, Md5};
use serde_json::json;

use super::{Behind, Raw};

/// The hash of `ann:mesh:secret`.
const ANN: &str = "ann:mesh:951a2ded33681ae07cd4fc825824e2bd";

fn parameter(answer: &Raw, name: &str) -> String {
    let challenge = answer.header("www-authenticate").unwrap();
    let (_, rest) = challenge.split_once(&format!("{name}=\"")).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// The `Authorization` of a client that knows the password, or not.
fn proof(password: &str, nonce: &str, count: u32, uri: &str) -> String {
    let md5 = |text: String| {
        let sum = Md5::digest(text);
        sum.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let (secret, request) = (md5(format!("ann:mesh:{password}")), md5(format!("GET:{uri}")));
    let response = md5(format!("{secret}:{nonce}:{count:08x}:cn:auth:{request}"));
    format!(
        "Authorization: Digest username=\"ann\", realm=\"mesh\", nonce=\"{nonce}\", uri=\"{uri}\", qop=auth, \
         nc={count:08x}, cnonce=\"cn\", response=\"{response}\""
    )
}

#[test]
fn who_proves_the_password_passes_once_with_each_count() {
    let auth = json!({"digestAuth": {"users": [ANN], "headerField": "X-User", "removeHeader": true}});
    let behind = Behind::of(&[("auth", auth)]);
    let ask = |more: &str| behind.ask(&format!("GET /a?b=c HTTP/1.1\r\nX-User: root\r\n{more}"));
    let challenged = ask("");
    assert_eq!(
        (challenged.status, challenged.text().as_str()),
        (401, "401 Unauthorized\n")
    );
    let challenge = challenged.header("www-authenticate").unwrap();
    for part in [
        "Digest realm=\"mesh\"",
        "algorithm=MD5",
        "qop=\"auth\"",
        "opaque=\"",
    ] {
        assert!(challenge.contains(part), "{challenge}");
    }
    let nonce = parameter(&challenged, "nonce");
    assert_eq!(ask(&proof("wrong", &nonce, 1, "/a?b=c")).status, 401);
    assert!(behind.server.noted().is_empty());
    assert_eq!(ask(&proof("secret", &nonce, 1, "/a?b=c")).status, 200);
    let noted = behind.server.last();
    assert_eq!(
        (noted.header("x-user"), noted.header("authorization")),
        (Some("ann"), None)
    );
    let replayed = ask(&proof("secret", &nonce, 1, "/a?b=c"));
    assert_eq!(replayed.status, 401);
    assert!(
        replayed
            .header("www-authenticate")
            .unwrap()
            .contains("stale=true")
    );
    assert_eq!(ask(&proof("secret", &nonce, 2, "/a?b=c")).status, 200);
    assert_eq!(
        ask(&proof("secret", &nonce, 3, "/other")).status,
        401,
        "a proof is for one target"
    );
    let shown = behind.state("auth").to_string();
    assert!(!shown.contains("951a2ded"), "{shown}");
}

#[test]
fn a_user_of_another_realm_is_refused() {
    let broken = Behind::of(&[("auth", json!({"digestAuth": {"users": [ANN], "realm": "other"}}))]);
    assert_eq!(broken.ask("GET / HTTP/1.1").status, 503);
    let state = broken.state("auth")["error"].to_string();
    assert!(state.contains("realm"), "{state}");
}

//! `jwt`: only requests with a token of somebody who is known get through, and servers learn whose.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{
    Behind, Noting, Raw, answer, document,
    issuer::{Issuer, keys, url},
};
use crate::mesh::eventually;

/// `jwt` with these options beside the algorithm.
fn jwt(options: Value) -> Value {
    let mut options = options;
    options["algorithms"] = json!(["EdDSA"]);
    json!({"jwt": options})
}

fn ask(behind: &Behind, token: &str, more: &str) -> Raw {
    behind.ask(&format!(
        "GET / HTTP/1.1\r\nAuthorization: Bearer {token}\r\n{more}"
    ))
}

/// A server whose answer can be changed.
fn changing(first: String) -> (Noting, Arc<Mutex<String>>) {
    let text = Arc::new(Mutex::new(first));
    let answer = text.clone();
    (Noting::new(move |_| answer.lock().unwrap().clone()), text)
}

#[test]
fn servers_learn_who_asks_from_the_token_and_from_nothing_else() {
    let issuer = Issuer::new("a");
    let published = {
        let text = keys(&[&issuer]);
        Noting::new(move |_| text.clone())
    };
    let behind = Behind::of(&[(
        "guard",
        jwt(json!({
            "jwks": {"url": url(&published)},
            "issuers": ["https://idp.test"],
            "audiences": ["shop"],
            "headers": {"X-User": "sub", "X-Roles": "realm_access.roles", "X-Mail": "mail"},
            "claims": [{"name": "realm_access.roles", "values": ["buyer"]}],
        })),
    )]);
    let good = json!({
        "iss": "https://idp.test", "aud": ["shop"], "sub": "zoe", "realm_access": {"roles": ["buyer", "x"]},
    });
    let forged = "X-User: admin\r\nx_user: admin\r\nX-Roles: admin\r\nX-Mail: admin\r\nX-Other: 1\r\n";
    let passed = ask(&behind, &issuer.token(good.clone()), forged);
    assert_eq!(
        (passed.status, passed.text().as_str()),
        (200, "hello"),
        "{passed:?}"
    );
    let noted = behind.server.last();
    assert_eq!(noted.all("x-user"), ["zoe"]);
    assert_eq!(noted.all("x-roles"), ["buyer,x"]);
    assert!(
        noted.all("x-mail").is_empty() && noted.all("x_user").is_empty(),
        "{}",
        noted.head
    );
    assert_eq!(noted.header("x-other"), Some("1"));
    assert!(noted.header("authorization").is_some());

    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        issuer.token(claims)
    };
    let unsigned = issuer.sign(&json!({"alg": "none"}), &good);
    let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
    for (token, status, why) in [
        (with("iss", json!("https://idp.test.evil")), 401, "invalid_token"),
        (with("aud", json!("other")), 401, "invalid_token"),
        (with("exp", json!(1)), 401, "expired"),
        (with("nbf", json!(9_999_999_998_u64)), 401, "not valid yet"),
        (
            with("realm_access", json!({"roles": ["seller"]})),
            403,
            "insufficient_scope",
        ),
        (Issuer::new("a").token(good.clone()), 401, "signature"),
        (unsigned, 401, "algorithm"),
        ("x".to_owned(), 401, "malformed"),
    ] {
        let refused = ask(&behind, &token, "");
        assert_eq!(refused.status, status, "{why}: {refused:?}");
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(
            challenge.starts_with("Bearer realm=\"mesh\"") && challenge.contains(why),
            "{challenge}"
        );
    }
    let bare = behind.ask("GET / HTTP/1.1");
    assert_eq!(
        (bare.status, bare.header("www-authenticate")),
        (401, Some("Bearer realm=\"mesh\""))
    );
    assert_eq!(behind.server.noted().len(), 1, "no other request got through");
    assert_eq!(
        published.noted().len(),
        1,
        "keys are fetched once, not for each request"
    );
}

#[test]
fn a_new_key_of_the_issuer_counts_at_once_and_made_up_names_have_nothing_fetched() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let (published, text) = changing(keys(&[&old]));
    let behind = Behind::of(&[(
        "guard",
        jwt(json!({"jwks": {"url": url(&published), "minRefreshInterval": "0s"}})),
    )]);
    assert_eq!(ask(&behind, &old.token(json!({})), "").status, 200);
    *text.lock().unwrap() = keys(&[&old, &new]);
    assert_eq!(ask(&behind, &new.token(json!({})), "").status, 200);
    assert_eq!(ask(&behind, &old.token(json!({})), "").status, 200);
    assert_eq!(published.noted().len(), 2);

    let limited = |interval: &str| {
        let options = json!({"jwks": {"url": url(&published), "minRefreshInterval": interval}});
        Behind::of(&[("guard", jwt(options))])
    };
    let behind = limited("1h");
    assert_eq!(ask(&behind, &new.token(json!({})), "").status, 200);
    let before = published.noted().len();
    for _ in 0..20 {
        let stranger = Issuer::new("made-up").token(json!({}));
        assert_eq!(ask(&behind, &stranger, "").status, 401);
    }
    assert_eq!(published.noted().len(), before);
}

#[test]
fn without_keys_nobody_passes_and_with_old_ones_everybody_who_did() {
    let issuer = Issuer::new("a");
    let (published, text) = changing(answer("500 No", "", ""));
    let behind = Behind::of(&[(
        "guard",
        jwt(json!({"jwks": {"url": url(&published), "minRefreshInterval": "0s", "wait": "1s"}})),
    )]);
    let token = issuer.token(json!({}));
    let closed = ask(&behind, &token, "");
    assert_eq!(closed.status, 503, "{closed:?}");
    assert!(closed.header("retry-after").is_some() && behind.server.noted().is_empty());
    *text.lock().unwrap() = keys(&[&issuer]);
    eventually("the keys", || {
        (ask(&behind, &token, "").status == 200).then_some(())
    });
    *text.lock().unwrap() = answer("500 No", "", "");
    let fetched = published.noted().len();
    // It has them fetched, in vain.
    assert_eq!(ask(&behind, &Issuer::new("b").token(json!({})), "").status, 401);
    assert!(published.noted().len() > fetched);
    assert_eq!(ask(&behind, &token, "").status, 200);
    eventually("the trouble in the view of problems", || {
        let overview = behind.mesh.ask("/api/problems").body + &behind.mesh.log().join("\n");
        overview
            .contains("keys of tokens cannot be fetched")
            .then_some(())
    });
}

#[test]
fn keys_in_a_file_are_taken_up_and_a_file_that_comes_late_opens_the_router() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let behind = Behind::of(&[("guard", jwt(json!({"keys": [{"pem": "key.pem"}]})))]);
    let passes = |issuer: &Issuer| ask(&behind, &issuer.token(json!({})), "").status;
    assert_eq!(passes(&old), 503);
    let state = behind.state("guard")["error"].to_string();
    assert!(state.contains("cannot read key.pem"), "{state}");
    behind.place().write("key.pem", &old.pem());
    eventually("the first key", || (passes(&old) == 200).then_some(()));
    assert_eq!(passes(&new), 401);
    behind.place().write("key.pem", &new.pem());
    eventually("the second key", || (passes(&new) == 200).then_some(()));
    assert_eq!(passes(&old), 401);
    behind.place().write("key.pem", "rubbish");
    assert_eq!(passes(&new), 200);
}

#[test]
fn options_that_would_let_the_wrong_ones_pass_close_the_router_and_tell_no_secret() {
    let mixed = json!({"jwt": {"algorithms": ["HS256", "RS256"], "keys": [{"secret": "hunter2".repeat(8)}]}});
    let behind = Behind::of(&[("guard", mixed)]);
    assert_eq!(behind.ask("GET / HTTP/1.1").status, 503);
    let state = behind.state("guard").to_string();
    assert!(
        state.contains("algorithms mixes") && !state.contains("hunter2"),
        "{state}"
    );

    let metadata = json!({"jwt": {"jwks": {"url": "http://169.254.169.254/latest"}}});
    behind.write(&document(&[("other", metadata)], &behind.server));
    eventually("the second definition", || {
        let state = behind.state("other").to_string();
        state.contains("which Mesh does not ask").then_some(())
    });
}

#[test]
fn a_token_may_come_in_a_cookie_and_stay_with_mesh() {
    let issuer = Issuer::new("a");
    let behind = Behind::of(&[(
        "guard",
        jwt(json!({"keys": [{"id": "a", "pem": issuer.pem()}], "cookie": "session", "forwardToken": false})),
    )]);
    let token = issuer.token(json!({}));
    let passed = behind.ask(&format!("GET / HTTP/1.1\r\nCookie: a=b; session={token}; c=d"));
    assert_eq!(passed.status, 200, "{passed:?}");
    assert_eq!(behind.server.last().header("cookie"), Some("a=b; c=d"));
    assert_eq!(ask(&behind, &token, "").status, 401);
}

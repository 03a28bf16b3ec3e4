//! `mesh demo --gateway`: what can stand between clients and servers, one path for each, and commands that show it.
//!
//! The keys are made when the demo starts, and gone when it ends: what is printed opens nothing anywhere else.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::{
    digest, error, rand,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mesh_config::{Fragment, document, layer::Format};
use serde_json::{Value, json};

/// How long the tokens hold, in seconds.
const TOKEN_TIME: u64 = 24 * 60 * 60;

/// Requests that the API key may make in an hour.
const QUOTA: u32 = 5;

/// Bytes that an upload may have.
const MAX_UPLOAD: u32 = 1024;

/// Routers with a guard each, and what opens them.
#[derive(Debug)]
pub(super) struct Gateway {
    /// Its routers and middlewares, for the service `whoami`.
    pub(super) fragment: Fragment,
    /// The token of a customer.
    customer: String,
    /// The token of somebody with the role `staff`.
    staff: String,
    /// One that says the same, and that somebody else signed.
    forged: String,
    /// One that says the same, and that nobody signed.
    unsigned: String,
    /// The API key.
    key: String,
}

impl Gateway {
    /// One with new keys.
    ///
    /// # Errors
    /// When the system gives no random numbers, or this very text is wrong.
    pub(super) fn new() -> Result<Self, String> {
        let broken = |_: error::Unspecified| "the system gives no random numbers".to_owned();
        let (own, other) = (
            Ed25519KeyPair::generate().map_err(broken)?,
            Ed25519KeyPair::generate().map_err(broken)?,
        );
        let mut key = [0; 24];
        rand::fill(&mut key).map_err(broken)?;
        let key = format!("demo_{}", URL_SAFE_NO_PAD.encode(key));
        let text = definitions(&own, &key).to_string();
        let fragment =
            document::parse("mesh demo", &text, Format::Yaml).map_err(|problem| problem.to_string())?;
        let head = json!({"alg": "EdDSA", "typ": "JWT"});
        Ok(Self {
            fragment,
            customer: signed(&own, &head, &claims("ann", "customer")),
            staff: signed(&own, &head, &claims("bob", "staff")),
            forged: signed(&other, &head, &claims("eve", "staff")),
            unsigned: format!("{}.", unsigned(&json!({"alg": "none"}), &claims("eve", "staff"))),
            key,
        })
    }

    /// What to try, at the `proxy` and its `api`.
    pub(super) fn introduction(&self, proxy: &str, api: &str) -> String {
        let Self {
            customer,
            staff,
            forged,
            unsigned,
            key,
            ..
        } = self;
        let requests = (1..=QUOTA + 1)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(" ");
        let too_many = MAX_UPLOAD * 2;
        format!(
            "\
Mesh runs: a gateway on http://{proxy}, its API on http://{api}, and behind the gateway two servers, a and b.
The tokens and the key below were made just now, and end with this demo. Ctrl-C ends it. Things to try in another terminal:

  # jwt: /token answers 401 to those without a token; with one the server is told who comes, in X-User
  curl -i http://{proxy}/token
  curl -i -H 'Authorization: Bearer {customer}' http://{proxy}/token

  # tokens that somebody else signed, or nobody (\"alg\": \"none\"): 401
  curl -i -H 'Authorization: Bearer {forged}' http://{proxy}/token
  curl -i -H 'Authorization: Bearer {unsigned}' http://{proxy}/token

  # /staff wants the role staff in the token as well: 403 for ann, 200 for bob
  curl -i -H 'Authorization: Bearer {customer}' http://{proxy}/staff
  curl -i -H 'Authorization: Bearer {staff}' http://{proxy}/staff

  # apiKey: /key answers 401 without a key; with one the server is told whose it is, in X-Customer, and not the key
  curl -i http://{proxy}/key
  curl -i -H 'X-Api-Key: {key}' http://{proxy}/key

  # quota: /quota lets a key make {QUOTA} requests an hour; one more is 429
  for i in {requests}; do curl -s -o /dev/null -w '%{{http_code}}\\n' -H 'X-Api-Key: {key}' http://{proxy}/quota; done

  # cache: /cache is kept for ten seconds; the second answer has the same number, and Cache-Status says hit
  for i in 1 2; do curl -s -i http://{proxy}/cache; done

  # requestLimits: /upload takes {MAX_UPLOAD} bytes; more is 413
  head -c {too_many} /dev/zero | curl -i --data-binary @- http://{proxy}/upload

  # what stands in front of what; hashes and keys are in no view
  curl 'http://{api}/api/explain?url=http://{proxy}/staff'
  curl http://{api}/api/http/middlewares
"
        )
    }
}

/// What a file would say to have the same.
fn definitions(own: &Ed25519KeyPair, key: &str) -> Value {
    let x = URL_SAFE_NO_PAD.encode(own.public_key());
    let public = json!({"kty": "OKP", "crv": "Ed25519", "x": x}).to_string();
    let jwt = |claims: Value| {
        json!({"jwt": {
            "keys": [{"jwk": public}], "algorithms": ["EdDSA"], "issuers": ["mesh demo"], "audiences": ["mesh demo"],
            "claims": claims, "headers": {"X-User": "sub"},
        }})
    };
    let hash = hex(digest::digest(&digest::SHA256, key.as_bytes()).as_ref());
    let router = |path: &str, middlewares: &[&str]| {
        json!({
            "rule": format!("PathPrefix(`/{path}`)"), "entryPoints": ["web"], "service": "whoami", "middlewares": middlewares,
        })
    };
    json!({"http": {
        "routers": {
            "token": router("token", &["token"]),
            "staff": router("staff", &["staff"]),
            "key": router("key", &["key"]),
            "quota": router("quota", &["key", "quota"]),
            "cache": router("cache", &["cache"]),
            "upload": router("upload", &["upload"]),
        },
        "middlewares": {
            "token": jwt(json!([])),
            "staff": jwt(json!([{"name": "role", "values": ["staff"]}])),
            "key": {"apiKey": {
                "keys": [{"id": "demo", "hash": hash, "metadata": {"customer": "demo"}}],
                "headers": {"X-Customer": "customer"},
            }},
            "quota": {"quota": {"limit": QUOTA, "period": "1h"}},
            "cache": {"cache": {"defaultTtl": "10s"}},
            "upload": {"requestLimits": {"maxBodyBytes": MAX_UPLOAD}},
        },
    }})
}

fn claims(subject: &str, role: &str) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "iss": "mesh demo", "aud": "mesh demo", "sub": subject, "role": role, "exp": now.as_secs() + TOKEN_TIME,
    })
}

fn unsigned(head: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(head), part(claims))
}

fn signed(key: &Ed25519KeyPair, head: &Value, claims: &Value) -> String {
    let text = unsigned(head, claims);
    let signature = URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()));
    format!("{text}.{signature}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_demo_says_of_itself_can_be_read_and_no_two_demos_share_a_key() {
        let (one, other) = (Gateway::new().unwrap(), Gateway::new().unwrap());
        let fragment = &one.fragment;
        assert!(
            fragment.problems.is_empty() && fragment.set_aside.is_empty(),
            "{:?} {:?}",
            fragment.problems,
            fragment.set_aside
        );
        assert_eq!((fragment.routers.len(), fragment.middlewares.len()), (6, 6));
        assert!(one.key != other.key && one.customer != other.customer);
        assert!(
            !format!("{fragment:?}").contains(&one.key),
            "its hash alone is known"
        );
    }
}

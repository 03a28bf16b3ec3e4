//! Somebody who signs tokens and publishes the keys to them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{KeyPair, PKCS_ED25519, SigningKey};
use serde_json::{Value, json};

use super::{Noting, ok};

/// A key with its name.
pub(crate) struct Issuer {
    id: &'static str,
    pair: KeyPair,
}

impl Issuer {
    pub(crate) fn new(id: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        Self { id, pair }
    }

    /// Its public key in PEM format.
    pub(crate) fn pem(&self) -> String {
        self.pair.public_key_pem()
    }

    /// Its public key as published.
    pub(crate) fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key_raw());
        json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": self.id, "x": x})
    }

    /// A token that says `claims`, and holds for long.
    pub(crate) fn token(&self, claims: Value) -> String {
        let mut claims = claims;
        if claims.get("exp").is_none() {
            claims["exp"] = json!(9_999_999_999_u64);
        }
        self.sign(&json!({"alg": "EdDSA", "kid": self.id}), &claims)
    }

    /// A token with any head.
    pub(crate) fn sign(&self, head: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(head), part(claims));
        let signature = self.pair.sign(signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The keys of `issuers` as an answer.
pub(crate) fn keys(issuers: &[&Issuer]) -> String {
    let keys: Vec<_> = issuers.iter().map(|issuer| issuer.jwk()).collect();
    ok(&json!({"keys": keys}).to_string())
}

/// Where `server` publishes them.
pub(crate) fn url(server: &Noting) -> String {
    format!("http://{}/keys", server.address)
}

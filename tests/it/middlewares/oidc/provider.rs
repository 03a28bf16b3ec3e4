//! An OpenID provider of few words.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    super::{Behind, Noted, Noting, answer, ok},
    SECRET,
};

/// What the provider says in place of what is right.
#[derive(Debug, Clone, Default)]
pub(super) struct Lies {
    /// Claims of ID tokens that are otherwise.
    pub(super) claims: Value,
    /// The head of ID tokens.
    pub(super) head: Option<Value>,
    /// Seconds that tokens last.
    pub(super) lasts: Option<u64>,
    /// How the client has to show who it is: by Basic, in the form, or by its name alone.
    pub(super) authentication: usize,
    /// Refresh tokens do not count any more.
    pub(super) no_refresh: bool,
}

/// A provider that gives a code to whoever knows nonce and challenge, and checks what comes with it.
pub(super) struct Provider {
    pub(super) server: Noting,
    lies: Arc<Mutex<Lies>>,
    pub(super) is_out: Arc<AtomicBool>,
}

impl Provider {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let lies = Arc::new(Mutex::new(Lies::default()));
        let is_out = Arc::new(AtomicBool::new(false));
        let (told, out) = (lies.clone(), is_out.clone());
        let server = Noting::new(move |request| {
            if out.load(Ordering::SeqCst) {
                return answer("500 Internal Server Error", "", "");
            }
            say(&key, request, &told.lock().unwrap().clone())
        });
        Self { server, lies, is_out }
    }

    pub(super) fn issuer(&self) -> String {
        format!("http://{}", self.server.address)
    }

    pub(super) fn lie(&self, lies: Lies) {
        *self.lies.lock().unwrap() = lies;
    }

    /// How often tokens were asked for with this grant.
    pub(super) fn asked(&self, grant: &str) -> usize {
        let noted = self.server.noted();
        let body = |noted: &Noted| String::from_utf8_lossy(&noted.body).into_owned();
        noted
            .iter()
            .filter(|noted| body(noted).contains(&format!("grant_type={grant}")))
            .count()
    }

    /// The middleware, with options that differ.
    pub(super) fn middleware(&self, options: Value) -> Value {
        let mut oidc = json!({
            "issuer": self.issuer(),
            "clientId": "shop",
            "clientSecret": "s3cret/with:signs",
            "algorithms": ["EdDSA"],
            "session": {"secrets": [SECRET]},
            "headers": {"X-User": "sub", "X-Groups": "groups"},
        });
        for (name, value) in options.as_object().unwrap() {
            oidc[name] = value.clone();
        }
        json!({ "oidc": oidc })
    }

    pub(super) fn guards(&self, options: Value) -> Behind {
        Behind::of(&[("login", self.middleware(options))])
    }
}

fn say(key: &KeyPair, request: &Noted, lies: &Lies) -> String {
    let issuer = format!("http://{}", request.header("host").unwrap());
    let body = match request.target() {
        "/.well-known/openid-configuration" => json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/login"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "end_session_endpoint": format!("{issuer}/end"),
        }),
        "/keys" => json!({"keys": [{
            "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": URL_SAFE_NO_PAD.encode(key.der_bytes()),
        }]}),
        "/token" => match tokens(key, &issuer, request, lies) {
            Some(tokens) => tokens,
            None => {
                return answer(
                    "400 Bad Request",
                    "",
                    &json!({"error": "invalid_grant"}).to_string(),
                );
            }
        },
        _ => return answer("404 Not Found", "", ""),
    };
    ok(&body.to_string())
}

fn tokens(key: &KeyPair, issuer: &str, request: &Noted, lies: &Lies) -> Option<Value> {
    let form = pairs(std::str::from_utf8(&request.body).unwrap());
    // `shop:s3cret/with:signs`, each half encoded.
    let basic = "Basic c2hvcDpzM2NyZXQlMkZ3aXRoJTNBc2lnbnM=";
    let in_form = |name: &str| form.get(name).map(String::as_str);
    let shown = (
        request.header("authorization"),
        in_form("client_id"),
        in_form("client_secret"),
    );
    let ways = [
        (Some(basic), None, None),
        (None, Some("shop"), Some("s3cret/with:signs")),
        (None, Some("shop"), None),
    ];
    assert_eq!(shown, ways[lies.authentication]);
    let mut claims = json!({
        "iss": issuer, "aud": "shop", "sub": "u-1", "groups": ["a", "b"], "exp": 4_000_000_000_u64, "iat": 1,
    });
    let count = match form["grant_type"].as_str() {
        "authorization_code" => {
            let (nonce, challenge) = form["code"].split_once('.')?;
            if URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"])) != challenge {
                return None;
            }
            assert!(form["redirect_uri"].ends_with("/oauth2/callback"), "{form:?}");
            claims["nonce"] = nonce.into();
            1
        }
        _ if lies.no_refresh => return None,
        _ => form["refresh_token"].strip_prefix("r-")?.parse::<u64>().unwrap() + 1,
    };
    for (name, value) in lies.claims.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    let head = lies.head.clone().unwrap_or(json!({"alg": "EdDSA", "kid": "a"}));
    let text = [&head, &claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()))
        .join(".");
    let signature = URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()).unwrap());
    Some(json!({
        "id_token": format!("{text}.{signature}"),
        "access_token": format!("access-{count}"),
        "refresh_token": format!("r-{count}"),
        "expires_in": lies.lasts.unwrap_or(600),
        "token_type": "Bearer",
    }))
}

/// The parameters of a query or form.
pub(super) fn pairs(text: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| {
        let bytes = text.replace('+', " ");
        percent_encoding::percent_decode_str(&bytes)
            .decode_utf8()
            .unwrap()
            .into_owned()
    };
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

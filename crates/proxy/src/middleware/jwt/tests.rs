//! Issuers of tokens, and what becomes of their tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, crypto};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::{Value, json};

use super::*;

/// Somebody who signs tokens.
pub(super) struct Issuer {
    id: &'static str,
    pair: KeyPair,
    pub(super) algorithm: Algorithm,
}

impl Issuer {
    pub(super) fn p256(id: &'static str) -> Self {
        Self {
            id,
            pair: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
            algorithm: Algorithm::ES256,
        }
    }

    pub(super) fn ed25519(id: &'static str) -> Self {
        Self {
            id,
            pair: KeyPair::generate_for(&PKCS_ED25519).unwrap(),
            algorithm: Algorithm::EdDSA,
        }
    }

    /// One with a key of 2048 bits, which signs with `algorithm`.
    pub(super) fn rsa(id: &'static str, algorithm: Algorithm) -> Self {
        Self {
            id,
            pair: KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap(),
            algorithm,
        }
    }

    pub(super) fn pem(&self) -> String {
        self.pair.public_key_pem()
    }

    pub(super) fn private_pem(&self) -> String {
        self.pair.serialize_pem()
    }

    pub(super) fn jwk(&self) -> Value {
        let raw = self.pair.public_key_raw();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self.algorithm {
            Algorithm::ES256 => json!({
                "kty": "EC", "crv": "P-256", "kid": self.id, "x": part(&raw[1..33]), "y": part(&raw[33..]),
            }),
            // Modulus and exponent stand at their places in a key of this length.
            Algorithm::RS256 | Algorithm::PS256 => json!({
                "kty": "RSA", "kid": self.id, "n": part(&raw[9..265]), "e": part(&raw[267..]),
            }),
            _ => json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": part(raw)}),
        }
    }

    pub(super) fn token(&self, claims: &Value) -> String {
        self.signed(
            &json!({"alg": self.algorithm, "typ": "JWT", "kid": self.id}),
            claims,
        )
    }

    pub(super) fn token_without_id(&self, claims: &Value) -> String {
        self.signed(&json!({"alg": self.algorithm}), claims)
    }

    fn signed(&self, head: &Value, claims: &Value) -> String {
        let pem = self.private_pem();
        let key = match self.algorithm {
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()),
            Algorithm::RS256 | Algorithm::PS256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
            _ => EncodingKey::from_ed_pem(pem.as_bytes()),
        };
        sign(head, claims, &key.unwrap(), self.algorithm)
    }
}

fn sign(head: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let unsigned = with_head(head, claims, "");
    let unsigned = unsigned.trim_end_matches('.');
    let signature = crypto::sign(unsigned.as_bytes(), key, algorithm).unwrap();
    format!("{unsigned}.{signature}")
}

/// A token that is signed by a secret.
pub(super) fn hmac(secret: &[u8], claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret);
    sign(&json!({"alg": "HS256"}), claims, &key, Algorithm::HS256)
}

/// A token with a signature that may be any.
pub(super) fn with_head(head: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(head), part(claims))
}

fn jwt(settings: Value) -> Result<Jwt, String> {
    let settings = serde_json::from_value(settings).unwrap();
    Jwt::new(&settings, &ProviderName::new("file"), &KeySets::default())
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    headers
}

#[test]
fn a_token_is_where_the_settings_say_and_there_is_one() {
    let found = |settings: Value, lines: &[(&str, &str)]| {
        let place = Place::new(&serde_json::from_value(settings).unwrap()).unwrap();
        place.find(&headers(lines)).map(str::to_owned)
    };
    let by_default = || json!({});
    assert_eq!(
        found(by_default(), &[("authorization", "bearer  t")]).as_deref(),
        Ok("t")
    );
    for other in ["Basic t", "t", "Bearer"] {
        assert_eq!(
            found(by_default(), &[("authorization", other)]),
            Err(Refusal::Missing),
            "{other}"
        );
    }
    let twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
    assert_eq!(found(by_default(), &twice), Err(Refusal::Malformed));
    let header = || json!({"header": "X-Token"});
    for line in ["t", "Bearer t"] {
        assert_eq!(found(header(), &[("x-token", line)]).as_deref(), Ok("t"));
    }
    assert_eq!(
        found(header(), &[("authorization", "Bearer t")]),
        Err(Refusal::Missing)
    );
    let cookie = || json!({"cookie": "token"});
    let lines = [("cookie", "a=b; token=t"), ("cookie", "c=d")];
    assert_eq!(found(cookie(), &lines).as_deref(), Ok("t"));
    assert_eq!(
        found(cookie(), &[("authorization", "Bearer t")]),
        Err(Refusal::Missing)
    );
    assert_eq!(
        found(cookie(), &[("cookie", "token=a; token=b")]),
        Err(Refusal::Malformed)
    );
    let both = json!({"cookie": "token", "header": "Authorization"});
    assert_eq!(found(both, &[("cookie", "token=t")]).as_deref(), Ok("t"));
}

#[test]
fn a_token_that_servers_do_not_get_is_taken_away_alone() {
    let place =
        Place::new(&serde_json::from_value(json!({"cookie": "token", "header": "X-T"})).unwrap()).unwrap();
    let mut lines = headers(&[
        ("cookie", "a=b; token=t"),
        ("cookie", "c=d=e"),
        ("x-t", "t"),
        ("x-u", "u"),
    ]);
    place.clear(&mut lines);
    assert_eq!(lines["cookie"], "a=b; c=d=e");
    assert!(!lines.contains_key("x-t") && lines.contains_key("x-u"));
    let mut only = headers(&[("cookie", "token=t")]);
    place.clear(&mut only);
    assert!(!only.contains_key("cookie"));
}

#[test]
fn what_clients_are_told_is_a_challenge() {
    let jwt =
        jwt(json!({"algorithms": ["HS256"], "keys": [{"secret": "s".repeat(32)}], "realm": "shop"})).unwrap();
    let told = |refusal| {
        let response = jwt.response(refusal);
        let challenge = response.headers()[header::WWW_AUTHENTICATE]
            .to_str()
            .unwrap()
            .to_owned();
        (response.status().as_u16(), challenge)
    };
    assert_eq!(told(Refusal::Missing), (401, "Bearer realm=\"shop\"".to_owned()));
    let (status, challenge) = told(Refusal::Expired);
    assert_eq!(status, 401);
    assert!(challenge.contains("error=\"invalid_token\", error_description=\"the token expired\""));
    let (status, challenge) = told(Refusal::Claims);
    assert!(
        status == 403 && challenge.contains("error=\"insufficient_scope\""),
        "{challenge}"
    );
}

#[test]
fn settings_that_would_let_the_wrong_ones_pass_are_refused() {
    let long = "s".repeat(32);
    let pem = Issuer::p256("a").pem();
    let private = Issuer::p256("a").private_pem();
    let jwks = json!({"url": "https://idp.example/keys"});
    for (settings, why) in [
        (json!({}), "keys is empty"),
        (
            json!({"keys": [{"pem": pem}], "algorithms": []}),
            "algorithms is empty",
        ),
        (
            json!({"keys": [{"pem": pem}], "algorithms": ["ES256", "HS256"]}),
            "mixes",
        ),
        (json!({"jwks": jwks, "algorithms": ["HS256"]}), "public keys"),
        (
            json!({"keys": [{"pem": pem}]}),
            "keys[0] verifies none of the algorithms",
        ),
        (
            json!({"keys": [{"secret": long}], "algorithms": ["ES256"]}),
            "keys[0] verifies none",
        ),
        (
            json!({"keys": [{"pem": private}], "algorithms": ["ES256"]}),
            "keys[0] pem is a private key",
        ),
        (
            json!({"keys": [{"secret": "hunter2"}], "algorithms": ["HS256"]}),
            "shorter than 32 bytes",
        ),
        (json!({"keys": [{"id": "a"}]}), "keys[0] holds no key"),
        (
            json!({"keys": [{"pem": pem, "secret": long}]}),
            "keys[0] holds more than one",
        ),
    ] {
        let error = jwt(settings.clone()).unwrap_err();
        assert!(
            error.contains(why) && !error.contains("hunter2"),
            "{settings}: {error}"
        );
    }
}

#[test]
fn settings_that_cannot_be_used_say_why() {
    let jwks = json!({"url": "https://idp.example/keys"});
    for (settings, why) in [
        (json!({"keys": [{"jwk": "{}"}]}), "keys[0] jwk holds no key"),
        (
            json!({"keys": [{"jwkFile": "/nowhere/jwk"}]}),
            "cannot read /nowhere/jwk",
        ),
        (
            json!({"jwks": {"url": "http://169.254.169.254/"}}),
            "does not ask",
        ),
        (json!({"jwks": {"url": "idp"}}), "no URL"),
        (
            json!({"jwks": {"url": "https://a.b", "timeout": "0s"}}),
            "jwks.timeout",
        ),
        (
            json!({"jwks": jwks, "headers": {"Host": "sub"}}),
            "how a request is sent",
        ),
        (
            json!({"jwks": jwks, "claims": [{"values": ["a"]}]}),
            "has no name",
        ),
        (json!({"jwks": jwks, "realm": "a\"b"}), "realm"),
        (json!({"jwks": jwks, "cookie": "a=b"}), "cookie"),
        (json!({"jwks": jwks, "header": "a b"}), "header"),
    ] {
        let error = jwt(settings.clone()).unwrap_err();
        assert!(
            error.contains(why) && !error.contains("hunter2"),
            "{settings}: {error}"
        );
    }
}

#[tokio::test]
async fn who_carries_a_good_token_is_told_to_servers() {
    let issuer = Issuer::ed25519("a");
    let jwt = jwt(json!({
        "keys": [{"id": "a", "pem": issuer.pem()}],
        "algorithms": ["EdDSA"],
        "issuers": ["me"],
        "headers": {"X-User": "sub", "X-Groups": "groups", "X-None": "none"},
        "claims": [{"name": "groups", "values": ["b"]}],
    }))
    .unwrap();
    let claims = json!({"iss": "me", "exp": 9_999_999_999_u64, "sub": "you", "groups": ["a", "b"]});
    let sent = headers(&[("authorization", &format!("Bearer {}", issuer.token(&claims)))]);
    let said = jwt.admit(&sent).await.unwrap();
    let mut told = HeaderMap::new();
    tell(&jwt.headers, &said, &mut told).unwrap();
    assert_eq!(
        (&told["x-user"], &told["x-groups"]),
        (&"you".parse().unwrap(), &"a,b".parse().unwrap())
    );
    assert!(!told.contains_key("x-none"));
    for (changed, why) in [
        (json!({"iss": "you"}), Refusal::Issuer),
        (json!({"groups": ["a"]}), Refusal::Claims),
        (json!({"exp": 1}), Refusal::Expired),
    ] {
        let mut claims = claims.clone();
        for (name, value) in changed.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let sent = headers(&[("authorization", &format!("Bearer {}", issuer.token(&claims)))]);
        assert_eq!(jwt.admit(&sent).await, Err(why));
    }
}

#[test]
fn keys_in_files_are_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jwks.json");
    let (a, b) = (Issuer::p256("a"), Issuer::p256("b"));
    let write = |text: String| {
        let aside = path.with_extension("aside");
        std::fs::write(&aside, text).unwrap();
        std::fs::rename(&aside, &path).unwrap();
    };
    write(json!({"keys": [a.jwk()]}).to_string());
    let jwt = jwt(json!({"keys": [{"jwkFile": path}], "algorithms": ["ES256"]})).unwrap();
    let tokens = [a.token(&json!({})), b.token(&json!({}))];
    // The very same token again and again: that it was verified once is worth nothing when the keys have changed.
    let counts = |issuer: &Issuer| {
        let token = &tokens[usize::from(issuer.id == "b")];
        (0..3).all(|_| jwt.verify(token).is_ok())
    };
    assert!(counts(&a) && !counts(&b));
    write(json!({"keys": [b.jwk()]}).to_string());
    jwt.refresh();
    assert!(counts(&b) && !counts(&a) && jwt.trouble().is_none());
    write("{".to_owned());
    assert!(jwt.refresh());
    assert!(counts(&b) && jwt.trouble().unwrap().contains("serves on"));
}

#[tokio::test]
async fn a_token_that_was_verified_is_judged_each_time() {
    let issuer = Issuer::p256("a");
    let jwt = jwt(json!({"keys": [{"pem": issuer.pem()}], "algorithms": ["ES256"], "leeway": "0s"})).unwrap();
    let now = SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let token = issuer.token(&json!({"exp": now.as_secs_f64() + 0.5}));
    let sent = headers(&[("authorization", &format!("Bearer {token}"))]);
    assert!(jwt.admit(&sent).await.is_ok());
    let forged = headers(&[("authorization", &format!("Bearer {token}x"))]);
    assert!(
        jwt.admit(&forged).await.is_err(),
        "a token that is like it is another"
    );
    let expired = async {
        while jwt.admit(&sent).await.is_ok() {
            tokio::task::yield_now().await;
        }
        jwt.admit(&sent).await
    };
    let refused = tokio::time::timeout(std::time::Duration::from_secs(30), expired).await;
    assert_eq!(refused.unwrap(), Err(Refusal::Expired));
}

#[test]
fn a_token_is_known_again_whatever_signed_it() {
    for (name, issuer) in [
        ("ES256", Issuer::p256("a")),
        ("RS256", Issuer::rsa("a", Algorithm::RS256)),
    ] {
        let jwt = jwt(json!({"keys": [{"pem": issuer.pem()}], "algorithms": [name]})).unwrap();
        let claims = json!({"iss": "https://idp.example.com", "sub": "me", "roles": ["a", "b"]});
        let token = issuer.token(&claims);
        let parsed = Token::parse(&token, &jwt.algorithms).unwrap();
        assert!(parsed.verify(&jwt.own.get()).is_ok(), "{name}");
        for _ in 0..2 {
            assert!(jwt.verify(&token).is_ok(), "{name}");
        }
    }
}

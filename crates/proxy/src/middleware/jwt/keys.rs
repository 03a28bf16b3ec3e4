//! Keys, each with the signatures that it may be used for.

use std::sync::atomic::{AtomicU64, Ordering};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde_json::Value;

/// Keys in one set; more are a mistake, or an attempt to keep workers busy.
const MAX_KEYS: usize = 100;

/// Keys that are tried for a token that names none.
const MAX_TRIES: usize = 8;

/// The shortest secret in bytes (RFC 7518 3.2): a shorter one can be guessed from a single token.
pub(super) const MIN_SECRET: usize = 32;

/// The shortest RSA modulus in bytes (RFC 7518 3.3).
const MIN_MODULUS: usize = 256;

/// Keys in the order in which they are tried.
#[derive(Debug)]
pub(in crate::middleware) struct Keys {
    keys: Vec<Key>,
    /// No two sets have the same, be they alike or not.
    edition: u64,
}

/// Editions that were given away.
static EDITIONS: AtomicU64 = AtomicU64::new(0);

/// One key.
#[derive(Debug, Clone)]
pub(in crate::middleware) struct Key {
    /// What tokens call it; `None` if they do not name it.
    pub(super) id: Option<Box<str>>,
    algorithms: &'static [Algorithm],
    key: DecodingKey,
}

const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];
const HMAC: &[Algorithm] = &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

/// Where a set comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::middleware) enum Origin {
    /// The operator's own word.
    Own,
    /// A place that everybody may ask: a secret in it is none.
    Public,
}

impl Keys {
    pub(in crate::middleware) fn new(keys: Vec<Key>) -> Self {
        let edition = EDITIONS.fetch_add(1, Ordering::Relaxed);
        Self { keys, edition }
    }

    /// The keys of all of `sets`.
    pub(super) fn of_all(sets: Vec<Self>) -> Self {
        Self::new(sets.into_iter().flat_map(|set| set.keys).collect())
    }

    /// The keys that a token signed with `algorithm` may mean. With `id` those of that name, and those without one.
    pub(super) fn candidates(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &DecodingKey> {
        let is_meant = move |key: &&Key| match (id, &key.id) {
            (Some(id), Some(known)) => **known == *id,
            (None, _) | (_, None) => true,
        };
        let fits = move |key: &&Key| key.algorithms.contains(&algorithm);
        self.keys
            .iter()
            .filter(is_meant)
            .filter(fits)
            .map(|key| &key.key)
            .take(MAX_TRIES)
    }

    /// Which set this is; one that is read again is another.
    pub(super) fn edition(&self) -> u64 {
        self.edition
    }

    /// True if one of them has this name.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// True if one of them fits one of `algorithms`.
    pub(super) fn fit_any(&self, algorithms: &[Algorithm]) -> bool {
        self.keys
            .iter()
            .any(|key| key.algorithms.iter().any(|known| algorithms.contains(known)))
    }

    /// The keys in the text of a JWK or a set of them. Those for something else, and of kinds that nobody here knows,
    /// are left out.
    ///
    /// # Errors
    /// When it is no such text, or nothing in it can be used.
    pub(in crate::middleware) fn parse(text: &[u8], origin: Origin) -> Result<Vec<Key>, &'static str> {
        let mut value: Value = serde_json::from_slice(text).map_err(|_| "is no JSON")?;
        let listed = match value.get_mut("keys").map(Value::take) {
            Some(Value::Array(keys)) => keys,
            Some(_) => return Err("has keys that are no list"),
            None => vec![value],
        };
        if listed.len() > MAX_KEYS {
            return Err("holds more than 100 keys");
        }
        let keys = listed.into_iter().filter_map(|value| {
            let jwk: Jwk = serde_json::from_value(value).ok()?;
            Key::of_jwk(&jwk, origin)
        });
        let keys: Vec<_> = keys.collect();
        match keys.is_empty() {
            true => Err("holds no key that can verify a signature"),
            false => Ok(keys),
        }
    }
}

impl Key {
    /// A public key in PEM format.
    pub(super) fn of_pem(text: &str) -> Result<Self, &'static str> {
        if text.contains("PRIVATE KEY-----") {
            return Err("is a private key, which belongs to the issuer alone; write the public one");
        }
        if text.contains("CERTIFICATE-----") {
            return Err("is a certificate; write its key (openssl x509 -pubkey -noout)");
        }
        let pem = text.trim().as_bytes();
        let kinds = [
            DecodingKey::from_rsa_pem,
            DecodingKey::from_ec_pem,
            DecodingKey::from_ed_pem,
        ];
        let key = kinds.iter().find_map(|read| read(pem).ok());
        let key = key.ok_or("holds no public key in PEM format (RSA, P-256, P-384 or Ed25519)")?;
        let length = key.try_get_as_bytes().map_or(0, <[u8]>::len);
        let algorithms: &[Algorithm] = match key.family() {
            jsonwebtoken::AlgorithmFamily::Rsa if length < MIN_MODULUS => {
                return Err("is an RSA key of less than 2048 bits");
            }
            jsonwebtoken::AlgorithmFamily::Rsa => RSA,
            jsonwebtoken::AlgorithmFamily::Ed => &[Algorithm::EdDSA],
            // An uncompressed point of the curve.
            jsonwebtoken::AlgorithmFamily::Ec if length == 65 => &[Algorithm::ES256],
            jsonwebtoken::AlgorithmFamily::Ec if length == 97 => &[Algorithm::ES384],
            _ => return Err("is a key on a curve that is not known (P-256, P-384, Ed25519)"),
        };
        Ok(Self {
            id: None,
            algorithms,
            key,
        })
    }

    /// A secret that is shared with the issuer.
    pub(super) fn of_secret(secret: &[u8]) -> Result<Self, &'static str> {
        if secret.len() < MIN_SECRET {
            return Err(
                "is shorter than 32 bytes and can be guessed; make one with: openssl rand -base64 48",
            );
        }
        Ok(Self {
            id: None,
            algorithms: HMAC,
            key: DecodingKey::from_secret(secret),
        })
    }

    fn of_jwk(jwk: &Jwk, origin: Origin) -> Option<Self> {
        let is_for_signatures = match (&jwk.common.public_key_use, &jwk.common.key_operations) {
            (Some(PublicKeyUse::Signature), _) | (None, None) => true,
            (None, Some(operations)) => operations.contains(&KeyOperations::Verify),
            (Some(_), _) => false,
        };
        let algorithms: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => RSA,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                &[Algorithm::ES256]
            }
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => {
                &[Algorithm::ES384]
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                &[Algorithm::EdDSA]
            }
            AlgorithmParameters::OctetKey(_) if origin == Origin::Own => HMAC,
            _ => return None,
        };
        let algorithms = match jwk.common.key_algorithm {
            None => algorithms,
            Some(only) => one_of(algorithms, only)?,
        };
        let key = DecodingKey::from_jwk(jwk).ok().filter(|_| is_for_signatures)?;
        let is_strong = match key.kind() {
            jsonwebtoken::DecodingKeyKind::RsaModulusExponent { n, .. } => {
                n.iter().skip_while(|byte| **byte == 0).count() >= MIN_MODULUS
            }
            jsonwebtoken::DecodingKeyKind::SecretOrDer(secret) => {
                !matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_)) || secret.len() >= MIN_SECRET
            }
        };
        is_strong.then(|| Self {
            id: jwk.common.key_id.as_deref().map(Into::into),
            algorithms,
            key,
        })
    }
}

/// The one of `algorithms` that is `only`.
fn one_of(algorithms: &'static [Algorithm], only: KeyAlgorithm) -> Option<&'static [Algorithm]> {
    let only = Algorithm::try_from(only).ok()?;
    let at = algorithms.iter().position(|known| *known == only)?;
    algorithms.get(at..=at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::tests::Issuer, *};

    fn fitting(text: &Value, origin: Origin) -> Result<Vec<Algorithm>, &'static str> {
        let keys = Keys::parse(text.to_string().as_bytes(), origin)?;
        Ok(keys.iter().flat_map(|key| key.algorithms).copied().collect())
    }

    #[test]
    fn a_key_is_used_for_signatures_of_its_own_kind_only() {
        let jwk = Issuer::p256("a").jwk();
        assert_eq!(fitting(&jwk, Origin::Public), Ok(vec![Algorithm::ES256]));
        let with = |name: &str, value: Value| {
            let mut jwk = jwk.clone();
            jwk[name] = value;
            fitting(&json!({"keys": [jwk]}), Origin::Public)
        };
        for (name, value) in [
            ("use", json!("enc")),
            ("key_ops", json!(["encrypt"])),
            ("alg", json!("RS256")),
            ("alg", json!("HS256")),
            ("alg", json!("none")),
            ("crv", json!("secp256k1")),
            ("kty", json!("AKP")),
        ] {
            assert!(with(name, value.clone()).is_err(), "{name} {value}");
        }
        assert_eq!(with("alg", json!("ES256")), Ok(vec![Algorithm::ES256]));
        assert_eq!(with("key_ops", json!(["verify"])), Ok(vec![Algorithm::ES256]));
    }

    #[test]
    fn what_cannot_be_used_leaves_the_rest_of_a_set_alone() {
        let odd = json!({"kty": "EC", "crv": "P-1", "x": "a", "y": "b"});
        let set = json!({"keys": [odd, 7, Issuer::ed25519("b").jwk(), Issuer::p256("a").jwk()]});
        assert_eq!(
            fitting(&set, Origin::Public),
            Ok(vec![Algorithm::EdDSA, Algorithm::ES256])
        );
        for text in [json!({"keys": []}), json!({"keys": 1}), json!({}), json!([])] {
            assert!(fitting(&text, Origin::Own).is_err(), "{text}");
        }
        let many = vec![Issuer::p256("a").jwk(); MAX_KEYS + 1];
        assert!(fitting(&json!({"keys": many}), Origin::Own).is_err());
    }

    #[test]
    fn a_secret_counts_as_one_only_where_it_is_kept_and_is_long() {
        let long = json!({"kty": "oct", "k": "A".repeat(43)});
        assert_eq!(fitting(&long, Origin::Own).unwrap(), HMAC);
        assert!(fitting(&long, Origin::Public).is_err());
        assert!(fitting(&json!({"kty": "oct", "k": "AAAA"}), Origin::Own).is_err());
        assert!(Key::of_secret(&[0; MIN_SECRET - 1]).is_err());
        assert!(Key::of_secret(&[0; MIN_SECRET]).is_ok());
    }

    #[test]
    fn weak_rsa_keys_are_left_out() {
        let key = |bytes: usize| json!({"kty": "RSA", "e": "AQAB", "n": "_".repeat(bytes * 4 / 3)});
        assert!(fitting(&key(128), Origin::Public).is_err());
        assert_eq!(fitting(&key(384), Origin::Public).unwrap(), RSA);
    }

    #[test]
    fn a_pem_is_a_public_key() {
        for issuer in [Issuer::p256("a"), Issuer::ed25519("a")] {
            let key = Key::of_pem(&issuer.pem()).unwrap();
            assert_eq!(key.algorithms, [issuer.algorithm]);
            assert!(
                Key::of_pem(&issuer.private_pem())
                    .unwrap_err()
                    .contains("private")
            );
        }
        for text in ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
            assert!(Key::of_pem(text).is_err(), "{text:?}");
        }
    }
}

//! Tokens (RFC 7519) in the compact form of RFC 7515.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, crypto};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use super::keys::Keys;

/// The longest token that is looked at, in bytes. A head of a request has no more room by default.
const MAX_TOKEN: usize = 64 * 1024;

/// What a token says.
pub(in crate::middleware) type Claims = Map<String, Value>;

/// Why a token does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::middleware) enum Refusal {
    /// There is none.
    Missing,
    /// It is none.
    Malformed,
    /// It is signed in a way that is not allowed.
    Algorithm,
    /// No key has the name that it says; or it says none, and no key fits.
    UnknownKey,
    /// It is signed by nobody who is known.
    Signature,
    /// It is over.
    Expired,
    /// It never ends.
    NoExpiration,
    /// It does not hold yet.
    Early,
    /// It is of another issuer.
    Issuer,
    /// It is for others.
    Audience,
    /// It does not say what is asked for.
    Claims,
    /// There are no keys.
    NoKeys,
}

impl Refusal {
    /// For clients; tells nothing that helps to forge a token.
    pub(in crate::middleware) fn text(self) -> &'static str {
        match self {
            Self::Missing => "a token is required",
            Self::Malformed => "the token is malformed",
            Self::Algorithm => "the algorithm of the token is not allowed",
            Self::UnknownKey | Self::Signature => "the signature of the token is not valid",
            Self::Expired => "the token expired",
            Self::NoExpiration => "the token never expires",
            Self::Early => "the token is not valid yet",
            Self::Issuer => "the issuer of the token is not allowed",
            Self::Audience => "the token is for another audience",
            Self::Claims => "the token lacks a claim that is required",
            Self::NoKeys => "no keys to verify tokens with",
        }
    }
}

/// A token that may be any.
#[derive(Debug)]
pub(in crate::middleware) struct Token<'t> {
    algorithm: Algorithm,
    key: Option<String>,
    signed: &'t str,
    payload: &'t str,
    signature: &'t str,
}

/// The head of a token. What stands in it besides says nothing here: keys come from nowhere but the settings.
#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood; none is (RFC 7515 4.1.11).
    crit: Option<IgnoredAny>,
}

impl<'t> Token<'t> {
    /// Takes `text` apart.
    pub(in crate::middleware) fn parse(text: &'t str, allowed: &[Algorithm]) -> Result<Self, Refusal> {
        if text.len() > MAX_TOKEN {
            return Err(Refusal::Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (head, payload) = signed.split_once('.').ok_or(Refusal::Malformed)?;
        if payload.contains('.') {
            return Err(Refusal::Malformed);
        }
        let head: Head = decoded(head)?;
        if head.crit.is_some() {
            return Err(Refusal::Malformed);
        }
        // `none` is no algorithm that could be allowed.
        let algorithm = head.alg.parse().map_err(|_| Refusal::Algorithm)?;
        if !allowed.contains(&algorithm) {
            return Err(Refusal::Algorithm);
        }
        Ok(Self {
            algorithm,
            key: head.kid,
            signed,
            payload,
            signature,
        })
    }

    /// What it says, if one of `keys` signed it.
    pub(in crate::middleware) fn verify(&self, keys: &Keys) -> Result<Claims, Refusal> {
        let mut candidates = keys.candidates(self.key.as_deref(), self.algorithm);
        let is_signed = candidates.any(|key| {
            let verified = crypto::verify(self.signature, self.signed.as_bytes(), key, self.algorithm);
            verified.unwrap_or(false)
        });
        if is_signed {
            return decoded(self.payload);
        }
        Err(match &self.key {
            Some(id) if keys.knows(id) => Refusal::Signature,
            _ => Refusal::UnknownKey,
        })
    }
}

fn decoded<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{
            keys::{Key, Origin},
            tests::{Issuer, hmac, with_head},
        },
        *,
    };

    const ALL: &[Algorithm] = &[
        Algorithm::ES256,
        Algorithm::EdDSA,
        Algorithm::RS256,
        Algorithm::PS256,
    ];

    fn keys(issuers: &[&Issuer]) -> Keys {
        let keys = issuers
            .iter()
            .flat_map(|issuer| Keys::parse(issuer.jwk().to_string().as_bytes(), Origin::Public).unwrap());
        Keys::new(keys.collect())
    }

    fn verified(text: &str, keys: &Keys, allowed: &[Algorithm]) -> Result<Claims, Refusal> {
        Token::parse(text, allowed)?.verify(keys)
    }

    #[test]
    fn a_token_counts_when_the_key_it_names_signed_it() {
        let (a, b) = (Issuer::p256("a"), Issuer::ed25519("b"));
        let keys = keys(&[&a, &b]);
        for issuer in [&a, &b] {
            let token = issuer.token(&json!({"sub": "me"}));
            assert_eq!(verified(&token, &keys, ALL).unwrap()["sub"], "me");
            let unnamed = issuer.token_without_id(&json!({"sub": "me"}));
            assert!(verified(&unnamed, &keys, ALL).is_ok());
        }
        for algorithm in [Algorithm::RS256, Algorithm::PS256] {
            let issuer = Issuer::rsa("r", algorithm);
            let token = issuer.token(&json!({"sub": "me"}));
            let of_pem = Keys::new(vec![Key::of_pem(&issuer.pem()).unwrap()]);
            for keys in [self::keys(&[&issuer]), of_pem] {
                assert!(verified(&token, &keys, ALL).is_ok(), "{algorithm:?}");
                assert_eq!(
                    verified(&token, &keys, &[Algorithm::ES256]),
                    Err(Refusal::Algorithm)
                );
            }
        }
        let stranger = Issuer::p256("a").token(&json!({}));
        assert_eq!(verified(&stranger, &keys, ALL), Err(Refusal::Signature));
        let unknown = Issuer::p256("c").token(&json!({}));
        assert_eq!(verified(&unknown, &keys, ALL), Err(Refusal::UnknownKey));
    }

    #[test]
    fn no_part_of_a_token_can_be_changed() {
        let issuer = Issuer::p256("a");
        let keys = keys(&[&issuer]);
        let token = issuer.token(&json!({"sub": "me", "admin": false}));
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            // Not the last letter before a dot: its low bits may be none of the message's.
            changed[at] = if changed[at] == b'A' { b'Z' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(verified(&changed, &keys, ALL).is_err(), "{at} of {token}");
        }
    }

    #[test]
    fn only_the_algorithms_that_are_allowed_count_and_none_never_does() {
        let issuer = Issuer::p256("a");
        let keys = keys(&[&issuer]);
        let token = issuer.token(&json!({}));
        assert_eq!(
            verified(&token, &keys, &[Algorithm::RS256]),
            Err(Refusal::Algorithm)
        );
        for name in ["none", "None", "NONE", "nOnE", "", "HS256", "ES256K"] {
            let head = json!({"alg": name, "kid": "a"});
            let forged = with_head(&head, &json!({"sub": "me"}), "");
            assert_eq!(verified(&forged, &keys, ALL), Err(Refusal::Algorithm), "{name}");
        }
        let unsigned = with_head(&json!({"alg": "ES256", "kid": "a"}), &json!({}), "");
        assert_eq!(verified(&unsigned, &keys, ALL), Err(Refusal::Signature));
    }

    /// The classic confusion: the public key, which everybody has, taken for a secret.
    #[test]
    fn a_public_key_is_never_taken_for_a_secret() {
        let issuer = Issuer::p256("a");
        let pem = issuer.pem();
        let forged = hmac(pem.as_bytes(), &json!({"sub": "me"}));
        let secret = Key::of_secret(&[7; 32]).unwrap();
        let keys = Keys::new(vec![Key::of_pem(&pem).unwrap(), secret]);
        let allowed = [Algorithm::ES256, Algorithm::HS256];
        assert_eq!(verified(&forged, &keys, &allowed), Err(Refusal::UnknownKey));
        assert!(verified(&hmac(&[7; 32], &json!({})), &keys, &allowed).is_ok());
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let issuer = Issuer::p256("a");
        let keys = keys(&[&issuer]);
        let token = issuer.token(&json!({}));
        let [head, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
            panic!("{token}")
        };
        for text in [
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            format!("{head}.{payload}"),
            format!("{head}.{payload}.{signature}.{signature}"),
            format!("{head}=.{payload}.{signature}"),
            format!(" {head}.{payload}.{signature}"),
            "a".repeat(MAX_TOKEN + 1),
            with_head(
                &json!({"alg": "ES256", "crit": ["b64"], "b64": false}),
                &json!({}),
                "x",
            ),
            with_head(&json!({"kid": "a"}), &json!({}), "x"),
            with_head(&json!(["ES256"]), &json!({}), "x"),
        ] {
            assert_eq!(verified(&text, &keys, ALL), Err(Refusal::Malformed), "{text:.80}");
        }
    }
}

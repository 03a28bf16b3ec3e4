//! What is said to the token endpoint of a provider, and what it answers.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::session::Claims;

/// Why there are no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// The provider cannot be asked, or answers what cannot be used.
    #[error("{0}")]
    Out(String),
    /// It refuses, or what it gave does not hold.
    #[error("{0}")]
    Refused(String),
}

/// What the provider gives.
#[derive(Clone, Default)]
pub(super) struct Tokens {
    pub(super) id_token: Option<String>,
    pub(super) access_token: Option<String>,
    pub(super) refresh_token: Option<String>,
    /// When they are over, in seconds since 1970.
    pub(super) expires: u64,
    /// Claims beside those of the ID token.
    pub(super) more: Claims,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "tokens until {}", self.expires)
    }
}

/// What tokens are asked for with, and what they have to fit.
pub(super) enum Grant {
    /// A login.
    Code {
        code: String,
        redirect: String,
        verifier: String,
        nonce: String,
    },
    /// A session of this user.
    Refresh { token: String, subject: String },
}

/// What a token endpoint answers.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    pub(super) id_token: Option<String>,
    pub(super) access_token: Option<String>,
    pub(super) refresh_token: Option<String>,
    pub(super) expires_in: Option<f64>,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: String,
}

/// What is asked of an ID token beside what is asked of any token (OpenID Connect Core 3.1.3.7, 12.2).
pub(super) fn fits(claims: &Claims, client_id: &str, grant: &Grant) -> Result<(), &'static str> {
    let subject = text(claims, "sub")
        .filter(|subject| !subject.is_empty())
        .ok_or("its ID token names no user")?;
    let is_for_several = claims
        .get("aud")
        .and_then(|aud| aud.as_array())
        .is_some_and(|aud| aud.len() > 1);
    match text(claims, "azp") {
        Some(party) if party != client_id => return Err("its ID token was made for another client"),
        None if is_for_several => return Err("its ID token is for several clients and names none"),
        Some(_) | None => {}
    }
    match grant {
        Grant::Code { nonce, .. } => {
            let found = text(claims, "nonce").unwrap_or_default();
            let is_same = verify_slices_are_equal(found.as_bytes(), nonce.as_bytes()).is_ok();
            is_same
                .then_some(())
                .ok_or("its ID token belongs to another login")
        }
        Grant::Refresh { subject: before, .. } => (subject == before)
            .then_some(())
            .ok_or("its ID token is of another user"),
    }
}

pub(super) fn read_tokens(status: StatusCode, body: &[u8]) -> Result<TokenAnswer, Trouble> {
    let out = |why: String| Trouble::Out(format!("its token endpoint {why}"));
    if status == StatusCode::OK {
        return serde_json::from_slice(body).map_err(|_| out("answers what cannot be read".to_owned()));
    }
    let error = serde_json::from_slice(body)
        .map(|answer: ErrorAnswer| answer.error)
        .unwrap_or_default();
    let error: String = error
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .take(64)
        .collect();
    match error.as_str() {
        "invalid_grant" => Err(Trouble::Refused("invalid_grant".to_owned())),
        error => Err(out(format!("answers with status {} {error}", status.as_u16()))),
    }
}

/// `Authorization` of a client, each half encoded first (RFC 6749 2.3.1).
pub(super) fn basic(client_id: &str, secret: &str) -> Result<HeaderValue, Trouble> {
    let pair = format!("{}:{}", escaped(client_id), escaped(secret));
    let value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)));
    let mut value = value.map_err(|_| Trouble::Out("the client's secret fits in no header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

pub(super) fn encoded(form: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = form
        .iter()
        .map(|(name, value)| format!("{name}={}", escaped(value)))
        .collect();
    pairs.join("&")
}

fn escaped(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, RESERVED)
}

/// All but what forms and client passwords leave as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

pub(super) fn text<'c>(claims: &'c Claims, name: &str) -> Option<&'c str> {
    claims.get(name)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn code() -> Grant {
        Grant::Code {
            code: "c".to_owned(),
            redirect: "https://a.test/oauth2/callback".to_owned(),
            verifier: "v".to_owned(),
            nonce: "n".to_owned(),
        }
    }

    fn refresh() -> Grant {
        Grant::Refresh {
            token: "r".to_owned(),
            subject: "u".to_owned(),
        }
    }

    fn fitting(claims: Value, grant: &Grant) -> bool {
        fits(claims.as_object().unwrap(), "me", grant).is_ok()
    }

    #[test]
    fn an_id_token_is_for_this_client_and_this_login() {
        for (claims, holds) in [
            (json!({"sub": "u", "nonce": "n", "aud": "me"}), true),
            (json!({"sub": "u", "nonce": "n", "aud": ["me"]}), true),
            (
                json!({"sub": "u", "nonce": "n", "aud": ["me", "you"], "azp": "me"}),
                true,
            ),
            (json!({"sub": "u", "nonce": "n", "aud": ["me", "you"]}), false),
            (
                json!({"sub": "u", "nonce": "n", "aud": "me", "azp": "you"}),
                false,
            ),
            (json!({"sub": "u", "nonce": "m", "aud": "me"}), false),
            (json!({"sub": "u", "aud": "me"}), false),
            (json!({"sub": "", "nonce": "n"}), false),
            (json!({"sub": 1, "nonce": "n"}), false),
            (json!({"nonce": "n"}), false),
        ] {
            assert_eq!(fitting(claims.clone(), &code()), holds, "{claims}");
        }
    }

    #[test]
    fn a_refreshed_token_is_of_the_same_user() {
        assert!(fitting(json!({"sub": "u"}), &refresh()));
        assert!(!fitting(json!({"sub": "v"}), &refresh()));
    }

    #[test]
    fn only_a_grant_that_is_over_is_a_refusal() {
        let read =
            |status: u16, body: &str| read_tokens(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        assert!(read(200, r#"{"access_token":"a"}"#).is_ok());
        let refused = read(400, r#"{"error":"invalid_grant"}"#);
        assert!(matches!(refused, Err(Trouble::Refused(_))));
        for (status, body) in [
            (200, "<html>"),
            (400, r#"{"error":"invalid_request"}"#),
            (401, r#"{"error":"invalid_client"}"#),
            (500, ""),
            (503, "busy"),
        ] {
            assert!(
                matches!(read(status, body), Err(Trouble::Out(_))),
                "{status} {body}"
            );
        }
        let Err(tainted) = read(400, "{\"error\":\"a\\nb <c>\"}") else {
            panic!("taken")
        };
        assert_eq!(
            tainted.to_string(),
            "its token endpoint answers with status 400 abc"
        );
    }

    #[test]
    fn names_and_secrets_with_signs_are_encoded_before_they_are_joined() {
        let value = basic("me:you", "a b/+%").unwrap();
        let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap(), b"me%3Ayou:a%20b%2F%2B%25");
        assert!(value.is_sensitive());
        assert_eq!(
            super::encoded(&[("a", "b&c=d"), ("e", "f_g")]),
            "a=b%26c%3Dd&e=f_g"
        );
    }
}

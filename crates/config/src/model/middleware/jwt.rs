//! Options of `jwt`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::Hidden;
use crate::model::{Pem, is_default};

/// Lets requests pass that carry a signed token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Jwt {
    /// Where the keys of an issuer are.
    #[serde(skip_serializing_if = "is_default")]
    pub jwks: Option<Jwks>,
    /// Keys that are known.
    #[serde(skip_serializing_if = "is_default")]
    pub keys: Vec<JwtKey>,
    /// Signatures that count.
    pub algorithms: Vec<JwtAlgorithm>,
    /// Whose tokens count (`iss`); none means anybody's that a key fits.
    #[serde(skip_serializing_if = "is_default")]
    pub issuers: Vec<String>,
    /// For whom tokens are made (`aud`), one of these; none means for anybody.
    #[serde(skip_serializing_if = "is_default")]
    pub audiences: Vec<String>,
    /// How far clocks may differ.
    #[serde(with = "crate::duration")]
    pub leeway: Duration,
    /// Tokens without `exp` do not count.
    pub require_expiration: bool,
    /// What a token has to say, all of it.
    #[serde(skip_serializing_if = "is_default")]
    pub claims: Vec<ClaimRule>,
    /// Request headers, and the claims that they tell servers.
    #[serde(skip_serializing_if = "is_default")]
    pub headers: BTreeMap<String, String>,
    /// The claim that names the user in the access log.
    pub user_claim: String,
    /// The request header that holds the token; empty means `Authorization`, unless there is a cookie.
    #[serde(skip_serializing_if = "is_default")]
    pub header: String,
    /// The cookie that holds it.
    #[serde(skip_serializing_if = "is_default")]
    pub cookie: String,
    /// Servers get the token.
    pub forward_token: bool,
    /// What clients are told they lack.
    #[serde(skip_serializing_if = "is_default")]
    pub realm: String,
}

impl Default for Jwt {
    fn default() -> Self {
        Self {
            jwks: None,
            keys: Vec::new(),
            algorithms: vec![JwtAlgorithm::RS256],
            issuers: Vec::new(),
            audiences: Vec::new(),
            leeway: Duration::from_secs(30),
            require_expiration: true,
            claims: Vec::new(),
            headers: BTreeMap::new(),
            user_claim: "sub".to_owned(),
            header: String::new(),
            cookie: String::new(),
            forward_token: true,
            realm: String::new(),
        }
    }
}

/// The keys of an issuer, by URL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Jwks {
    /// Where they are.
    pub url: String,
    /// Who signed the certificate of that server, if it is nobody whom the system believes.
    #[serde(skip_serializing_if = "is_default")]
    pub ca: Option<Pem>,
    /// How often they are fetched.
    #[serde(with = "crate::duration")]
    pub refresh_interval: Duration,
    /// How often they are fetched at most, for tokens that name an unknown key.
    #[serde(with = "crate::duration")]
    pub min_refresh_interval: Duration,
    /// How long they serve on while they cannot be fetched again.
    #[serde(with = "crate::duration")]
    pub stale_for: Duration,
    /// How long one fetch may take.
    #[serde(with = "crate::duration")]
    pub timeout: Duration,
    /// How long a request waits for keys.
    #[serde(with = "crate::duration")]
    pub wait: Duration,
}

impl Default for Jwks {
    fn default() -> Self {
        Self {
            url: String::new(),
            ca: None,
            refresh_interval: Duration::from_secs(15 * 60),
            min_refresh_interval: Duration::from_secs(30),
            stale_for: Duration::from_secs(24 * 60 * 60),
            timeout: Duration::from_secs(5),
            wait: Duration::from_secs(3),
        }
    }
}

/// A key that is known: one of `pem`, `jwk`, `jwkFile`, `secret` and `secretFile`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct JwtKey {
    /// What tokens call it (`kid`); empty means that it is tried for all of them.
    #[serde(skip_serializing_if = "is_default")]
    pub id: String,
    /// A public key, or its file.
    #[serde(skip_serializing_if = "is_default")]
    pub pem: Option<Pem>,
    /// A JSON Web Key, or a set of them.
    #[serde(skip_serializing_if = "is_default")]
    pub jwk: Option<Hidden>,
    /// A file with the same.
    #[serde(skip_serializing_if = "is_default")]
    pub jwk_file: Option<PathBuf>,
    /// A secret that is shared with the issuer.
    #[serde(skip_serializing_if = "is_default")]
    pub secret: Option<Hidden>,
    /// A file with the same.
    #[serde(skip_serializing_if = "is_default")]
    pub secret_file: Option<PathBuf>,
}

impl JwtKey {
    /// The file it is read from, if there is one.
    pub fn file(&self) -> Option<&PathBuf> {
        let pem = match &self.pem {
            Some(Pem::File(path)) => Some(path),
            Some(Pem::Inline(_)) | None => None,
        };
        pem.or(self.jwk_file.as_ref()).or(self.secret_file.as_ref())
    }
}

/// What a token has to say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ClaimRule {
    /// The claim: its name, or the names on the way to it with dots between them.
    pub name: String,
    /// It has one of these values; none means any.
    #[serde(skip_serializing_if = "is_default")]
    pub values: Vec<String>,
}

/// A signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names of RFC 7518")]
pub enum JwtAlgorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

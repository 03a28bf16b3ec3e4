//! Options of `oidc`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{ClaimRule, Hidden, JwtAlgorithm};
use crate::model::{Pem, is_default};

/// Lets requests pass of users who logged in at an OpenID provider, and sends others there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Oidc {
    /// The provider, as it calls itself; its discovery document is below.
    pub issuer: String,
    /// Who signed the provider's certificate, if it is nobody whom the system believes.
    #[serde(skip_serializing_if = "is_default")]
    pub ca: Option<Pem>,
    /// How long one question to the provider may take.
    #[serde(with = "crate::duration")]
    pub timeout: Duration,
    /// What the provider calls us.
    pub client_id: String,
    /// What we show the provider.
    #[serde(skip_serializing_if = "is_default")]
    pub client_secret: Option<Hidden>,
    /// A file with the same.
    #[serde(skip_serializing_if = "is_default")]
    pub client_secret_file: Option<PathBuf>,
    /// How we show it.
    pub client_authentication: ClientAuthentication,
    /// What we ask for; `openid` is always among it.
    pub scopes: Vec<String>,
    /// Further parameters of the question: `prompt`, `acr_values`.
    #[serde(skip_serializing_if = "is_default")]
    pub login_parameters: BTreeMap<String, String>,
    /// Where the provider sends users back to, a path on the host they came from.
    pub callback_path: String,
    /// The same as a whole URL, for several hosts with one place to come back to.
    #[serde(skip_serializing_if = "is_default")]
    pub redirect_url: String,
    /// Hosts beside that of the callback that a login may return to; none means all within the session's domain.
    #[serde(skip_serializing_if = "is_default")]
    pub allowed_hosts: Vec<String>,
    /// The path that ends a session.
    pub logout_path: String,
    /// Where users go after that: a path, or a whole URL.
    pub post_logout_url: String,
    /// The session at the provider ends as well, if it knows how.
    pub provider_logout: bool,
    /// The path at which the provider tells that it ended sessions.
    #[serde(skip_serializing_if = "is_default")]
    pub backchannel_logout_path: String,
    /// The session with the browser.
    pub session: OidcSession,
    /// Signatures that count.
    pub algorithms: Vec<JwtAlgorithm>,
    /// How far clocks may differ.
    #[serde(with = "crate::duration")]
    pub leeway: Duration,
    /// Asks for more claims than the token holds.
    pub user_info: bool,
    /// What the claims have to say, all of it.
    #[serde(skip_serializing_if = "is_default")]
    pub claims: Vec<ClaimRule>,
    /// Request headers, and the claims that they tell servers.
    #[serde(skip_serializing_if = "is_default")]
    pub headers: BTreeMap<String, String>,
    /// The claim that names the user in the access log.
    pub user_claim: String,
    /// Servers get the access token, as `Authorization: Bearer`.
    pub forward_access_token: bool,
}

impl Default for Oidc {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            ca: None,
            timeout: Duration::from_secs(5),
            client_id: String::new(),
            client_secret: None,
            client_secret_file: None,
            client_authentication: ClientAuthentication::Basic,
            scopes: ["openid", "profile", "email"].map(str::to_owned).to_vec(),
            login_parameters: BTreeMap::new(),
            callback_path: "/oauth2/callback".to_owned(),
            redirect_url: String::new(),
            allowed_hosts: Vec::new(),
            logout_path: "/oauth2/logout".to_owned(),
            post_logout_url: "/".to_owned(),
            provider_logout: true,
            backchannel_logout_path: String::new(),
            session: OidcSession::default(),
            algorithms: vec![JwtAlgorithm::RS256],
            leeway: Duration::from_secs(30),
            user_info: false,
            claims: Vec::new(),
            headers: BTreeMap::new(),
            user_claim: "sub".to_owned(),
            forward_access_token: false,
        }
    }
}

impl Oidc {
    /// A file that it is read from, if there is one.
    pub fn file(&self) -> Option<&PathBuf> {
        let ca = match &self.ca {
            Some(Pem::File(path)) => Some(path),
            Some(Pem::Inline(_)) | None => None,
        };
        ca.or(self.client_secret_file.as_ref())
            .or(self.session.secrets_file.as_ref())
    }
}

/// How a client shows who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientAuthentication {
    /// By `Authorization: Basic` (`client_secret_basic`).
    Basic,
    /// In the body (`client_secret_post`).
    Post,
}

/// What a browser keeps, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct OidcSession {
    /// The first encrypts, each decrypts: put a new one in front, and take the old one away when its sessions are over.
    #[serde(skip_serializing_if = "is_default")]
    pub secrets: Vec<Hidden>,
    /// A file with the same, one in each line.
    #[serde(skip_serializing_if = "is_default")]
    pub secrets_file: Option<PathBuf>,
    /// The name of the cookie.
    pub name: String,
    /// The domain of the cookie; empty means the host alone.
    #[serde(skip_serializing_if = "is_default")]
    pub domain: String,
    /// Browsers send the cookie over TLS only.
    pub secure: bool,
    /// How long a session lasts after its login, whatever happens.
    #[serde(with = "crate::duration")]
    pub lifetime: Duration,
    /// How long before their end tokens are refreshed.
    #[serde(with = "crate::duration")]
    pub refresh_before: Duration,
    /// How long a session goes on whose tokens are over while the provider cannot be asked.
    #[serde(with = "crate::duration")]
    pub stale_for: Duration,
}

impl Default for OidcSession {
    fn default() -> Self {
        Self {
            secrets: Vec::new(),
            secrets_file: None,
            name: "mesh_session".to_owned(),
            domain: String::new(),
            secure: true,
            lifetime: Duration::from_secs(12 * 60 * 60),
            refresh_before: Duration::from_secs(30),
            stale_for: Duration::from_secs(5 * 60),
        }
    }
}

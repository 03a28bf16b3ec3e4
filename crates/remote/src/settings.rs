//! What users may say about any control plane.

use std::path::PathBuf;

use mesh_config::Secret;
use serde::Deserialize;

/// The protocol towards a control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Plain.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// As in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Basic authentication.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpAuth {
    /// User name.
    pub username: String,
    /// Password.
    pub password: Secret,
}

/// TLS towards a control plane.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TlsSettings {
    /// File of the authorities that signed its certificate; absent means the system's.
    pub ca: Option<PathBuf>,
    /// File of the client certificate.
    pub cert: Option<PathBuf>,
    /// File of its key.
    pub key: Option<PathBuf>,
    /// The name in its certificate, where that is not the name in its address.
    pub server_name: Option<String>,
    /// Take any certificate. For tests: whoever sits in between reads the token.
    pub insecure_skip_verify: bool,
}

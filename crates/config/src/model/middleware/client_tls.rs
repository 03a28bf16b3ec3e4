//! How a middleware speaks TLS to what it asks.

use serde::{Deserialize, Serialize};

use crate::model::{Pem, is_default};

/// TLS to a server that a middleware asks by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ClientTls {
    /// Who is believed to vouch for the server; absent means whom the system believes.
    #[serde(skip_serializing_if = "is_default")]
    pub ca: Option<Pem>,
    /// By which Mesh proves who it is; goes with `key`.
    #[serde(skip_serializing_if = "is_default")]
    pub cert: Option<Pem>,
    /// The key of `cert`.
    #[serde(skip_serializing_if = "is_default")]
    pub key: Option<Pem>,
    /// Believe every server.
    #[serde(skip_serializing_if = "is_default")]
    pub insecure_skip_verify: bool,
}

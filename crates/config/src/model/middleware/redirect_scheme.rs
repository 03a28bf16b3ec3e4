//! Options of `redirectScheme`.

use serde::{Deserialize, Serialize};

/// Sends the client to another scheme.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RedirectScheme {
    /// The scheme to go to.
    pub scheme: String,
    /// The port to go to; empty means the scheme's own.
    pub port: String,
    /// 301 (308 for methods with a body) instead of 302 (307).
    pub permanent: bool,
}

impl Default for RedirectScheme {
    fn default() -> Self {
        Self {
            scheme: "https".to_owned(),
            port: String::new(),
            permanent: false,
        }
    }
}

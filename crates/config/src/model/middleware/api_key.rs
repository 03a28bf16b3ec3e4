//! Options of `apiKey`.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::Hidden;
use crate::model::is_default;

/// Lets requests pass that carry a known key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ApiKey {
    /// Keys that are known.
    #[serde(skip_serializing_if = "is_default")]
    pub keys: Vec<KnownKey>,
    /// A file with more of them.
    #[serde(skip_serializing_if = "is_default")]
    pub keys_file: Option<PathBuf>,
    /// The request header that holds the key.
    pub header: String,
    /// The parameter of the query that holds it, if the header does not.
    #[serde(skip_serializing_if = "is_default")]
    pub query: String,
    /// Servers get the key.
    #[serde(skip_serializing_if = "is_default")]
    pub forward_key: bool,
    /// Request headers, and what of a key's metadata they tell servers; `id` means the key's own.
    #[serde(skip_serializing_if = "is_default")]
    pub headers: BTreeMap<String, String>,
    /// What clients are told they lack.
    #[serde(skip_serializing_if = "is_default")]
    pub realm: String,
}

impl Default for ApiKey {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            keys_file: None,
            header: "X-Api-Key".to_owned(),
            query: String::new(),
            forward_key: false,
            headers: BTreeMap::new(),
            realm: String::new(),
        }
    }
}

/// A key that is known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct KnownKey {
    /// What it is called in logs and towards servers.
    pub id: String,
    /// Its SHA-256, in hexadecimal or base64.
    pub hash: Hidden,
    /// What servers may be told.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
}

/// What is in a file of keys.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct KeysFile {
    /// Keys that are known; an empty list means none, no list a mistake.
    pub keys: Option<Vec<KnownKey>>,
}

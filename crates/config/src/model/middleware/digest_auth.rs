//! Options of `digestAuth`.

use serde::{Deserialize, Serialize};

use super::Hidden;
use crate::model::is_default;

/// Lets those pass who know a name and its password, without sending that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct DigestAuth {
    /// `name:realm:hash`, as `htdigest` writes them.
    #[serde(skip_serializing_if = "is_default")]
    pub users: Vec<Hidden>,
    /// A file of such lines, read again whenever it changes; `users` win over it.
    #[serde(skip_serializing_if = "is_default")]
    pub users_file: String,
    /// What the client is told it needs a password for; that of its users.
    pub realm: String,
    /// The server does not get to see how the client proved it.
    #[serde(skip_serializing_if = "is_default")]
    pub remove_header: bool,
    /// The server gets the name of the user in this header.
    #[serde(skip_serializing_if = "is_default")]
    pub header_field: String,
}

impl Default for DigestAuth {
    fn default() -> Self {
        Self {
            users: Vec::new(),
            users_file: String::new(),
            realm: "mesh".to_owned(),
            remove_header: false,
            header_field: String::new(),
        }
    }
}

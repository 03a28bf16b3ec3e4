//! Options of `addPrefix`.

use serde::{Deserialize, Serialize};

/// Puts a prefix in front of the path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AddPrefix {
    /// The prefix.
    pub prefix: String,
}

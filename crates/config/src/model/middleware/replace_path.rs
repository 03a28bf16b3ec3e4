//! Options of `replacePath`.

use serde::{Deserialize, Serialize};

/// Puts another path in the place of the path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ReplacePath {
    /// The path that servers see.
    pub path: String,
}

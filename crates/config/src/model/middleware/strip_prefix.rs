//! Options of `stripPrefix`.

use serde::{Deserialize, Serialize};

/// Takes a prefix off the path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StripPrefix {
    /// Prefixes; the first that matches on a segment boundary is taken off.
    pub prefixes: Vec<String>,
}

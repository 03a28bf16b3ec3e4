//! Options of `replacePathRegex`.

use serde::{Deserialize, Serialize};

use crate::rule::Pattern;

/// Puts something else in the place of what is found in the path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ReplacePathRegex {
    /// Looked for in the path.
    pub regex: Pattern,
    /// What takes the place of what was found; `$1` and `${name}` stand for groups.
    pub replacement: String,
}

//! Options of `stripPrefixRegex`.

use serde::{Deserialize, Serialize};

use crate::rule::Pattern;

/// Takes off the path what matches at its beginning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StripPrefixRegex {
    /// Expressions; what the first that matches found is taken off.
    pub regex: Vec<Pattern>,
}

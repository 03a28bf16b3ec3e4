//! Options of `stripPrefix`.

use serde::{Deserialize, Serialize};

use crate::model::is_default;

/// Takes a prefix off the path.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StripPrefix {
    /// Prefixes; the first that matches on a segment boundary is taken off.
    pub prefixes: Vec<String>,
    /// Of old configurations, without effect: a path always begins with a slash.
    #[serde(default, skip_serializing_if = "is_default")]
    pub force_slash: Option<bool>,
}

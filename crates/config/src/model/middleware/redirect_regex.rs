//! Options of `redirectRegex`.

use serde::{Deserialize, Serialize};

use crate::{model::is_default, rule::Pattern};

/// Sends the client to another URL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RedirectRegex {
    /// Looked for in the whole URL.
    pub regex: Pattern,
    /// What takes the place of what was found; `$1` and `${name}` stand for groups.
    pub replacement: String,
    /// 301 (308 for methods other than GET) instead of 302 (307).
    #[serde(default, skip_serializing_if = "is_default")]
    pub permanent: bool,
}

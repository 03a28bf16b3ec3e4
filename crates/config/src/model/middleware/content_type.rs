//! Options of `contentType`.

use serde::{Deserialize, Serialize};

use crate::model::is_default;

/// Tells clients what an answer is that does not say so itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ContentType {
    /// Of old configurations: off does nothing at all.
    #[serde(skip_serializing_if = "is_default")]
    pub auto_detect: Option<bool>,
}

//! Options of `requestLimits`.

use serde::{Deserialize, Serialize};

use crate::model::is_default;

/// Refuses requests that are larger than a service wants. 0 means no limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RequestLimits {
    /// The longest body in bytes.
    #[serde(skip_serializing_if = "is_default")]
    pub max_body_bytes: u64,
    /// The most header lines.
    #[serde(skip_serializing_if = "is_default")]
    pub max_header_count: u32,
    /// The most bytes in names and values of headers.
    #[serde(skip_serializing_if = "is_default")]
    pub max_header_bytes: u64,
}

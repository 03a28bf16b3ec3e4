//! Options of `buffering`.

use serde::{Deserialize, Serialize};

use crate::model::is_default;

/// Reads requests, and answers, to their end before they are passed on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Buffering {
    /// Longest body of a request, in bytes; 0 is without limit.
    pub max_request_body_bytes: u64,
    /// Bytes of a request's body that are kept in memory, and not in a file; 0 is the default.
    pub mem_request_body_bytes: u64,
    /// Longest body of an answer, in bytes; 0 is without limit.
    pub max_response_body_bytes: u64,
    /// Bytes of an answer's body that are kept in memory, and not in a file; 0 is the default.
    pub mem_response_body_bytes: u64,
    /// When a request is sent again: `IsNetworkError() && Attempts() < 2`.
    #[serde(skip_serializing_if = "is_default")]
    pub retry_expression: String,
}

impl Default for Buffering {
    fn default() -> Self {
        Self {
            max_request_body_bytes: 0,
            mem_request_body_bytes: 1024 * 1024,
            max_response_body_bytes: 0,
            mem_response_body_bytes: 1024 * 1024,
            retry_expression: String::new(),
        }
    }
}

//! Options of `retry`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{StatusRanges, is_default};

/// Sends requests again that reached no server, or were answered by a status that does not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RetryMiddleware {
    /// How often a request is sent at most, the first time included.
    #[serde(deserialize_with = "crate::whole::within::<_, _, 1, 100>")]
    pub attempts: u32,
    /// The pause before the second time; it grows up to twice of it before the last.
    #[serde(default, with = "crate::duration", skip_serializing_if = "is_default")]
    pub initial_interval: Duration,
    /// After that long nothing is sent again; 0 is without limit.
    #[serde(default, with = "crate::duration", skip_serializing_if = "is_default")]
    pub timeout: Duration,
    /// Answers that do not count, by status.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: StatusRanges,
    /// Requests with a longer body, in bytes, are not sent again on account of a status; -1 is without a limit of its own.
    #[serde(default = "max_request_body_bytes")]
    pub max_request_body_bytes: i64,
    /// Do not send requests again that reached no server.
    #[serde(default, skip_serializing_if = "is_default")]
    pub disable_retry_on_network_error: bool,
    /// On account of a status, send requests again that do something each time, too: POST, PATCH.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry_non_idempotent_method: bool,
}

fn max_request_body_bytes() -> i64 {
    2 * 1024 * 1024
}

//! Options of `cache`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::is_default;

/// Keeps answers, and gives them to who asks again (RFC 9111).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Cache {
    /// Bytes of answers that are kept at most, heads included.
    #[serde(deserialize_with = "crate::whole::within::<_, _, 65_536, 1_099_511_627_776>")]
    pub max_bytes: u64,
    /// Longer bodies, in bytes, are not kept.
    #[serde(deserialize_with = "crate::whole::within::<_, _, 1, 1_073_741_824>")]
    pub max_body_bytes: u64,
    /// How long answers are fresh that say nothing of it; 0 means that they are not kept, but for what
    /// `Last-Modified` allows.
    #[serde(with = "crate::duration", skip_serializing_if = "is_default")]
    pub default_ttl: Duration,
    /// How long an answer may be given that is not fresh any more while it is asked for anew, where it does not say so itself.
    #[serde(with = "crate::duration", skip_serializing_if = "is_default")]
    pub stale_while_revalidate: Duration,
    /// How long such an answer may be given when the service fails, where it does not say so itself.
    #[serde(with = "crate::duration", skip_serializing_if = "is_default")]
    pub stale_if_error: Duration,
    /// How long requests wait for an answer that another one has asked for already.
    #[serde(with = "crate::duration")]
    pub wait: Duration,
    /// Clients may not ask for answers that are newer than those kept.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_request_directives: bool,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            max_bytes: 64 * 1024 * 1024,
            max_body_bytes: 1024 * 1024,
            default_ttl: Duration::ZERO,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            wait: Duration::from_secs(5),
            ignore_request_directives: false,
        }
    }
}

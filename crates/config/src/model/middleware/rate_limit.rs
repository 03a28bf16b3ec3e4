//! Options of `rateLimit`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Redis, SourceCriterion};
use crate::model::is_default;

/// Limits how often one source may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RateLimit {
    /// Requests in a period; 0 is without limit.
    pub average: u64,
    /// The period; 0 means a second.
    #[serde(with = "crate::duration")]
    pub period: Duration,
    /// Requests at once after a pause; at least 1.
    pub burst: u64,
    /// What tells sources apart; absent means the address of the connection.
    #[serde(skip_serializing_if = "is_default")]
    pub source_criterion: Option<SourceCriterion>,
    /// Counts in a Redis, together with all that do so; absent means in this process.
    #[serde(skip_serializing_if = "is_default")]
    pub redis: Option<Redis>,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            average: 0,
            period: Duration::from_secs(1),
            burst: 1,
            source_criterion: None,
            redis: None,
        }
    }
}

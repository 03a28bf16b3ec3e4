//! Options of `quota`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Redis, SourceCriterion};
use crate::model::is_default;

/// Limits how many requests one source may make in a period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Quota {
    /// Requests in a period.
    pub limit: u64,
    /// The period. One follows the other without a gap; the first began with the year 1970 (UTC).
    #[serde(with = "crate::duration")]
    pub period: Duration,
    /// What tells sources apart; absent means the user whom a middleware before this one found, or without one the
    /// address of the connection.
    #[serde(skip_serializing_if = "is_default")]
    pub source_criterion: Option<SourceCriterion>,
    /// Counts in a Redis, together with all that do so; absent means in this process.
    #[serde(skip_serializing_if = "is_default")]
    pub redis: Option<Redis>,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            limit: 0,
            period: Duration::from_secs(60 * 60),
            source_criterion: None,
            redis: None,
        }
    }
}

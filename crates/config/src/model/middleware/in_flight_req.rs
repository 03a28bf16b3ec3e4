//! Options of `inFlightReq`.

use serde::{Deserialize, Serialize};

use super::SourceCriterion;

/// Limits how many requests of one source are answered at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct InFlightReq {
    /// So many requests of one source, WebSockets among them; 0 lets none pass.
    pub amount: u32,
    /// What tells sources apart; absent means the Host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_criterion: Option<SourceCriterion>,
}

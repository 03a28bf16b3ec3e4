//! Options of `ipAllowList` and `ipDenyList`.

use serde::{Deserialize, Serialize};

use super::IpStrategy;
use crate::model::is_default;

/// Clients by their address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct IpList {
    /// Ranges of addresses, or single ones.
    pub source_range: Vec<String>,
    /// Which address is the client's; absent means that of the connection.
    #[serde(skip_serializing_if = "is_default")]
    pub ip_strategy: Option<IpStrategy>,
    /// What those get that may not pass.
    pub reject_status_code: u16,
}

impl Default for IpList {
    fn default() -> Self {
        Self {
            source_range: Vec::new(),
            ip_strategy: None,
            reject_status_code: 403,
        }
    }
}

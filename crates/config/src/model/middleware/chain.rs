//! Options of `chain`.

use serde::{Deserialize, Serialize};

use crate::name::Reference;

/// Runs other middlewares in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Chain {
    /// Their names.
    pub middlewares: Vec<Reference>,
}

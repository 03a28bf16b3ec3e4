//! Options of `headers`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::is_default;

/// Sets or removes headers; an empty value removes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Headers {
    /// For the request.
    #[serde(skip_serializing_if = "is_default")]
    pub custom_request_headers: BTreeMap<String, String>,
    /// For the answer.
    #[serde(skip_serializing_if = "is_default")]
    pub custom_response_headers: BTreeMap<String, String>,
}

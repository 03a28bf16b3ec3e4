//! Options of `errors`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    model::{StatusRanges, is_default},
    name::Reference,
};

/// Puts a page of another service in place of an answer that tells of an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Errors {
    /// Answers to replace, by status.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: StatusRanges,
    /// Statuses that clients see in place of others: `"410-418": 404`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status_rewrites: BTreeMap<String, u16>,
    /// The service that has the page.
    pub service: Reference,
    /// Where the page is: a path with query. `{status}`, `{originalStatus}` and `{url}` stand for what they say.
    #[serde(default, skip_serializing_if = "is_default")]
    pub query: String,
    /// Headers of the request that the page's service gets to see; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_request_headers: Option<Vec<String>>,
}

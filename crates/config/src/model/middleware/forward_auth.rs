//! Options of `forwardAuth`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ClientTls;
use crate::model::is_default;

/// Asks another server whether a request may pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ForwardAuth {
    /// The URL that is asked.
    pub address: String,
    /// On: what the client says of itself in `X-Forwarded-*` is passed on. Off: none of it. Absent: only what is not
    /// said anew.
    #[serde(skip_serializing_if = "is_default")]
    pub trust_forward_header: Option<bool>,
    /// Headers of the request that are passed on; none means all.
    #[serde(skip_serializing_if = "is_default")]
    pub auth_request_headers: Vec<String>,
    /// Headers of the answer that the request gets in place of its own.
    #[serde(skip_serializing_if = "is_default")]
    pub auth_response_headers: Vec<String>,
    /// The same for all whose names match.
    #[serde(skip_serializing_if = "is_default")]
    pub auth_response_headers_regex: String,
    /// Cookies of the answer that the client gets.
    #[serde(skip_serializing_if = "is_default")]
    pub add_auth_cookies_to_response: Vec<String>,
    /// The header of the answer that tells who the client is, for the access log.
    #[serde(skip_serializing_if = "is_default")]
    pub header_field: String,
    /// Pass the body of the request on, too.
    #[serde(skip_serializing_if = "is_default")]
    pub forward_body: bool,
    /// Longest body that is passed on, in bytes; negative is without a limit of its own.
    pub max_body_size: i64,
    /// Longest body of an answer, in bytes; negative is without limit.
    pub max_response_body_size: i64,
    /// Leave `Location` in answers as it is.
    #[serde(skip_serializing_if = "is_default")]
    pub preserve_location_header: bool,
    /// Ask with the method of the request instead of GET.
    #[serde(skip_serializing_if = "is_default")]
    pub preserve_request_method: bool,
    /// Where a client is sent that is not known (401).
    #[serde(rename = "authSigninURL", skip_serializing_if = "is_default")]
    pub auth_signin_url: String,
    /// How to speak TLS to it.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Option<ClientTls>,
    /// Let its answers count for the same question for a while; absent means that each request is asked about.
    #[serde(skip_serializing_if = "is_default")]
    pub cache: Option<ForwardAuthCache>,
}

/// How long answers count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ForwardAuthCache {
    /// How long one counts that lets a request pass. It may say less itself.
    #[serde(with = "crate::duration")]
    pub ttl: Duration,
    /// The same for 401 and 403; 0 keeps none of them.
    #[serde(with = "crate::duration", skip_serializing_if = "is_default")]
    pub negative_ttl: Duration,
    /// Answers that are kept at most.
    #[serde(deserialize_with = "crate::whole::within::<_, _, 1, 1_000_000>")]
    pub max_entries: u64,
    /// Headers of the question that its answer does not depend on.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_headers: Vec<String>,
}

impl Default for ForwardAuth {
    fn default() -> Self {
        Self {
            address: String::new(),
            trust_forward_header: None,
            auth_request_headers: Vec::new(),
            auth_response_headers: Vec::new(),
            auth_response_headers_regex: String::new(),
            add_auth_cookies_to_response: Vec::new(),
            header_field: String::new(),
            forward_body: false,
            max_body_size: 1024 * 1024,
            max_response_body_size: 1024 * 1024,
            preserve_location_header: false,
            preserve_request_method: false,
            auth_signin_url: String::new(),
            tls: None,
            cache: None,
        }
    }
}

impl Default for ForwardAuthCache {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(10),
            negative_ttl: Duration::ZERO,
            max_entries: 10_000,
            ignore_headers: Vec::new(),
        }
    }
}

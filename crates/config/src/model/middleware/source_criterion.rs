//! Whose request it is: options that several middlewares share.

use serde::{Deserialize, Serialize};

use crate::model::is_default;

/// What tells the sources of requests apart: one of these, or the middleware's own default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SourceCriterion {
    /// The address of the client.
    #[serde(skip_serializing_if = "is_default")]
    pub ip_strategy: Option<IpStrategy>,
    /// The value of this header; requests without it are of one source.
    #[serde(skip_serializing_if = "is_default")]
    pub request_header_name: String,
    /// The Host that is asked for.
    #[serde(skip_serializing_if = "is_default")]
    pub request_host: bool,
}

/// Which address is the client's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct IpStrategy {
    /// The place in `X-Forwarded-For`, counted from its end; 0 is the address of the connection.
    #[serde(skip_serializing_if = "is_default")]
    pub depth: u32,
    /// Without depth: the last address in `X-Forwarded-For` that is in none of these ranges.
    #[serde(rename = "excludedIPs", skip_serializing_if = "is_default")]
    pub excluded_ips: Vec<String>,
    /// So many bits at the beginning of an IPv6 address are one source.
    #[serde(skip_serializing_if = "is_default")]
    pub ipv6_subnet: Option<u32>,
}

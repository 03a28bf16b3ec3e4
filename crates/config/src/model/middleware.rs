//! Middlewares: what happens to a request on its way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::is_default;
use crate::name::Reference;

/// One step between a router and its service. Written with exactly one kind:
/// `strip: {stripPrefix: {prefixes: [/api]}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Middleware {
    /// Puts a prefix in front of the path.
    AddPrefix(AddPrefix),
    /// Runs other middlewares in order.
    Chain(Chain),
    /// Sets or removes headers.
    Headers(Headers),
    /// Sends the client to another scheme.
    RedirectScheme(RedirectScheme),
    /// Takes a prefix off the path.
    StripPrefix(StripPrefix),
}

impl Middleware {
    /// The kind as written in configuration.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AddPrefix(_) => "addPrefix",
            Self::Chain(_) => "chain",
            Self::Headers(_) => "headers",
            Self::RedirectScheme(_) => "redirectScheme",
            Self::StripPrefix(_) => "stripPrefix",
        }
    }
}

/// Puts a prefix in front of the path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AddPrefix {
    /// The prefix.
    pub prefix: String,
}

/// Runs other middlewares in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Chain {
    /// Their names.
    pub middlewares: Vec<Reference>,
}

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

/// Sends the client to another scheme.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RedirectScheme {
    /// The scheme to go to.
    pub scheme: String,
    /// The port to go to; empty means the scheme's own.
    pub port: String,
    /// 301 (308 for methods with a body) instead of 302 (307).
    pub permanent: bool,
}

impl Default for RedirectScheme {
    fn default() -> Self {
        Self {
            scheme: "https".to_owned(),
            port: String::new(),
            permanent: false,
        }
    }
}

/// Takes a prefix off the path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StripPrefix {
    /// Prefixes; the first that matches on a segment boundary is taken off.
    pub prefixes: Vec<String>,
}

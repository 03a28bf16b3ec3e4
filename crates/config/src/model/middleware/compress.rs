//! Options of `compress`.

use serde::{Deserialize, Serialize};

use crate::model::is_default;

/// Compresses answers for clients that take them so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Compress {
    /// Codings that answers may have; among those that a client likes equally, the first wins.
    pub encodings: Vec<Encoding>,
    /// The coding for clients that say nothing, and for those that take any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_encoding: Option<Encoding>,
    /// Answers with a shorter body, in bytes, stay as they are; 0 is the default.
    pub min_response_body_bytes: u64,
    /// Media types that stay as they are. gRPC always does.
    #[serde(skip_serializing_if = "is_default")]
    pub excluded_content_types: Vec<String>,
    /// The only media types that do not stay as they are.
    #[serde(skip_serializing_if = "is_default")]
    pub included_content_types: Vec<String>,
}

/// A coding for the bodies of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Every client knows it.
    Gzip,
    /// Brotli. Shortest for text.
    Br,
    /// Zstandard. Cheapest for its length.
    Zstd,
}

impl Default for Compress {
    fn default() -> Self {
        Self {
            encodings: vec![Encoding::Gzip, Encoding::Br, Encoding::Zstd],
            default_encoding: None,
            min_response_body_bytes: 1024,
            excluded_content_types: Vec::new(),
            included_content_types: Vec::new(),
        }
    }
}

impl Encoding {
    /// Its name in headers and in configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Br => "br",
            Self::Zstd => "zstd",
        }
    }
}

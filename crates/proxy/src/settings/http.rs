//! HTTP on an entrypoint.

use mesh_config::Reference;
use serde::{Deserialize, Serialize};

use super::NotServed;

/// How an entrypoint reads requests, and what all its routers share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpSettings {
    /// Middlewares in front of those of every router; qualified names (`auth@file`).
    pub middlewares: Vec<Reference>,
    /// Sends everything somewhere else.
    pub redirections: Redirections,
    /// Resolve `.` and `..` in paths and collapse `//`.
    pub sanitize_path: bool,
    /// Make `;` in a query `%3B`; off, it becomes `&`.
    pub encode_query_semicolons: bool,
    /// Encoded characters that a path may hold.
    pub encoded_characters: EncodedCharacters,
    /// What happens to headers with `_` in their name.
    pub underscore_headers_strategy: UnderscoreHeaders,
    /// Largest head of a request, in bytes; larger ones are answered 431. At least 8192.
    #[serde(deserialize_with = "mesh_config::whole::within::<_, _, 8192, 1_073_741_824>")]
    pub max_header_bytes: usize,
    /// Requests that may be in flight, for the whole process; each worker has its share, rounded up. Further
    /// ones are answered 503; 0 means no limit.
    #[serde(deserialize_with = "mesh_config::whole::within::<_, _, 0, 10_000_000>")]
    pub max_in_flight_requests: u32,
    /// Say in `X-Mesh-Reason` why an answer was made by Mesh itself.
    pub reason_header: bool,
    /// Routers here without `tls` of their own have it all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<EntryPointTls>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            middlewares: Vec::new(),
            redirections: Redirections::default(),
            sanitize_path: true,
            encode_query_semicolons: false,
            encoded_characters: EncodedCharacters::default(),
            underscore_headers_strategy: UnderscoreHeaders::default(),
            max_header_bytes: 1024 * 1024,
            max_in_flight_requests: 100_000,
            reason_header: false,
            tls: None,
        }
    }
}

/// TLS of all routers of an entrypoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct EntryPointTls {
    /// TLS options of routers here without `tls` of their own; absent means `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Reference>,
    /// Not served yet.
    #[serde(skip_serializing)]
    pub cert_resolver: Option<NotServed>,
    /// Not served yet.
    #[serde(skip_serializing)]
    pub domains: Option<NotServed>,
}

/// Redirections of a whole entrypoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Redirections {
    /// To another entrypoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<EntryPointRedirection>,
}

/// Sends every request to another entrypoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EntryPointRedirection {
    /// The entrypoint by name, or `:port`.
    pub to: String,
    /// The scheme to go to.
    #[serde(default = "https")]
    pub scheme: String,
    /// Tell clients that it is for ever.
    #[serde(default = "yes")]
    pub permanent: bool,
    /// Priority of the router that this makes; by default above every router of a user.
    #[serde(default = "above_users")]
    pub priority: i64,
}

fn https() -> String {
    "https".to_owned()
}

fn yes() -> bool {
    true
}

fn above_users() -> i64 {
    i64::MAX - 1
}

/// Which encoded characters a path may hold. `%00` is never allowed unless this says so.
#[expect(
    clippy::struct_excessive_bools,
    reason = "one switch per character, as in the manual"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct EncodedCharacters {
    /// `%2F`; refused all the same where decoding it would lead to another router.
    pub allow_encoded_slash: bool,
    /// `%5C`.
    pub allow_encoded_back_slash: bool,
    /// `%00`.
    pub allow_encoded_null_character: bool,
    /// `%3B`.
    pub allow_encoded_semicolon: bool,
    /// `%25`.
    pub allow_encoded_percent: bool,
    /// `%3F`.
    pub allow_encoded_question_mark: bool,
    /// `%23`.
    pub allow_encoded_hash: bool,
}

impl Default for EncodedCharacters {
    fn default() -> Self {
        Self {
            allow_encoded_slash: true,
            allow_encoded_back_slash: true,
            allow_encoded_null_character: false,
            allow_encoded_semicolon: true,
            allow_encoded_percent: true,
            allow_encoded_question_mark: true,
            allow_encoded_hash: true,
        }
    }
}

impl EncodedCharacters {
    /// Whether a path may hold `byte` in its encoded form.
    pub fn allows(&self, byte: u8) -> bool {
        match byte {
            b'/' => self.allow_encoded_slash,
            b'\\' => self.allow_encoded_back_slash,
            0 => self.allow_encoded_null_character,
            b';' => self.allow_encoded_semicolon,
            b'%' => self.allow_encoded_percent,
            b'?' => self.allow_encoded_question_mark,
            b'#' => self.allow_encoded_hash,
            _ => true,
        }
    }
}

/// What happens to request headers with `_` in their name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnderscoreHeaders {
    /// They pass, except spellings of headers that Mesh owns.
    #[default]
    Keep,
    /// They are dropped.
    Delete,
    /// The request is answered 400.
    Reject,
}

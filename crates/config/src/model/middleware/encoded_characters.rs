//! Options of `encodedCharacters`.

use serde::{Deserialize, Serialize};

use crate::model::is_default;

/// Refuses paths with characters in encoded form that servers read in different ways.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own, as users write them"
)]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct EncodedCharacters {
    /// Lets `%2F` pass.
    #[serde(skip_serializing_if = "is_default")]
    pub allow_encoded_slash: bool,
    /// Lets `%5C` pass.
    #[serde(skip_serializing_if = "is_default")]
    pub allow_encoded_back_slash: bool,
    /// Lets `%00` pass.
    #[serde(skip_serializing_if = "is_default")]
    pub allow_encoded_null_character: bool,
    /// Lets `%3B` pass.
    #[serde(skip_serializing_if = "is_default")]
    pub allow_encoded_semicolon: bool,
    /// Lets `%25` pass.
    #[serde(skip_serializing_if = "is_default")]
    pub allow_encoded_percent: bool,
    /// Lets `%3F` pass.
    #[serde(skip_serializing_if = "is_default")]
    pub allow_encoded_question_mark: bool,
    /// Lets `%23` pass.
    #[serde(skip_serializing_if = "is_default")]
    pub allow_encoded_hash: bool,
}

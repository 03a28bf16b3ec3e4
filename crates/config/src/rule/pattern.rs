//! Regular expressions that cannot be made to hang.

use std::{fmt, str::FromStr, sync::Arc};

use regex::Regex;

/// A regular expression in linear time and bounded size, compared by its text.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: Arc<str>,
    regex: Regex,
}

/// Why a text is not a regular expression; to be read behind the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a regular expression: {reason}")]
pub struct PatternError {
    reason: String,
}

/// Largest compiled size of one expression, in bytes.
pub const PATTERN_SIZE_LIMIT: usize = 1 << 20;

impl Pattern {
    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True if the expression is found anywhere in `text`.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// `text` with every match replaced; `$1` and `${name}` in `replacement` stand for groups.
    pub fn replace_all(&self, text: &str, replacement: &str) -> String {
        self.regex.replace_all(text, replacement).into_owned()
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let regex = regex::RegexBuilder::new(text)
            .size_limit(PATTERN_SIZE_LIMIT)
            .dfa_size_limit(PATTERN_SIZE_LIMIT)
            .build()
            .map_err(|error| PatternError {
                reason: reason(&error),
            })?;
        Ok(Self {
            text: text.into(),
            regex,
        })
    }
}

/// The last line of the crate's message: those before it draw the expression again.
fn reason(error: &regex::Error) -> String {
    let message = error.to_string();
    let last = message.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

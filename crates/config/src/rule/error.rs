//! What is wrong with an expression, and where.

use crate::redact::{REDACTED, Shown};

/// Why a text is not a rule (or not a constraint), and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}: {message} at column {column}")]
pub struct RuleError {
    /// The whole text without the secrets in it; its beginning only, when it is longer than any rule may be.
    pub text: String,
    /// 1-based column in the text as it was written, in characters.
    pub column: usize,
    /// What is wrong there and what is allowed.
    pub message: String,
}

/// A fault at a byte of a text that the one who found it does not hold.
#[derive(Debug)]
pub(crate) struct Fault {
    at: usize,
    before: String,
    /// What stands there, to be quoted unless it is secret.
    found: Option<String>,
    after: String,
}

/// How much of an overlong text an error quotes, in characters.
const QUOTED: usize = 80;

impl Fault {
    /// A fault at the byte `at`; `message` quotes nothing of the text.
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            before: message.into(),
            found: None,
            after: String::new(),
        }
    }

    /// A fault of `found`, which stands at the byte `at`; the message quotes it between `before` and `after`.
    pub(crate) fn of(at: usize, before: &str, found: impl Into<String>, after: impl Into<String>) -> Self {
        Self {
            at,
            before: before.to_owned(),
            found: Some(found.into()),
            after: after.into(),
        }
    }

    /// The error for the user, who counts characters and not bytes.
    pub(crate) fn within(self, text: &str) -> RuleError {
        let column = text.char_indices().take_while(|(at, _)| *at < self.at).count() + 1;
        let shown = if text.len() > super::MAX_LENGTH {
            let start: String = text.chars().take(QUOTED).collect();
            let mut shown = Shown::of(&start);
            shown.text.push('…');
            shown
        } else {
            Shown::of(text)
        };
        let found = match &self.found {
            None => String::new(),
            Some(found) if shown.hides(self.at, found.len()) => REDACTED.to_owned(),
            Some(found) => format!("{found:?}"),
        };
        RuleError {
            text: shown.text,
            column,
            message: format!("{}{found}{}", self.before, self.after),
        }
    }
}

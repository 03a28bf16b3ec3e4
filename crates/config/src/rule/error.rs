//! What is wrong with an expression, and where.

/// Why a text is not a rule (or not a constraint), and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}: {message} at column {column}")]
pub struct RuleError {
    /// The whole text; its beginning only, when it is longer than any rule may be.
    pub text: String,
    /// 1-based column, in characters.
    pub column: usize,
    /// What is wrong there and what is allowed.
    pub message: String,
}

/// A fault at a byte of a text that the one who found it does not hold.
#[derive(Debug)]
pub(crate) struct Fault {
    at: usize,
    message: String,
}

/// How much of an overlong text an error quotes, in characters.
const QUOTED: usize = 80;

impl Fault {
    /// A fault at the byte `at`.
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }

    /// The error for the user, who counts characters and not bytes.
    pub(crate) fn within(self, text: &str) -> RuleError {
        let column = text.char_indices().take_while(|(at, _)| *at < self.at).count() + 1;
        RuleError {
            text: if text.len() > super::MAX_LENGTH {
                text.chars().take(QUOTED).chain(['…']).collect()
            } else {
                text.to_owned()
            },
            column,
            message: self.message,
        }
    }
}

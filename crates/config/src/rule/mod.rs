//! Rules of HTTP routers: the grammar, its tree, and the canonical text of a tree.

mod matcher;

pub use matcher::{HostPattern, Matcher, PATTERN_SIZE_LIMIT, Pattern, PatternError};

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A parsed rule with the text it was written in.
#[derive(Debug, Clone)]
pub struct Rule {
    text: Arc<str>,
    expr: Expr,
}

/// The tree of a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// All of them match; at least two.
    And(Vec<Self>),
    /// One of them matches; at least two.
    Or(Vec<Self>),
    /// It does not match.
    Not(Box<Self>),
    /// One matcher.
    Match(Matcher),
}

/// Why a text is not a rule, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule {text:?}: {message} at column {column}")]
pub struct RuleError {
    /// The whole rule.
    pub text: String,
    /// 1-based column, in characters.
    pub column: usize,
    /// What is wrong there and what is allowed.
    pub message: String,
}

impl Rule {
    /// The rule as its user wrote it; its length in bytes is the default priority.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The tree.
    pub fn expr(&self) -> &Expr {
        &self.expr
    }
}

impl PartialEq for Rule {
    /// Rules are equal when their texts are: the text decides the priority.
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        Err(RuleError {
            text: text.to_owned(),
            column: 1,
            message: "the parser is not here yet".to_owned(),
        })
    }
}

//! Rules of HTTP routers: the grammar, its tree, and the canonical text of a tree.

pub(crate) mod error;
mod expr;
mod host;
pub(crate) mod lexer;
pub(crate) mod matcher;
pub(crate) mod parser;
mod pattern;
pub(crate) mod quoted;
#[cfg(test)]
mod tests;
pub(crate) mod vocabulary;

pub use error::RuleError;
pub use expr::Expr;
pub use host::{HostError, HostPattern};
pub use matcher::Matcher;
pub use parser::{MAX_DEPTH, MAX_LENGTH};
pub use pattern::{PATTERN_SIZE_LIMIT, Pattern, PatternError, TooLong};

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most regular expressions in one rule; each may be as large as [`PATTERN_SIZE_LIMIT`].
pub const MAX_PATTERNS: usize = 32;

/// A parsed rule with the text it was written in. Immutable, and shared by its clones: the definition of a router,
/// the configuration it is in and the route made of it all have one.
#[derive(Debug, Clone)]
pub struct Rule(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    text: Box<str>,
    expr: Expr,
}

impl Rule {
    /// A rule whose `text` is known to mean `expr`.
    pub(crate) fn new(text: String, expr: Expr) -> Self {
        Self(Arc::new(Parsed {
            text: text.into(),
            expr,
        }))
    }

    /// The rule as its user wrote it; its length in bytes is the default priority.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The tree.
    pub fn expr(&self) -> &Expr {
        &self.0.expr
    }

    /// The hosts it names, in the order of the text, negated ones too: the domains it is about.
    pub fn hosts(&self) -> Vec<&HostPattern> {
        let leaves = self.expr().leaves().into_iter();
        leaves
            .filter_map(|matcher| match matcher {
                Matcher::Host(host) => Some(host),
                _ => None,
            })
            .collect()
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let mut reader = matcher::Reader::default();
        let expr = parser::parse(text, |call| reader.read(call))?;
        Ok(Self::new(text.to_owned(), expr))
    }
}

impl From<Expr> for Rule {
    /// The rule whose text is the canonical one of `expr`.
    fn from(expr: Expr) -> Self {
        Self::new(expr.to_string(), expr)
    }
}

impl PartialEq for Rule {
    /// Rules are equal when their texts are: the text decides the priority.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.text == other.0.text
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

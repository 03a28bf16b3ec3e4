//! The leaves of a rule.

use std::{fmt, str::FromStr, sync::Arc};

use ipnet::IpNet;
use regex::Regex;

/// One test of a request. Arguments are validated and in the form that requests are compared in.
#[derive(Debug, Clone, PartialEq)]
pub enum Matcher {
    /// The host of the request.
    Host(HostPattern),
    /// A regular expression found in the host.
    HostRegexp(Pattern),
    /// The whole path.
    Path(String),
    /// The beginning of the path; not bound to segments.
    PathPrefix(String),
    /// A regular expression found in the path.
    PathRegexp(Pattern),
    /// The method, in upper case.
    Method(String),
    /// A header line equal to a value; the name in lower case.
    Header {
        /// Name.
        name: String,
        /// Value.
        value: String,
    },
    /// A regular expression found in a header line; the name in lower case.
    HeaderRegexp {
        /// Name.
        name: String,
        /// Expression.
        pattern: Pattern,
    },
    /// A query parameter; without value, one that is empty.
    Query {
        /// Name.
        key: String,
        /// Value.
        value: Option<String>,
    },
    /// A regular expression found in a value of a query parameter.
    QueryRegexp {
        /// Name.
        key: String,
        /// Expression.
        pattern: Pattern,
    },
    /// The address of the peer.
    ClientIp(IpNet),
}

/// A host to match, in lower case and without a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `*`: every request, even one without host.
    Any,
    /// `example.com`.
    Exact(String),
    /// `*.example.com`: exactly one more label; holds `example.com`.
    Wildcard(String),
}

/// A regular expression in linear time and bounded size, compared by its text.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: Arc<str>,
    regex: Regex,
}

/// Why a text is not a regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a regular expression: {reason}")]
pub struct PatternError {
    text: String,
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
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let regex = regex::RegexBuilder::new(text)
            .size_limit(PATTERN_SIZE_LIMIT)
            .dfa_size_limit(PATTERN_SIZE_LIMIT)
            .build()
            .map_err(|error| PatternError {
                text: text.to_owned(),
                reason: error.to_string(),
            })?;
        Ok(Self {
            text: text.into(),
            regex,
        })
    }
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

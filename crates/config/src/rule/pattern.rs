//! Regular expressions that cannot be made to hang.

use std::{fmt, ops::Range, str::FromStr, sync::Arc};

use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

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

/// What comes of a replacement is longer than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text becomes too long")]
pub struct TooLong;

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

    /// The first match in `text`.
    pub fn find(&self, text: &str) -> Option<Range<usize>> {
        self.regex.find(text).map(|found| found.range())
    }

    /// `text` with every match replaced, as [`replace_all`](Self::replace_all) does; `None` when nothing matches.
    ///
    /// # Errors
    /// When it becomes longer than `limit`.
    pub fn replaced(&self, text: &str, replacement: &str, limit: usize) -> Result<Option<String>, TooLong> {
        let mut replaced = String::new();
        let mut copied = 0;
        let mut is_found = false;
        for found in self.regex.captures_iter(text) {
            let range = found.get(0).map(|whole| whole.range()).unwrap_or_default();
            replaced.push_str(text.get(copied..range.start).unwrap_or_default());
            found.expand(replacement, &mut replaced);
            (copied, is_found) = (range.end, true);
            if replaced.len() > limit {
                return Err(TooLong);
            }
        }
        replaced.push_str(text.get(copied..).unwrap_or_default());
        match replaced.len() > limit {
            true => Err(TooLong),
            false => Ok(is_found.then_some(replaced)),
        }
    }

    /// `text` with every match replaced; `$1` and `${name}` in `replacement` stand for groups.
    pub fn replace_all(&self, text: &str, replacement: &str) -> String {
        self.regex.replace_all(text, replacement).into_owned()
    }

    /// A group that `replacement` names and the expression does not have; `None` when it has them all.
    pub fn unknown_group<'r>(&self, replacement: &'r str) -> Option<&'r str> {
        named_groups(replacement).find(|name| match name.parse::<usize>() {
            Ok(number) => number >= self.regex.captures_len(),
            Err(_) => !self.regex.capture_names().flatten().any(|known| known == *name),
        })
    }

    /// The groups of the expression as replacements name them: `$1, ${name}`. All have `$0`, which is the whole match.
    pub fn groups(&self) -> String {
        let groups = self
            .regex
            .capture_names()
            .enumerate()
            .map(|(number, name)| match name {
                Some(name) => format!("${{{name}}}"),
                None => format!("${number}"),
            });
        groups.collect::<Vec<_>>().join(", ")
    }
}

/// The groups that a replacement names, as [`Pattern::replaced`] reads it: `$$` is a dollar sign, and so is one that
/// no name follows.
fn named_groups(replacement: &str) -> impl Iterator<Item = &str> {
    let mut rest = replacement;
    std::iter::from_fn(move || {
        loop {
            rest = rest.split_once('$')?.1;
            if let Some(after) = rest.strip_prefix('$') {
                rest = after;
            } else if let Some(braced) = rest.strip_prefix('{') {
                if let Some((name, after)) = braced.split_once('}') {
                    rest = after;
                    return Some(name);
                }
            } else {
                let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
                let (name, after) =
                    rest.split_at_checked(rest.find(|c| !is_of_name(c)).unwrap_or(rest.len()))?;
                rest = after;
                if !name.is_empty() {
                    return Some(name);
                }
            }
        }
    })
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

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|error| D::Error::custom(format_args!("{text:?} {error}")))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(regex: &str, text: &str, replacement: &str) -> Option<String> {
        let pattern: Pattern = regex.parse().unwrap();
        let replaced = pattern.replaced(text, replacement, 100).unwrap();
        assert_eq!(
            replaced.as_deref().unwrap_or(text),
            pattern.replace_all(text, replacement)
        );
        replaced
    }

    #[test]
    fn a_group_that_is_not_there_is_found_as_replacing_reads_it() {
        let pattern: Pattern = "^/(a)(?P<id>b)?".parse().unwrap();
        assert_eq!(pattern.groups(), "$0, $1, ${id}");
        let expanded = regex::Regex::new("^/(a)(?P<id>b)?").unwrap();
        let found = expanded.captures("/ab").unwrap();
        for (replacement, unknown) in [
            ("$0 $1 $2 ${1} ${id} $id", None),
            ("$$3 $$$$nope $ ${ $-", None),
            ("/$3", Some("3")),
            ("/${nope}/$1", Some("nope")),
            ("$1x", Some("1x")),
            ("$id_", Some("id_")),
            ("$$$9", Some("9")),
            ("${}", Some("")),
            ("${ $1x}", Some(" $1x")),
            ("${1", None),
            ("$99999999999999999999", Some("99999999999999999999")),
        ] {
            assert_eq!(pattern.unknown_group(replacement), unknown, "{replacement}");
            // Text without unknown groups is as it would be with empty ones.
            let mut text = String::new();
            found.expand(replacement, &mut text);
            assert!(unknown.is_some() || !text.is_empty(), "{replacement}");
        }
    }

    #[test]
    fn every_match_is_replaced_and_groups_come_in_their_place() {
        for (regex, replacement, expected) in [
            ("^/api/(.*)", "/$1", Some("/a/b")),
            ("(?P<rest>/b)$", "-${rest}", Some("/api/a-/b")),
            ("/", "_", Some("_api_a_b")),
            ("^/api/(.*)", "/$1x", Some("/")),
            ("^", "/v1", Some("/v1/api/a/b")),
            ("^/nope", "/", None),
        ] {
            assert_eq!(
                replaced(regex, "/api/a/b", replacement).as_deref(),
                expected,
                "{regex}"
            );
        }
    }

    #[test]
    fn a_replacement_that_grows_without_bound_is_stopped() {
        let pattern: Pattern = "".parse().unwrap();
        assert_eq!(pattern.replaced(&"a".repeat(50), "bbb", 100), Err(TooLong));
        assert_eq!(pattern.replaced(&"a".repeat(101), "", 100), Err(TooLong));
    }

    #[test]
    fn a_text_that_is_none_is_refused_with_the_reason() {
        let error = serde_json::from_str::<Pattern>(r#""(a""#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("unclosed group"), "{error}");
        assert!(serde_json::from_str::<Pattern>(r#""a{1000}{1000}""#).is_err());
    }
}

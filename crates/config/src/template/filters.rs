//! What templates may do with texts, beyond minijinja's own filters.

use std::collections::BTreeMap;

use minijinja::{Environment, Error, ErrorKind};
use sha2::{Digest, Sha256};

use crate::{
    name,
    rule::{MAX_LENGTH, Pattern},
};

/// Adds all filters.
pub(super) fn add_to(environment: &mut Environment<'static>) {
    environment.add_filter("normalize", |text: &str| name::normalize(text));
    environment.add_filter("contains", |text: &str, part: &str| text.contains(part));
    environment.add_filter("has_prefix", |text: &str, prefix: &str| text.starts_with(prefix));
    environment.add_filter("has_suffix", |text: &str, suffix: &str| text.ends_with(suffix));
    environment.add_filter("trim_prefix", trim_prefix);
    environment.add_filter("trim_suffix", trim_suffix);
    environment.add_filter("trunc", |text: &str, length: usize| -> String {
        text.chars().take(length).collect()
    });
    environment.add_filter("replace", replace);
    environment.add_filter("regex_replace", regex_replace);
    environment.add_filter("hash", hash);
    environment.add_filter("numbered", numbered);
}

fn trim_prefix(text: &str, prefix: &str) -> String {
    text.strip_prefix(prefix).unwrap_or(text).to_owned()
}

fn trim_suffix(text: &str, suffix: &str) -> String {
    text.strip_suffix(suffix).unwrap_or(text).to_owned()
}

fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    bounded(text.replace(from, to))
}

fn regex_replace(text: &str, pattern: &str, replacement: &str) -> Result<String, Error> {
    let pattern: Pattern = pattern.parse().map_err(|error: crate::rule::PatternError| {
        Error::new(ErrorKind::InvalidOperation, format!("the pattern {error}"))
    })?;
    bounded(pattern.replace_all(text, replacement))
}

/// Replacing can multiply a text, again and again; what is longer than a rule may be is of no use.
fn bounded(text: String) -> Result<String, Error> {
    if text.len() > MAX_LENGTH {
        let message = format!("a text of more than {MAX_LENGTH} bytes");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    Ok(text)
}

/// The SHA-256 of a text in hexadecimal digits.
fn hash(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A list as a map with the keys `_0`, `_1`, ..., which is what `split` gives in templates for Go.
fn numbered(list: Vec<String>) -> BTreeMap<String, String> {
    let pairs = list.into_iter().enumerate();
    pairs
        .map(|(position, text)| (format!("_{position}"), text))
        .collect()
}

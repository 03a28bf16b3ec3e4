//! Keeps secrets out of whatever is shown: messages, logs, views.
//!
//! [`Secret`](crate::Secret) never prints by itself. This finds the rest by where it stands: behind a name that
//! sounds secret, in a URL, in a rule. It would rather hide too much.

mod calls;
mod shown;

use std::{borrow::Cow, ops::Range, sync::LazyLock};

use regex::Regex;

pub(crate) use shown::Shown;

/// What stands in place of a secret.
pub const REDACTED: &str = "REDACTED";

/// Words that make an option a secret wherever they stand in its name.
const WORDS: [&str; 7] = [
    "password",
    "passwd",
    "secret",
    "token",
    "credential",
    "apikey",
    "privatekey",
];

/// Words that make a header or a query parameter a secret, beside [`WORDS`].
const CARRIERS: [&str; 4] = ["authorization", "cookie", "session", "signature"];

/// The same for words that say so only when they stand alone between dashes, dots and underscores.
const SEGMENTS: [&str; 6] = ["auth", "jwt", "key", "pass", "pwd", "sig"];

/// Options that are secret although their names are ordinary words: password hashes and key material.
const OPTIONS: [&str; 6] = ["users", "key", "hash", "hashes", "jwk", "pem"];

/// True for names of headers and query parameters that carry credentials, in any case.
pub fn is_secret_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let joined = lower.replace(['-', '_', '.'], "");
    let mut words = WORDS.iter().chain(&CARRIERS);
    words.any(|word| joined.contains(word))
        || lower.split(['-', '_', '.']).any(|part| SEGMENTS.contains(&part))
}

/// True for names of options whose values are secret, in any case.
pub fn is_secret_option(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    OPTIONS.contains(&lower.as_str()) || WORDS.iter().any(|word| lower.contains(word))
}

/// `text`, whatever it is, without the secrets in it: user names and passwords of URLs, secret parameters of
/// their queries, secret headers and parameters in rules.
pub fn text(text: &str) -> Cow<'_, str> {
    if !text.contains(['@', '=', '(']) {
        return Cow::Borrowed(text);
    }
    let mut hidden = calls::scan(text).secret;
    hidden.extend(
        USER_INFO
            .captures_iter(text)
            .filter_map(|found| Some(found.get(1)?.range())),
    );
    hidden.extend(PARAMETER.captures_iter(text).filter_map(|found| {
        let (name, value) = (found.get(1)?, found.get(2)?);
        is_secret_name(name.as_str()).then(|| value.range())
    }));
    if hidden.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(without(text, &merged(hidden)))
}

/// `text`, which ought to be a URL and need not be one, without user name and password.
pub(crate) fn url(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + "://".len());
    let hidden = text.rfind('@').map(|end| start..end);
    let hidden = hidden.filter(|hidden| !hidden.is_empty());
    without(text, hidden.as_slice())
}

/// User name and password of a URL, up to the last `@` before its path.
static USER_INFO: LazyLock<Regex> = LazyLock::new(|| pattern(r#"://([^\s/?#"'`<>]+)@"#));

/// A parameter in the query of a URL.
static PARAMETER: LazyLock<Regex> = LazyLock::new(|| pattern(r##"[?&]([^\s=&?#"'`<>]+)=([^\s&#"'`<>]+)"##));

#[expect(clippy::expect_used, reason = "fixed patterns, compiled by the tests")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a fixed pattern compiles")
}

/// Ranges in their order, those that touch or overlap as one.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// `text` with [`REDACTED`] in place of each of `hidden`, in backticks where a quoted text stood.
fn without(text: &str, hidden: &[Range<usize>]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut after = 0;
    for range in hidden {
        shown.push_str(text.get(after..range.start).unwrap_or_default());
        match text.get(range.clone()) {
            Some(secret)
                if secret.len() > 1 && secret.ends_with(['`', '"']) && secret.starts_with(['`', '"']) =>
            {
                shown.push('`');
                shown.push_str(REDACTED);
                shown.push('`');
            }
            _ => shown.push_str(REDACTED),
        }
        after = range.end;
    }
    shown.push_str(text.get(after..).unwrap_or_default());
    shown
}

#[cfg(test)]
mod tests;

//! What may be shown of a text that is wrong.

use std::ops::Range;

use super::{
    calls::{is_in_name, is_keyed, scan},
    is_secret_name, merged, without,
};
use crate::tag_rule::words;

/// A text that could not be read, as a message may quote it: what a rule in it, or what is left of one,
/// compares with secret headers and parameters is hidden, and so is what a URL has before `@`.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The text without what is hidden.
    pub(crate) text: String,
    hidden: Vec<Range<usize>>,
}

impl Shown {
    pub(crate) fn of(text: &str) -> Self {
        let mut hidden = if text.contains(['`', '"', '(']) {
            in_rule(text)
        } else {
            in_tag(text)
        };
        hidden.extend(credentials(text));
        let hidden = merged(hidden);
        Self {
            text: without(text, &hidden),
            hidden,
        }
    }

    /// `message`, which may quote the whole of `text`, without what is hidden of it.
    pub(crate) fn within(&self, message: String, text: &str) -> String {
        if self.hidden.is_empty() {
            return message;
        }
        let escaped = |text: &str| format!("{text:?}").trim_matches('"').to_owned();
        message
            .replace(text, &self.text)
            .replace(&escaped(text), &escaped(&self.text))
    }

    /// True if some of the `length` bytes from `at` on are hidden.
    pub(crate) fn hides(&self, at: usize, length: usize) -> bool {
        self.hidden
            .iter()
            .any(|hidden| hidden.start < at.saturating_add(length.max(1)) && at < hidden.end)
    }
}

/// In a rule that is whole only arguments are hidden, in any other all that follows the first secret name.
fn in_rule(text: &str) -> Vec<Range<usize>> {
    let found = scan(text);
    if found.is_whole {
        return found.secret;
    }
    let named = end_of_secret_name(text);
    let first = found.secret.first().map(|range| range.start);
    let start = named.into_iter().chain(first).min();
    start.map(|start| start..text.len()).into_iter().collect()
}

/// In a rule for tags the rest of the word is hidden, and words after it that do not begin anew.
fn in_tag(text: &str) -> Vec<Range<usize>> {
    let mut hidden = Vec::new();
    let mut goes_on = false;
    for (at, word) in words(text) {
        let bare = word.strip_prefix('-').unwrap_or(word);
        let (matcher, value) = bare.split_once(':').unwrap_or(("", bare));
        if goes_on && !begins_anew(bare, matcher) {
            hidden.push(at..at + word.len());
            continue;
        }
        goes_on = false;
        // With a blank missing before it, another matcher may be in the value.
        if !matcher.is_empty() && !is_keyed(matcher) && !value.contains([':', '=']) {
            continue;
        }
        if let Some(end) = end_of_secret_name(word) {
            hidden.push(at + end..at + word.len());
            goes_on = true;
        }
    }
    hidden.retain(|range| !range.is_empty());
    hidden
}

/// True for what cannot be the second word of a value.
fn begins_anew(word: &str, matcher: &str) -> bool {
    const KEYED: [&str; 4] = ["header", "headerre", "query", "queryre"];
    let lower = matcher.to_ascii_lowercase();
    let joint = word.eq_ignore_ascii_case("and") || word.eq_ignore_ascii_case("or");
    joint || (!matcher.is_empty() && (!is_keyed(matcher) || KEYED.contains(&lower.as_str())))
}

/// Where the first name that sounds secret ends.
fn end_of_secret_name(text: &str) -> Option<usize> {
    let mut at = 0;
    for run in text.split_inclusive(|c| !is_in_name(c)) {
        let name = run.trim_end_matches(|c| !is_in_name(c));
        if is_secret_name(name) {
            return Some(at + name.len());
        }
        at += run.len();
    }
    None
}

/// What stands between `://` and the last `@`: a password need not be written as URLs want it.
fn credentials(text: &str) -> Option<Range<usize>> {
    let start = text.find("://")? + "://".len();
    let end = text.rfind('@')?;
    (start < end).then_some(start..end)
}

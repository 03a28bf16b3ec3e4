//! Places of a text and what is written there.

use std::ops::Range;

use super::{
    found::{Beside, Found, escaped},
    set::{Judged, Outcome},
    words::Words,
};

#[derive(Default)]
pub(super) struct Edits(pub(super) Vec<(Range<usize>, String)>);

impl Edits {
    /// Writes what became of a label.
    pub(super) fn replace(&mut self, judged: &Judged, words: &Words) {
        let found = &judged.found;
        let given = |labels: &[(String, String)]| -> Vec<(String, String)> {
            let labels = labels.iter();
            labels
                .map(|(key, value)| (words.given_back(key), words.given_back(value)))
                .collect()
        };
        if judged.closes {
            self.add(found, &[("mesh.enable".to_owned(), "false".to_owned())], words);
            return;
        }
        let (Outcome::Translated(labels) | Outcome::Closed(labels)) = &judged.outcome else {
            return;
        };
        let Some(((key, value), more)) = labels.split_first() else {
            return;
        };
        let is_same = *value == found.value;
        let (key, value) = (words.given_back(key), words.given_back(value));
        if found.apart {
            self.0.push((found.span.clone(), key));
            if !is_same {
                // Where labels are a map, their values are text.
                self.0
                    .push((found.value_span.clone(), quoted(&value, found.quote)));
            }
            self.add(found, &given(more), words);
            return;
        }
        if is_same && !found.is_fabio() {
            self.0
                .push((found.span.start..found.value_span.start.saturating_sub(1), key));
            self.add(found, &given(more), words);
            return;
        }
        let texts = given(labels)
            .into_iter()
            .map(|(key, value)| text(found, &key, &value));
        self.0.push((
            found.span.clone(),
            texts.collect::<Vec<_>>().join(&found.separator),
        ));
    }

    /// Writes labels behind one that stays where it is.
    fn add(&mut self, found: &Found, labels: &[(String, String)], words: &Words) {
        if labels.is_empty() {
            return;
        }
        let mut out = String::new();
        let at = match (&found.beside, found.apart) {
            (Some(beside), true) => {
                for (key, value) in labels {
                    out.push_str(&entry(beside, key, value));
                }
                found.value_span.end + usize::from(found.quote.is_some())
            }
            _ if found.has_room(2) => {
                for (key, value) in labels {
                    out.push_str(&found.separator);
                    out.push_str(&text(found, key, value));
                }
                found.span.end.max(found.value_span.end)
            }
            _ => {
                // No list and no map of labels: in its place.
                let label = Judged {
                    found: found.clone(),
                    outcome: Outcome::Closed(labels.to_vec()),
                    note: String::new(),
                    closes: false,
                };
                self.replace(&label, words);
                return;
            }
        };
        self.0.push((at..at, out));
    }

    pub(super) fn apply(mut self, text: &str) -> String {
        self.0.sort_by_key(|(range, _)| (range.start, range.end));
        let mut out = String::new();
        let mut at = 0;
        for (range, new) in self.0 {
            out.push_str(text.get(at..range.start).unwrap_or_default());
            out.push_str(&new);
            at = range.end.max(at);
        }
        out.push_str(text.get(at..).unwrap_or_default());
        out
    }
}

/// An entry of a map, behind another one.
pub(super) fn entry(beside: &Beside, key: &str, value: &str) -> String {
    let Beside { between, quote, sign } = beside;
    let value = escaped(value, Some('"'));
    format!("{between}{quote}{key}{quote}{sign}\"{value}\"")
}

/// A label as one text.
fn text(found: &Found, key: &str, value: &str) -> String {
    let text = format!("{key}={value}");
    let is_delicate = found.flow || text.contains(": ") || text.contains(" #");
    match found.quote {
        None if is_delicate => format!("\"{}\"", escaped(&text, Some('"'))),
        quote => escaped(&text, quote),
    }
}

/// A value that stands apart from its key, in place of one in `quote`.
pub(super) fn quoted(value: &str, quote: Option<char>) -> String {
    match quote {
        None => format!("\"{}\"", escaped(value, Some('"'))),
        quote => escaped(value, quote),
    }
}

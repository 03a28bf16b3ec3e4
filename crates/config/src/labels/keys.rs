//! From labels as they come to paths below the prefix: prefixes, `@b64`, and values in several parts.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use crate::instance::LabelSet;

/// The last piece of a key whose value is base64.
const BASE64: &str = "@b64";

/// Parts of one value: the key itself and nine more.
const PARTS: usize = 10;

/// Our labels of one set.
#[derive(Debug, Default)]
pub(super) struct Keys<'a> {
    /// Paths and texts; of equal paths the later wins.
    pub(super) pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Paths whose values cannot be put together, and why.
    pub(super) broken: Vec<(String, String)>,
    /// The strongest prefix that was found.
    pub(super) prefix: Option<&'a str>,
}

impl<'a> Keys<'a> {
    /// The labels of `set` below one of `prefixes`; for one key the first prefix wins.
    pub(super) fn of(set: &'a LabelSet, prefixes: &'a [String]) -> Self {
        let mut keys = Self::default();
        for prefix in prefixes.iter().rev() {
            let weaker = keys.pairs.len();
            let mut parted = BTreeMap::new();
            for (key, text) in &set.labels {
                let Some(path) = below(key, prefix) else { continue };
                keys.prefix = Some(prefix);
                match part_of(path) {
                    Some((base, number)) => {
                        let value: &mut Parted<'_> = parted.entry(base.to_ascii_lowercase()).or_default();
                        value.base = base;
                        if let Some(part) = value.parts.get_mut(number) {
                            *part = Some(text);
                        }
                    }
                    None => keys.pairs.push((Cow::Borrowed(path), Cow::Borrowed(text))),
                }
            }
            for value in parted.into_values() {
                keys.put_together(&value);
            }
            // Sources give labels in any order; which spelling of a name stands must not change with it.
            if let Some(pairs) = keys.pairs.get_mut(weaker..) {
                pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
            }
        }
        keys
    }

    fn put_together(&mut self, value: &Parted<'a>) {
        let encoded = value.base.strip_suffix(BASE64);
        let path = encoded.unwrap_or(value.base);
        let text = value.joined(if encoded.is_some() { "" } else { " " });
        let text = match encoded {
            Some(_) => text.and_then(|text| decoded(&text).map(Cow::Owned)),
            None => text,
        };
        match text {
            Ok(text) => self.pairs.push((Cow::Borrowed(path), text)),
            Err(message) => self.broken.push((path.to_owned(), message)),
        }
    }
}

/// A value that may come in parts.
#[derive(Debug, Default)]
struct Parted<'a> {
    base: &'a str,
    parts: [Option<&'a str>; PARTS],
}

impl<'a> Parted<'a> {
    fn joined(&self, between: &str) -> Result<Cow<'a, str>, String> {
        let filled = self.parts.iter().rposition(Option::is_some).unwrap_or_default();
        let parts: Vec<&str> = self.parts.iter().take(filled + 1).copied().flatten().collect();
        if let Some(gap) = self.parts.iter().take(filled).position(Option::is_none) {
            let name = match gap {
                0 => self.base.to_owned(),
                number => format!("{}.{number}", self.base),
            };
            return Err(format!(
                "part {}.{filled} is there and {name} is missing",
                self.base
            ));
        }
        Ok(match parts.as_slice() {
            [whole] => Cow::Borrowed(whole),
            parts => Cow::Owned(parts.join(between)),
        })
    }
}

/// What follows `prefix.` in `key`.
fn below<'a>(key: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = key.split_at_checked(prefix.len())?;
    rest.strip_prefix('.')
        .filter(|_| start.eq_ignore_ascii_case(prefix))
}

/// The key and the number of the part, if `path` may be one of several: `rule`, `rule.2`, `x@b64`, `x@b64.1`.
fn part_of(path: &str) -> Option<(&str, usize)> {
    let (base, number) = match path.rsplit_once('.') {
        Some((base, number)) if matches!(number.as_bytes(), [b'1'..=b'9']) => (base, number.parse().ok()?),
        _ => (path, 0),
    };
    let last = base.rsplit('.').next()?;
    (last.eq_ignore_ascii_case("rule") || base.ends_with(BASE64)).then_some((base, number))
}

/// Base64 in the standard or the URL alphabet, with or without padding, of UTF-8.
fn decoded(text: &str) -> Result<String, String> {
    let standard: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '=')
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    let bytes = STANDARD_NO_PAD
        .decode(standard)
        .map_err(|error| format!("not base64: {error}"))?;
    String::from_utf8(bytes).map_err(|_| "not UTF-8 after decoding from base64".to_owned())
}

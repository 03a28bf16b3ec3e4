//! A label or tag with the places where it stands, and how texts are written there.

use std::ops::Range;

/// What Fabio's tags begin with.
pub(super) const FABIO: &str = "urlprefix-";

/// What Mesh's own labels begin with.
pub(super) const OURS: &str = "mesh.";

/// First names below Mesh's own prefix by which a service has a router, or none.
const OUR_ROOTS: [&str; 6] = ["enable", "host", "http", "path", "routers", "rule"];

/// First names below the prefix of another router that no host or image begins with.
const ROOTS: [&str; 8] = [
    "enable",
    "http",
    "tcp",
    "udp",
    "frontend",
    "frontends",
    "backend",
    "protocol",
];

/// A label or tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// All of it within its quotes; of a key and a value that stand apart, the key.
    pub(super) span: Range<usize>,
    /// The key; of Fabio's tags all of it.
    pub(super) key: String,
    /// The value, without escapes.
    pub(super) value: String,
    /// Where the value stands.
    pub(super) value_span: Range<usize>,
    /// Key and value stand apart.
    pub(super) apart: bool,
    /// What surrounds it, or its value: a quote, or nothing.
    pub(super) quote: Option<char>,
    /// Without quotes, and among brackets and commas.
    pub(super) flow: bool,
    /// What goes between two of its kind in a list; empty where there is no list.
    pub(super) separator: String,
    /// How an entry beside it is written, of those that stand apart.
    pub(super) beside: Option<Beside>,
    /// Its line, from 1.
    pub(super) line: usize,
    /// Those with the same number belong together.
    pub(super) set: usize,
    /// Those with the same number stand in the same list or map.
    pub(super) home: usize,
    /// Why it cannot be read or rewritten.
    pub(super) unreadable: Option<&'static str>,
}

/// How an entry is written beside another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beside {
    /// What goes between two entries.
    pub(super) between: String,
    /// The quote around a key.
    pub(super) quote: &'static str,
    /// What goes between key and value.
    pub(super) sign: &'static str,
}

impl Found {
    pub(super) fn is_fabio(&self) -> bool {
        self.key.starts_with(FABIO)
    }

    /// Whether it is a label that Mesh reads as it is.
    pub(super) fn is_ours(&self) -> bool {
        self.key.starts_with(OURS)
    }

    /// Whether `count` labels can be written in its place.
    pub(super) fn has_room(&self, count: usize) -> bool {
        count < 2 || (self.apart && self.beside.is_some()) || (!self.apart && !self.separator.is_empty())
    }
}

/// Whether a key that begins with Mesh's own prefix is a label, and no host.
pub(super) fn is_our_key(key: &str) -> bool {
    key.strip_prefix(OURS).is_some_and(|path| {
        let first = path
            .split(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap_or_default();
        OUR_ROOTS.contains(&first.to_ascii_lowercase().as_str())
    })
}

/// A label that stands somewhere within `text` where it is not read: its place and key.
pub(super) fn buried(text: &str, prefix: &str) -> Option<(usize, String)> {
    let lower = text.to_ascii_lowercase();
    let starts = |word: &str| -> Option<usize> {
        let places = lower.match_indices(word).map(|(at, _)| at);
        places
            .filter(|at| {
                let before = lower.get(..*at).and_then(|before| before.chars().next_back());
                before.is_none_or(|c| !c.is_ascii_alphanumeric() && !"._/-".contains(c))
            })
            .find(|at| {
                let rest = lower.get(at + word.len()..).unwrap_or_default();
                let end = rest
                    .find(|c: char| !c.is_ascii_alphanumeric())
                    .unwrap_or(rest.len());
                let (first, behind) = rest.split_at_checked(end).unwrap_or_default();
                word == FABIO || ROOTS.contains(&first) && behind.starts_with(['.', '='])
            })
    };
    let at = [prefix, FABIO].into_iter().filter_map(starts).min()?;
    let key = text
        .get(at..)?
        .split(|c: char| c == '=' || c == ':' || c.is_whitespace() || "\"'`,".contains(c))
        .next()?;
    Some((at, key.to_owned()))
}

/// All labels within `text`, each with the number of its line, from 0.
pub(super) fn all_buried(text: &str, prefix: &str) -> Vec<(usize, String)> {
    let mut all = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut rest = line;
        while let Some((at, key)) = buried(rest, prefix) {
            rest = rest.get(at + key.len().max(1)..).unwrap_or_default();
            all.push((number, key));
        }
    }
    all
}

/// `text` as it is written within `quote`.
pub(super) fn escaped(text: &str, quote: Option<char>) -> String {
    match quote {
        Some('\'') => text.replace('\'', "''"),
        Some(_) => text.replace('\\', "\\\\").replace('"', "\\\""),
        None => text.to_owned(),
    }
}

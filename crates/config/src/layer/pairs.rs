//! Dotted paths with text: flags, variables, labels.

use figment::value::{Dict, Tag, Value};

use super::{MAX_DEPTH, places::Origins};
use crate::origin::Origin;

/// The key under which a block keeps the text that was given for the block itself.
pub(crate) const ITSELF: &str = "";

pub(super) fn load(pairs: impl IntoIterator<Item = (String, String, Origin)>) -> (Dict, Origins) {
    let mut values = Dict::new();
    let mut origins = Origins::new();
    for (path, text, origin) in pairs {
        insert(&mut values, &path, &text);
        let mut key = segments(&path).collect::<Vec<_>>().join(".");
        key.make_ascii_lowercase();
        origins.insert(key, origin);
    }
    (values, origins)
}

/// Puts `text` at `path`; a part of the path that differs from an earlier one only by case is that one.
pub(super) fn insert(values: &mut Dict, path: &str, text: &str) {
    let mut dict = values;
    let mut parts = segments(path).peekable();
    while let Some(part) = parts.next() {
        let key = spelled(dict, part);
        if parts.peek().is_none() {
            put(dict, key, text);
            return;
        }
        let entry = dict
            .entry(key)
            .or_insert_with(|| Value::Dict(Tag::Default, Dict::new()));
        if let Value::String(tag, text) = entry {
            let itself = Value::String(*tag, std::mem::take(text));
            *entry = Value::Dict(*tag, Dict::from([(ITSELF.to_owned(), itself)]));
        }
        let Value::Dict(_, inner) = entry else { return };
        dict = inner;
    }
}

fn put(dict: &mut Dict, key: String, text: &str) {
    let value = Value::String(Tag::Default, text.to_owned());
    match dict.get_mut(&key) {
        Some(Value::Dict(_, block)) => {
            block.insert(ITSELF.to_owned(), value);
        }
        _ => {
            dict.insert(key, value);
        }
    }
}

/// `part` as it is spelled in `dict` already, or as it is.
pub(super) fn spelled(dict: &Dict, part: &str) -> String {
    if dict.contains_key(part) {
        return part.to_owned();
    }
    dict.keys()
        .find(|key| key.eq_ignore_ascii_case(part))
        .map_or_else(|| part.to_owned(), Clone::clone)
}

/// `a.b[0].c` as `a`, `b`, `0`, `c`. What lies too deep stays one part.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.splitn(MAX_DEPTH, '.').flat_map(|part| {
        let indexed = part
            .strip_suffix(']')
            .and_then(|rest| rest.split_once('['))
            .filter(|(_, index)| !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()));
        match indexed {
            Some((name, index)) => [Some(name).filter(|name| !name.is_empty()), Some(index)],
            None => [Some(part), None],
        }
        .into_iter()
        .flatten()
    })
}

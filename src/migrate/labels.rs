//! Labels and tags within a file of any format, in place.

use std::path::Path;

use super::{
    Translation,
    edits::Edits,
    fabio::{self, Names},
    found::{Found, is_our_key},
    owner,
    report::{FileReport, Item, Verdict},
    scan,
    set::{self, Judged, Outcome, option},
    words::{Dialect, Words},
    yaml,
};

/// Said of a file that would not read as what was translated.
const UNSURE: &str = "the file is not written: what would be written does not read back as what is above";

/// Translates the labels and tags within `text`.
pub(super) fn translate(file: &Path, text: &str, prefix: &str, names: &mut Names) -> Translation {
    let name = file.display().to_string();
    let lines: Vec<&str> = text.lines().collect();
    let mut words = Words::new(Dialect::of(file, text));
    let mut found = read(file, text, prefix, &mut words);
    if prefix == "mesh" {
        // All of them are to be translated then, if that means anything.
        found.retain(|found| !found.is_ours());
    }
    found.sort_by_key(|found| found.set);
    let mut items = Vec::new();
    let mut edits = Edits::default();
    let mut expected = Vec::new();
    for set in found.chunk_by(|one, other| one.set == other.set) {
        if set.iter().all(Found::is_ours) {
            expected.extend(set.iter().map(|found| (found.key.clone(), found.value.clone())));
            continue;
        }
        let service = set.first().and_then(|first| owner::of(&lines, first.line));
        for judged in set::translate(set.to_vec(), names) {
            edits.replace(&judged, &words);
            expected.extend(written(&judged));
            items.extend(item(&name, service.as_ref(), judged, &words));
        }
    }
    twice(&mut items);
    let text = edits.apply(text);
    let expected = expected
        .into_iter()
        .map(|(key, value)| (words.given_back(&key), words.given_back(&value)));
    let is_sure = reads_back(file, &text, prefix, expected.collect());
    if !is_sure && !items.is_empty() {
        items.push(Item {
            place: name.clone(),
            service: None,
            key: "all of it".to_owned(),
            verdict: Verdict::Refused,
            to: Vec::new(),
            note: UNSURE.to_owned(),
        });
    }
    Translation {
        report: FileReport {
            file: name,
            kind: "labels",
            items,
        },
        text: is_sure.then_some(text),
    }
}

/// All labels of `text`, those together that belong to one service.
fn read(file: &Path, text: &str, prefix: &str, words: &mut Words) -> Vec<Found> {
    let extension = file.extension().and_then(|extension| extension.to_str());
    let is_other = matches!(extension, Some("hcl" | "nomad" | "tf" | "tfvars" | "toml"));
    let parsed = (!is_other).then(|| yaml::scan(text, prefix)).flatten();
    let (mut found, merges) = parsed.unwrap_or_else(|| (scan::scan(text, prefix), Vec::new()));
    for found in &mut found {
        found.key = words.taken(&found.key);
        found.value = words.taken(&found.value);
    }
    for (one, other) in merges {
        join(&mut found, one, other);
    }
    for (one, other) in complements(&found) {
        join(&mut found, one, other);
    }
    found
}

/// Lists that hold parts of one router: what guards it may be in another one than its rule.
fn complements(found: &[Found]) -> Vec<(usize, usize)> {
    let parts = found.iter().filter_map(|found| {
        let name = found.key.split('.').nth(3)?.to_ascii_lowercase();
        Some((name, found.home, option(&found.key)? == "rule", found.line))
    });
    let parts: Vec<_> = parts.collect();
    let rules = |name: &str| {
        let name = name.to_owned();
        parts
            .iter()
            .filter(move |(other, _, is_rule, _)| *is_rule && *other == name)
    };
    let mut pairs = Vec::new();
    for (name, home, _, line) in &parts {
        if rules(name).any(|(_, at, _, _)| at == home) {
            continue;
        }
        // Of several routers with the name the nearest is meant.
        let nearest = rules(name).min_by_key(|(_, _, _, at)| at.abs_diff(*line));
        pairs.extend(nearest.map(|(_, other, _, _)| (*home, *other)));
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// Makes one set of those of two lists.
fn join(found: &mut [Found], one: usize, other: usize) {
    let set = |home: usize| {
        found
            .iter()
            .find(|found| found.home == home)
            .map(|found| found.set)
    };
    let (Some(one), Some(other)) = (set(one), set(other)) else {
        return;
    };
    for found in found.iter_mut().filter(|found| found.set == other) {
        found.set = one;
    }
}

/// The labels that stand in the place of one.
fn written(judged: &Judged) -> Vec<(String, String)> {
    let mut labels = match &judged.outcome {
        Outcome::Translated(labels) | Outcome::Closed(labels) => labels.clone(),
        Outcome::Ours(key, value) => vec![(key.clone(), value.clone())],
        Outcome::LeftOut | Outcome::Refused => Vec::new(),
    };
    if judged.closes {
        if !judged.found.has_room(2) {
            labels.clear();
        }
        labels.push(("mesh.enable".to_owned(), "false".to_owned()));
    }
    labels
}

/// Whether `text` holds the labels of Mesh that it should hold, and no others.
fn reads_back(file: &Path, text: &str, prefix: &str, mut expected: Vec<(String, String)>) -> bool {
    let mut words = Words::new(Dialect::of(file, text));
    let found = read(file, text, prefix, &mut words);
    let mut read: Vec<_> = found
        .into_iter()
        .filter(Found::is_ours)
        .map(|found| (words.given_back(&found.key), words.given_back(&found.value)))
        .collect();
    expected.retain(|(key, _)| is_our_key(key));
    read.sort();
    expected.sort();
    read == expected
}

fn item(name: &str, service: Option<&String>, judged: Judged, words: &Words) -> Option<Item> {
    let given = |labels: Vec<(String, String)>| -> Vec<(String, String)> {
        let labels = labels.into_iter();
        labels
            .map(|(key, value)| (words.given_back(&key), words.given_back(&value)))
            .collect()
    };
    let (verdict, to) = match judged.outcome {
        Outcome::Translated(labels) => (Verdict::Translated, shown(&judged.found, given(labels))),
        Outcome::Closed(labels) => (Verdict::Refused, shown(&judged.found, given(labels))),
        Outcome::LeftOut => (Verdict::LeftOut, Vec::new()),
        Outcome::Refused => (Verdict::Refused, Vec::new()),
        Outcome::Ours(..) => return None,
    };
    Some(Item {
        place: format!("{name}:{}", judged.found.line),
        service: service.cloned(),
        key: words.given_back(&judged.found.key),
        verdict,
        to,
        note: words.given_back(&judged.note),
    })
}

/// Labels as the report shows them.
fn shown(found: &Found, labels: Vec<(String, String)>) -> Vec<String> {
    let shown = labels.into_iter().map(|(key, value)| {
        // Values may be secret, and are what they were.
        match found.is_fabio() || key.ends_with(".priority") && !found.key.ends_with(".priority") {
            true => format!("{key}={value}"),
            false => key,
        }
    });
    shown.collect()
}

/// Says of services that have the same route of Fabio what becomes of that.
fn twice(items: &mut [Item]) {
    const SHARED: &str = "another service here has the same route: in Mesh the first one keeps it, unless both have the same mesh.service";
    let mut seen: Vec<(String, Option<String>)> = Vec::new();
    for item in items
        .iter_mut()
        .filter(|item| item.verdict == Verdict::Translated)
    {
        let Some(route) = fabio::route_of(&item.key) else {
            continue;
        };
        let other = seen
            .iter()
            .any(|(known, service)| *known == route && *service != item.service);
        if other {
            item.note = match item.note.as_str() {
                "" => SHARED.to_owned(),
                before => format!("{before}; {SHARED}"),
            };
        }
        seen.push((route, item.service.clone()));
    }
}

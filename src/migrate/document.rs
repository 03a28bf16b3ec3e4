//! Dynamic and static files: the same sections and names as Mesh's, but for some.

use std::{collections::BTreeSet, ops::Range, path::Path};

use mesh_config::{
    Fragment, Kind, Problem, SetAside,
    document::parse_beside,
    layer::{Format, Layer},
};

use super::{
    Translation,
    edits::{Edits, quoted},
    found::{Beside, Found},
    report::{FileReport, Item, Verdict},
    rule::{self, Syntax},
    scan, yaml,
};
use crate::settings::{self, Flags, Sources};

/// Sections of a dynamic file.
const DYNAMIC: [&str; 4] = ["http", "tcp", "udp", "tls"];

/// Sections that only a static file has.
const STATIC: [&str; 4] = ["entrypoints", "providers", "certificatesresolvers", "accesslog"];

/// Said of a guarded router that Mesh does not take.
const UNSAFE: &str =
    "; the file is not written: without this router a wider one may answer its requests unguarded";

/// Translates a dynamic or static file; `None` when it is neither.
pub(super) fn translate(file: &Path, text: &str) -> Result<Option<Translation>, String> {
    let Some(format) = Format::of(file) else {
        return Ok(None);
    };
    let name = file.display().to_string();
    let sections = sections(&name, text, format)?;
    let has = |known: &[&str]| {
        sections
            .iter()
            .any(|section| known.contains(&section.to_ascii_lowercase().as_str()))
    };
    if has(&STATIC) {
        return Ok(Some(of_static(file, &name)));
    }
    if !has(&DYNAMIC) {
        return Ok(None);
    }
    dynamic(&name, text, format).map(Some)
}

/// The keys at the root.
fn sections(name: &str, text: &str, format: Format) -> Result<Vec<String>, String> {
    use figment::Provider as _;
    let layer = Layer::parse(name, text, format).map_err(|problem| problem.to_string())?;
    let data = layer.data().map_err(|error| error.to_string())?;
    Ok(data
        .into_values()
        .flat_map(figment::value::Dict::into_keys)
        .collect())
}

/// What Mesh says of a static file. It is not written: what is not known has to go, and that is for people to say.
fn of_static(file: &Path, name: &str) -> Translation {
    let flags = Flags {
        config: Some(file.display().to_string()),
        ..Flags::default()
    };
    let loaded = settings::load(Sources {
        flags,
        ..Sources::default()
    });
    let (problems, warnings) = match loaded {
        Ok(loaded) => (Vec::new(), loaded.warnings),
        Err(problems) => (problems, Vec::new()),
    };
    let mut items: Vec<_> = problems
        .iter()
        .map(|problem| item(problem, Verdict::Refused))
        .collect();
    items.extend(warnings.iter().map(|problem| item(problem, Verdict::LeftOut)));
    if items.is_empty() {
        items.push(Item {
            place: name.to_owned(),
            service: None,
            key: "every option".to_owned(),
            verdict: Verdict::Translated,
            to: Vec::new(),
            note: "has the same name in Mesh".to_owned(),
        });
    }
    Translation {
        report: FileReport {
            file: name.to_owned(),
            kind: "static",
            items,
        },
        text: None,
    }
}

fn dynamic(name: &str, text: &str, format: Format) -> Result<Translation, String> {
    let mut rules = Rules::read(text, format);
    let mut edits = Edits::default();
    let mut items: Vec<Item> = Vec::new();
    for found in std::mem::take(&mut rules.rules) {
        items.extend(rules.translate(name, &found, &mut edits));
    }
    for found in &rules.syntaxes {
        edits.0.push((entry(text, found), String::new()));
        let note = "Mesh has one syntax of rules".to_owned();
        items.push(noted(
            format!("{name}:{}", found.line),
            "ruleSyntax",
            Verdict::LeftOut,
            note,
        ));
    }
    let text = edits.apply(text);
    let fragment =
        parse_beside(name, &text, format, &BTreeSet::new()).map_err(|problem| problem.to_string())?;
    // Which router asks for options of TLS is not shown of one that was set aside: any may.
    let mut options = values(&text, format, "options").0.into_iter();
    let has_options = options.any(|found| found.unreadable.is_none());
    let mut is_unsafe = items.iter().any(|item| item.verdict == Verdict::Refused)
        || fragment
            .set_aside
            .iter()
            .any(|aside| is_guarded_router(aside, has_options));
    for (name, router) in &fragment.routers {
        let rule = router.value.rule.as_ref().map(mesh_config::rule::Rule::text);
        if rule.is_some_and(|rule| !rules.known.iter().any(|known| known == rule)) {
            is_unsafe = true;
            let key = format!("http.routers.{name}.rule");
            let note = "its rule is written so that it is not found; the file is not written".to_owned();
            items.push(noted(router.origin.to_string(), &key, Verdict::Refused, note));
        }
    }
    items.extend(objects(&fragment, has_options));
    Ok(Translation {
        report: FileReport {
            file: name.to_owned(),
            kind: "dynamic",
            items,
        },
        text: (!is_unsafe).then_some(text),
    })
}

/// The values of `key`, and whether blocks take in others.
fn values(text: &str, format: Format, key: &str) -> (Vec<Found>, bool) {
    let parsed = match format {
        Format::Yaml => yaml::values(text, key),
        Format::Toml => None,
    };
    parsed.unwrap_or_else(|| (scan::values(text, key), false))
}

/// The rules of a document and what else says how they are meant.
struct Rules {
    rules: Vec<Found>,
    syntaxes: Vec<Found>,
    priorities: Vec<Found>,
    /// Blocks take in others.
    has_merges: bool,
    /// Rules as they are written.
    known: Vec<String>,
}

impl Rules {
    fn read(text: &str, format: Format) -> Self {
        let (rules, has_merges) = values(text, format, "rule");
        Self {
            rules,
            syntaxes: values(text, format, "ruleSyntax").0,
            priorities: values(text, format, "priority").0,
            has_merges,
            known: Vec::new(),
        }
    }

    /// Rewrites a rule, and keeps its router where it was in the order of all.
    fn translate(&mut self, name: &str, found: &Found, edits: &mut Edits) -> Vec<Item> {
        let mut syntaxes = self.syntaxes.iter();
        let syntax = syntaxes.find(|syntax| syntax.set == found.set);
        let syntax = syntax
            .map(|syntax| Syntax::named(&syntax.value))
            .unwrap_or_default();
        let place = format!("{name}:{}", found.line);
        let rule = match rule::convert(&found.value, syntax) {
            Ok(Some(rule)) => rule,
            Ok(None) => {
                self.known.push(found.value.clone());
                let doubt = rule::doubt(&found.value, syntax).map(str::to_owned);
                return doubt
                    .map(|note| noted(place, "rule", Verdict::Translated, note))
                    .into_iter()
                    .collect();
            }
            // The decoder will say so of the router.
            Err(_) => return Vec::new(),
        };
        let own = self.priorities.iter().find(|priority| priority.set == found.set);
        let has_priority = own.is_some_and(|own| own.value.trim() != "0");
        let reason = match (&found.beside, found.unreadable) {
            (_, Some(reason)) => Some(reason),
            _ if has_priority || found.value.len() == rule.len() => None,
            _ if self.has_merges || own.is_some() => {
                Some("write its priority first, for the rule's length changes")
            }
            (None, _) => Some("write its priority first: no key can be added here"),
            _ => None,
        };
        if let Some(reason) = reason {
            let note = format!("{reason}; the file is not written");
            return vec![noted(place, "rule", Verdict::Refused, note)];
        }
        edits
            .0
            .push((found.value_span.clone(), quoted(&rule, found.quote)));
        let mut note = format!("rule rewritten: {rule}");
        if let (false, Some(Beside { between, quote, sign })) =
            (has_priority || found.value.len() == rule.len(), &found.beside)
        {
            let at = found.value_span.end + usize::from(found.quote.is_some());
            let priority = found.value.len();
            edits
                .0
                .push((at..at, format!("{between}{quote}priority{quote}{sign}{priority}")));
            note = format!("{note}; with the priority {priority}, which it had by its length");
        }
        self.known.push(rule);
        vec![noted(place, "rule", Verdict::Translated, note)]
    }
}

/// Where the key and value of `found` stand in `text`: on lines of their own, or with a comma among others.
fn entry(text: &str, found: &Found) -> Range<usize> {
    let head = text.get(..found.span.start).unwrap_or_default();
    let behind = found.value_span.end + usize::from(found.quote.is_some());
    let tail = text.get(behind..).unwrap_or_default();
    let line = head.rfind('\n').map_or(0, |at| at + 1);
    let rest = tail.split('\n').next().unwrap_or_default();
    let is_alone = head.get(line..).is_some_and(|before| before.trim().is_empty());
    if is_alone && (rest.trim().is_empty() || rest.trim_start().starts_with('#')) {
        return line..(behind + rest.len() + 1).min(text.len());
    }
    let head = head.strip_suffix(['"', '\'']).unwrap_or(head);
    if let Some(others) = tail.trim_start().strip_prefix(',') {
        return head.len()..text.len() - others.trim_start_matches(' ').len();
    }
    let before = head.trim_end();
    before.strip_suffix(',').unwrap_or(before).len()..behind
}

/// A router that Mesh would not serve, so that a wider one answered its requests without what it asks for.
fn is_guarded_router(aside: &SetAside, has_options: bool) -> bool {
    let says = |word: &str| aside.problem.key.contains(word) || aside.problem.message.contains(word);
    let guards = has_options || !aside.outline.middlewares.is_empty() || says("middlewares") || says("tls");
    aside.kind == Kind::Router && guards
}

/// What Mesh takes of a dynamic file, and what it does not.
fn objects(fragment: &Fragment, has_options: bool) -> Vec<Item> {
    let taken = |section: &str, name: &String, origin: &mesh_config::Origin| {
        noted(
            origin.to_string(),
            &format!("{section}.{name}"),
            Verdict::Translated,
            String::new(),
        )
    };
    let routers = fragment
        .routers
        .iter()
        .map(|(name, router)| taken("http.routers", name, &router.origin));
    let services = fragment
        .services
        .iter()
        .map(|(name, service)| taken("http.services", name, &service.origin));
    let middlewares = fragment.middlewares.iter();
    let middlewares =
        middlewares.map(|(name, middleware)| taken("http.middlewares", name, &middleware.origin));
    let transports = fragment.servers_transports.iter();
    let transports =
        transports.map(|(name, transport)| taken("http.serversTransports", name, &transport.origin));
    let set_aside = fragment.set_aside.iter().map(|aside| {
        let mut item = item(&aside.problem, Verdict::Refused);
        if is_guarded_router(aside, has_options) {
            item.note.push_str(UNSAFE);
        }
        item
    });
    let others = fragment.problems.iter();
    let refused = set_aside.chain(others.map(|problem| item(problem, Verdict::Refused)));
    routers
        .chain(services)
        .chain(middlewares)
        .chain(transports)
        .chain(refused)
        .collect()
}

fn item(problem: &Problem, verdict: Verdict) -> Item {
    let note = match &problem.help {
        Some(help) => format!("{}: {help}", problem.message),
        None => problem.message.clone(),
    };
    noted(problem.origin.to_string(), &problem.key, verdict, note)
}

fn noted(place: String, key: &str, verdict: Verdict, note: String) -> Item {
    Item {
        place,
        service: None,
        key: key.to_owned(),
        verdict,
        to: Vec::new(),
        note,
    }
}

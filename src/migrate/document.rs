//! Dynamic and static files: the same sections and names as Mesh's, but for some.

use std::{collections::BTreeSet, path::Path};

use mesh_config::{
    Fragment, Problem,
    document::parse_beside,
    layer::{Format, Layer},
};

use super::{
    Edits, Translation,
    report::{FileReport, Item, Verdict},
    rule, scan,
};
use crate::settings::{self, Flags, Sources};

/// Sections of a dynamic file.
const DYNAMIC: [&str; 4] = ["http", "tcp", "udp", "tls"];

/// Sections that only a static file has.
const STATIC: [&str; 4] = ["entrypoints", "providers", "certificatesresolvers", "accesslog"];

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
    let syntaxes = scan::values(text, "ruleSyntax");
    let v2 = syntaxes.iter().any(|found| found.value == "v2");
    let mut items = Vec::new();
    let mut edits = Edits::default();
    for found in scan::values(text, "rule") {
        if let Ok(Some(rule)) = rule::convert(&found.value, v2) {
            let quoted = match found.quote {
                None => format!("\"{}\"", scan::escaped(&rule, Some('"'))),
                quote => scan::escaped(&rule, quote),
            };
            edits.0.push((found.value_span, quoted));
            let note = format!("rule rewritten: {rule}");
            items.push(noted(
                format!("{name}:{}", found.line),
                "rule",
                Verdict::Translated,
                note,
            ));
        }
    }
    for found in syntaxes {
        // Alone on its line, or it stays and is told of below.
        let start = text
            .get(..found.span.start)
            .and_then(|before| before.rfind('\n'))
            .map_or(0, |at| at + 1);
        let end = text
            .get(found.value_span.end..)
            .and_then(|after| after.find('\n'));
        let end = end.map_or(text.len(), |at| found.value_span.end + at + 1);
        let alone = text
            .get(start..found.span.start)
            .is_some_and(|before| before.trim().is_empty());
        if alone {
            edits.0.push((start..end, String::new()));
            let note = "Mesh has one syntax of rules".to_owned();
            items.push(noted(
                format!("{name}:{}", found.line),
                "ruleSyntax",
                Verdict::LeftOut,
                note,
            ));
        }
    }
    let text = edits.apply(text);
    let fragment =
        parse_beside(name, &text, format, &BTreeSet::new()).map_err(|problem| problem.to_string())?;
    items.extend(objects(&fragment));
    Ok(Translation {
        report: FileReport {
            file: name.to_owned(),
            kind: "dynamic",
            items,
        },
        text: Some(text),
    })
}

/// What Mesh takes of a dynamic file, and what it does not.
fn objects(fragment: &Fragment) -> Vec<Item> {
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
    let refused = fragment
        .set_aside
        .iter()
        .map(|broken| &broken.problem)
        .chain(&fragment.problems);
    let refused = refused.map(|problem| item(problem, Verdict::Refused));
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

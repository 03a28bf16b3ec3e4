//! The labels of one service, translated together: what Mesh's own decoder refuses is left as it was.

use mesh_config::{
    Kind, Origin, Problem,
    instance::LabelSet,
    labels::{Declaration, decode},
};

use super::{
    closed, fabio, rule,
    scan::{FABIO, Found},
};

/// What becomes of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Written as these.
    Translated(Vec<(String, String)>),
    /// Means nothing to Mesh, and nothing is lost with it.
    LeftOut,
    /// Stays as it was, and so counts for nothing.
    Refused,
    /// Does not translate, and is written as these, so that its router lets nobody in.
    Closed(Vec<(String, String)>),
}

/// A label and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) found: Found,
    pub(super) outcome: Outcome,
    /// Why, or what to look at.
    pub(super) note: String,
    /// `mesh.enable=false` is written in its place.
    pub(super) closes: bool,
}

/// Keys that are not as they were. What is in no row has the same name and meaning.
/// Docs: `docs/migrating.md` has the same table.
const LEFT_OUT: [(&str, &str); 4] = [
    ("docker.", "Docker is no provider of Mesh"),
    ("swarm.", "Docker is no provider of Mesh"),
    (
        "http.routers.*.rulesyntax",
        "Mesh has one syntax of rules; this one is translated",
    ),
    (
        "http.middlewares.*.stripprefix.forceslash",
        "a path that would be empty is always /",
    ),
];

/// What is said of rules that something else fills in before Mesh reads them.
const VARIABLES: &str = "variables stay as they are: look at what becomes of them";

/// What is said of labels that are refused with another.
const BELONGS: &str = "belongs to what does not translate";

/// Translates the labels of one service.
pub(super) fn translate(set: Vec<Found>) -> Vec<Judged> {
    let v2 = set
        .iter()
        .any(|found| found.key.to_ascii_lowercase().ends_with(".rulesyntax") && found.value == "v2");
    let mut routes = fabio::Service::default();
    let judged = set.into_iter().map(|found| {
        let (outcome, note) = match found.unreadable {
            Some(reason) => (Outcome::Refused, reason.to_owned()),
            None if found.key.starts_with(FABIO) => routes.translate(&found.key),
            None => label(&found, v2),
        };
        Judged {
            found,
            outcome,
            note,
            closes: false,
        }
    });
    let mut judged: Vec<Judged> = judged.collect();
    // Each round refuses something, or is the last.
    for _ in 0..=judged.len() {
        take_along(&mut judged);
        let declaration = decoded(&judged);
        let problems = problems(&declaration);
        if problems.is_empty() {
            closed::close(&mut judged, v2);
            let declaration = decoded(&judged);
            keep_closed(&mut judged, &declaration);
            return judged;
        }
        for (object, problem) in problems {
            refuse(&mut judged, &object, &problem);
        }
    }
    judged
}

pub(super) fn label(found: &Found, v2: bool) -> (Outcome, String) {
    let path = found.key.split_once('.').map_or("", |(_, path)| path);
    let lower = path.to_ascii_lowercase();
    if let Some((_, why)) = LEFT_OUT.iter().find(|(key, _)| is_of(&lower, key)) {
        return (Outcome::LeftOut, (*why).to_owned());
    }
    let (mut key, mut value, mut note) = (format!("mesh.{path}"), found.value.clone(), String::new());
    if is_of(&lower, "http.routers.*.rule") {
        match rule::convert(&value, v2) {
            Ok(None) => {}
            Ok(Some(rule)) => {
                note = format!("rule rewritten: {rule}");
                value = rule;
            }
            Err(reason) => return (Outcome::Refused, reason),
        }
        if value.contains("${") {
            note = [note.as_str(), VARIABLES]
                .join("; ")
                .trim_start_matches("; ")
                .to_owned();
        }
    }
    if is_of(&lower, "http.middlewares.*.ipwhitelist.") {
        key = renamed(&key, "ipwhitelist", "ipallowlist");
        "renamed".clone_into(&mut note);
    }
    if lower.ends_with(".tls.certresolver") {
        "Mesh gets no certificates by itself yet: give them in a file".clone_into(&mut note);
    }
    let other = value
        .split([',', ' '])
        .find_map(|word| word.split_once('@'))
        .map(|(_, other)| other);
    match other {
        Some("file") | None => {}
        Some(_)
            if !(lower.ends_with(".middlewares")
                || lower.ends_with(".service")
                || lower.ends_with(".options")) => {}
        Some("docker" | "swarm") => {
            let why = "names Docker, which is no provider of Mesh: what this provider declares goes by its name alone";
            return (Outcome::Refused, why.to_owned());
        }
        Some(other) => note = format!("names another provider: its own must list `{other}` in `references`"),
    }
    (Outcome::Translated(vec![(key, value)]), note)
}

/// Refuses all of an object of which one label is refused: a router without its rule would get the default one.
fn take_along(judged: &mut [Judged]) {
    let refused = judged.iter().filter(|judged| judged.outcome == Outcome::Refused);
    let objects: Vec<_> = refused
        .filter_map(|judged| object_of(&judged.found.key))
        .collect();
    for judged in judged {
        let is_translated = matches!(judged.outcome, Outcome::Translated(_));
        if is_translated && object_of(&judged.found.key).is_some_and(|object| objects.contains(&object)) {
            judged.outcome = Outcome::Refused;
            BELONGS.clone_into(&mut judged.note);
        }
    }
}

/// The object that a label belongs to: `http.routers.shop`; of simple labels all are one.
pub(super) fn object_of(key: &str) -> Option<String> {
    if key.starts_with(FABIO) {
        return None;
    }
    let lower = key.to_ascii_lowercase();
    let names: Vec<_> = lower.split('.').skip(1).collect();
    match names.as_slice() {
        ["http", kind, name, ..] => Some(format!("http.{kind}.{name}")),
        ["routers", name, ..] => Some(format!("routers.{name}")),
        ["enable" | "http" | "tcp" | "udp" | "docker" | "swarm", ..] | [] => None,
        _ => Some(String::new()),
    }
}

/// Whether `path` is, or is below, `pattern`, of which `*` is any one name.
fn is_of(path: &str, pattern: &str) -> bool {
    let below = pattern.strip_suffix('.');
    let mut names = path.split('.');
    let all = below.unwrap_or(pattern).split('.').all(|wanted| {
        let name = names.next();
        name.is_some_and(|name| wanted == "*" || wanted == name)
    });
    all && (below.is_some() || names.next().is_none())
}

fn renamed(key: &str, from: &str, to: &str) -> String {
    let names = key
        .split('.')
        .map(|name| if name.eq_ignore_ascii_case(from) { to } else { name });
    names.collect::<Vec<_>>().join(".")
}

pub(super) fn decoded(judged: &[Judged]) -> Declaration {
    let labels = judged.iter().flat_map(|judged| match &judged.outcome {
        Outcome::Translated(labels) | Outcome::Closed(labels) => labels.clone(),
        Outcome::LeftOut | Outcome::Refused => Vec::new(),
    });
    let labels = labels.map(|(key, value)| match key.ends_with(".rule") {
        true => (key, rule::Variables::taken(&value).0),
        false => (key, value),
    });
    let set = LabelSet {
        origin: Origin::new("translation"),
        labels: labels.collect(),
    };
    decode(&[set], &["mesh".to_owned()])
}

/// Where what is refused begins, and why.
pub(super) fn problems(declaration: &Declaration) -> Vec<(String, Problem)> {
    let broken = declaration.set_aside.iter().map(|broken| {
        let name = &broken.name;
        let at = match broken.kind {
            Kind::Router => format!("mesh.http.routers.{name}"),
            Kind::Service => format!("mesh.http.services.{name}"),
            Kind::Middleware => format!("mesh.http.middlewares.{name}"),
            Kind::ServersTransport | Kind::Certificate | Kind::TlsOptions => String::new(),
        };
        let at = if name.is_empty() {
            broken.problem.key.clone()
        } else {
            at
        };
        (at, broken.problem.clone())
    });
    let others = declaration.problems.iter();
    broken
        .chain(others.map(|problem| (problem.key.clone(), problem.clone())))
        .collect()
}

/// Refuses what lies below `object`; where that is nothing, everything.
fn refuse(judged: &mut [Judged], object: &str, problem: &Problem) {
    let hits = |judged: &Judged, object: &str| matches!(&judged.outcome, Outcome::Translated(labels) if labels.iter().any(|(key, _)| is_below(key, object)));
    let simple = object.replacen("mesh.http.routers.", "mesh.routers.", 1);
    let objects = [object, &simple];
    let object = objects
        .into_iter()
        .find(|object| judged.iter().any(|judged| hits(judged, object)))
        .unwrap_or("");
    let mut told = false;
    let exact = judged
        .iter()
        .any(|judged| hits(judged, object) && hits(judged, &problem.key));
    for judged in judged.iter_mut() {
        if !hits(judged, object) {
            continue;
        }
        let is_cause = if exact { hits(judged, &problem.key) } else { !told };
        told |= is_cause;
        judged.note = match (&problem.help, is_cause) {
            (_, false) => BELONGS.to_owned(),
            (Some(help), true) => format!("{}: {help}", problem.message),
            (None, true) => problem.message.clone(),
        };
        judged.outcome = Outcome::Refused;
    }
}

fn is_below(key: &str, object: &str) -> bool {
    let head = key.get(..object.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(object))
        && (object.is_empty()
            || key
                .get(object.len()..)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])))
}

/// A service that has lost its routers gets none by default either: that one would lack what the lost ones had.
fn keep_closed(judged: &mut [Judged], declaration: &Declaration) {
    let lost = judged.iter().any(|judged| judged.outcome == Outcome::Refused);
    if !lost || !declaration.routers.is_empty() || declaration.enable == Some(false) {
        return;
    }
    let enables = |judged: &Judged| judged.found.key.to_ascii_lowercase().ends_with(".enable");
    let readable = |judged: &Judged| judged.found.unreadable.is_none();
    let at = judged
        .iter()
        .position(|judged| enables(judged) && readable(judged));
    let Some(at) = at.or_else(|| judged.iter().position(readable)) else {
        return;
    };
    let Some(place) = judged.get_mut(at) else { return };
    let note = "closed by mesh.enable=false, for no router is left";
    place.note = match place.note.as_str() {
        "" => note.to_owned(),
        before => format!("{before}; {note}"),
    };
    let labels = vec![("mesh.enable".to_owned(), "false".to_owned())];
    match enables(place) {
        true => place.outcome = Outcome::Translated(labels),
        false => place.closes = true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::migrate::scan::scan;

    /// What is written for `text`, and the notes.
    fn migrated(text: &str) -> (Vec<String>, String) {
        let judged = translate(scan(text, "traefik"));
        let written = judged.iter().flat_map(|judged| match &judged.outcome {
            Outcome::Translated(labels) | Outcome::Closed(labels) => labels
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect(),
            Outcome::LeftOut | Outcome::Refused => Vec::new(),
        });
        let notes = judged
            .iter()
            .map(|judged| format!("{}: {}\n", judged.found.key, judged.note));
        (written.collect(), notes.collect())
    }

    #[test]
    fn labels_keep_their_names_below_another_prefix() {
        let (written, _) = migrated(
            "traefik.enable=true\ntraefik.http.routers.a.rule=Host(`a.com`,`b.com`)\ntraefik.http.routers.a.rulesyntax=v2\n\
             traefik.http.middlewares.w.ipwhitelist.sourcerange=10.0.0.0/8\n",
        );
        assert_eq!(
            written,
            [
                "mesh.enable=true",
                "mesh.http.routers.a.rule=(Host(`a.com`) || Host(`b.com`))",
                "mesh.http.middlewares.w.ipallowlist.sourcerange=10.0.0.0/8",
            ]
        );
    }

    #[test]
    fn an_object_with_a_key_that_does_not_translate_is_left_whole() {
        let (written, notes) = migrated(
            "traefik.http.routers.a.rule=Host(`a.com`)\ntraefik.http.middlewares.p.plugin.demo.x=1\n\
             traefik.http.routers.b.rule=Host(`b.com`)\ntraefik.http.routers.b.nonsense=1\n",
        );
        assert_eq!(written, ["mesh.http.routers.a.rule=Host(`a.com`)"], "{notes}");
        assert!(
            notes.contains("traefik.http.routers.b.nonsense: unknown key"),
            "{notes}"
        );
    }

    #[test]
    fn a_service_that_loses_its_last_router_is_closed() {
        let lost = "traefik.http.routers.a.rule=Hots(`a.com`)\n";
        let (written, notes) = migrated(&format!("traefik.enable=true\n{lost}"));
        assert_eq!(written, ["mesh.enable=false"], "{notes}");
        assert!(
            translate(scan(lost, "traefik"))
                .iter()
                .any(|judged| judged.closes)
        );
    }

    #[test]
    fn no_router_is_left_without_its_rule_or_its_middlewares() {
        let (written, notes) = migrated(
            "traefik.http.routers.a.entrypoints=web\ntraefik.http.routers.a.rule=Hots(`a.com`)\ntraefik.http.routers.b.rule=Host(`b.com`)\n",
        );
        assert_eq!(written, ["mesh.http.routers.b.rule=Host(`b.com`)"], "{notes}");
        let (written, notes) = migrated(
            "traefik.http.routers.a.entrypoints=web\ntraefik.http.routers.a.middlewares=auth@docker\ntraefik.http.routers.b.rule=Host(`b.com`)\n",
        );
        assert!(written.is_empty(), "{written:?} {notes}");
    }

    #[test]
    fn what_is_not_served_is_refused_beside_what_is() {
        let (written, notes) = migrated(
            "traefik.http.routers.a.rule=Host(`a.com`)\ntraefik.tcp.routers.t.rule=HostSNI(`*`)\ntraefik.frontend.rule=Host:a\n",
        );
        assert_eq!(written.len(), 1, "{notes}");
        assert!(
            notes.contains("traefik.tcp.routers.t.rule: not served"),
            "{notes}"
        );
    }

    fn keys() -> impl Strategy<Value = String> {
        let names = [
            "http",
            "tcp",
            "routers",
            "services",
            "middlewares",
            "a",
            "rule",
            "rulesyntax",
            "service",
            "enable",
            "loadbalancer",
            "server",
            "port",
            "stripprefix",
            "prefixes",
            "ipwhitelist",
            "sourcerange",
            "frontend",
            "tls",
            "domains[0]",
            "main",
            "",
            "healthcheck",
            "path",
            "host",
            "canary",
            "weight",
        ];
        prop::collection::vec(prop::sample::select(names.to_vec()), 1..6).prop_map(|names| names.join("."))
    }

    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("true".to_owned()),
            Just("8080".to_owned()),
            Just("Host(`a.com`,`b.com`)".to_owned()),
            Just("HostRegexp(`{x:[a-z]+}.com`)".to_owned()),
            "[ -~]{0,12}",
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_accepted(labels in prop::collection::vec((keys(), texts()), 0..12)) {
            let text: String = labels.iter().map(|(key, value)| format!("traefik.{key}={value}\n")).collect();
            let judged = translate(scan(&text, "traefik"));
            let declaration = decoded(&judged);
            prop_assert!(declaration.problems.is_empty() && declaration.set_aside.is_empty(), "{declaration:?}");
        }

        #[test]
        fn tags_of_fabio_are_written_so_that_they_are_accepted(tags in prop::collection::vec(
            "urlprefix-[a-z*.:/-]{0,12}( (strip|prepend|proto|host|redirect|allow|deny|weight|auth)=[a-z0-9/:.,$]{0,12}){0,3}", 0..5)) {
            let text = tags.join("\n");
            let declaration = decoded(&translate(scan(&text, "traefik")));
            prop_assert!(declaration.problems.is_empty() && declaration.set_aside.is_empty(), "{declaration:?}");
        }
    }
}

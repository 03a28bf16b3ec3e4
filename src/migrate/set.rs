//! The labels of one service, translated together: what Mesh's own decoder refuses is left as it was.

use mesh_config::{
    Kind, Origin, Problem,
    instance::LabelSet,
    labels::{Declaration, decode},
};

use super::{
    closed, fabio,
    found::{FABIO, Found},
    order,
    rule::{self, Syntax},
    words,
};

/// What becomes of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Written as these.
    Translated(Vec<(String, String)>),
    /// Is a label of Mesh already.
    Ours(String, String),
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

/// Said of labels of the first version.
const VERSION_1: &str = "a label of version 1, which is not translated";

/// Said of labels that a file has twice, under the prefix of either.
const TWICE: &str = "is a label of Mesh here already";

/// Said of a value of `enable` that is none.
const ENABLE: &str = "neither true nor false: closed";

/// Translates the labels of one service.
pub(super) fn translate(set: Vec<Found>, names: &mut fabio::Names) -> Vec<Judged> {
    let syntaxes = Syntaxes::of(&set);
    let ours = set.iter().filter(|found| found.is_ours());
    let mut routes = fabio::Service::beside(ours);
    let mut judged: Vec<Judged> = set
        .into_iter()
        .map(|found| {
            let (outcome, note) = judge(&found, &syntaxes, &mut routes, names);
            Judged {
                found,
                outcome,
                note,
                closes: false,
            }
        })
        .collect();
    if !problems(&decoded(&only_ours(&judged))).is_empty() {
        judged.retain(|one| !one.found.is_ours());
    }
    refuse_twice(&mut judged);
    order::keep(&mut judged);
    // Each round refuses something, or is the last.
    for _ in 0..=judged.len() {
        take_along(&mut judged);
        let problems = problems(&decoded(&judged));
        if problems.is_empty() {
            break;
        }
        for (object, problem) in problems {
            refuse(&mut judged, &object, &problem);
        }
    }
    closed::close(&mut judged, &syntaxes, names);
    say_how_to_speak(&mut judged, &routes);
    keep_closed(&mut judged);
    judged
}

fn judge(
    found: &Found,
    syntaxes: &Syntaxes,
    routes: &mut fabio::Service,
    names: &mut fabio::Names,
) -> (Outcome, String) {
    if found.is_ours() {
        let outcome = match found.unreadable {
            Some(_) => Outcome::LeftOut,
            None => Outcome::Ours(found.key.clone(), found.value.clone()),
        };
        return (outcome, String::new());
    }
    let (outcome, note) = match found.unreadable {
        Some(reason) => (Outcome::Refused, reason.to_owned()),
        None if found.is_fabio() => routes.translate(&found.key, names),
        None => label(found, syntaxes),
    };
    match &outcome {
        Outcome::Translated(labels) if !found.has_room(labels.len()) => {
            let note = "becomes several labels, and there is no list to hold them";
            (Outcome::Refused, note.to_owned())
        }
        _ => (outcome, note),
    }
}

fn only_ours(judged: &[Judged]) -> Vec<Judged> {
    judged.iter().filter(|one| one.found.is_ours()).cloned().collect()
}

/// What a file has as a label of Mesh already is not written once more.
fn refuse_twice(judged: &mut [Judged]) {
    let ours: Vec<_> = judged
        .iter()
        .filter_map(|one| match &one.outcome {
            Outcome::Ours(key, _) => Some((one.found.home, key.to_ascii_lowercase())),
            _ => None,
        })
        .collect();
    let missing = |one: &Judged| matches!(&one.outcome, Outcome::Ours(_, value) if value == closed::MISSING);
    let kept_closed: Vec<_> = judged
        .iter()
        .filter(|one| missing(one))
        .filter_map(|one| object_of(&one.found.key))
        .collect();
    for one in judged.iter_mut() {
        let home = one.found.home;
        let is_kept_closed = object_of(&one.found.key).is_some_and(|object| kept_closed.contains(&object));
        if is_kept_closed && matches!(one.outcome, Outcome::Translated(_)) {
            one.outcome = Outcome::Refused;
            BELONGS.clone_into(&mut one.note);
        }
        let is_twice = matches!(&one.outcome, Outcome::Translated(labels)
            if labels.iter().any(|(key, _)| ours.contains(&(home, key.to_ascii_lowercase()))));
        if is_twice {
            one.outcome = Outcome::Refused;
            TWICE.clone_into(&mut one.note);
        }
    }
}

/// The scheme of a service goes with the first route of Fabio that is written, whichever that is.
fn say_how_to_speak(judged: &mut [Judged], routes: &fabio::Service) {
    let mut all = judged.iter_mut().filter(|one| one.found.is_fabio());
    let first = all.find_map(|one| match &mut one.outcome {
        Outcome::Translated(labels) | Outcome::Closed(labels) => Some(labels),
        _ => None,
    });
    let Some(labels) = first else { return };
    let name = labels
        .first()
        .and_then(|(key, _)| key.split('.').nth(3))
        .map(str::to_owned);
    labels.extend(routes.speaks(&name.unwrap_or_default()));
}

/// In which syntax each router has its rule.
#[derive(Debug, Default)]
pub(super) struct Syntaxes(Vec<(String, Syntax)>);

impl Syntaxes {
    fn of(set: &[Found]) -> Self {
        let said = set
            .iter()
            .filter(|found| option(&found.key).as_deref() == Some("rulesyntax"));
        Self(
            said.filter_map(|found| Some((object_of(&found.key)?, Syntax::named(&found.value))))
                .collect(),
        )
    }

    fn syntax(&self, key: &str) -> Syntax {
        let object = object_of(key).unwrap_or_default();
        let mut said = self.0.iter();
        said.find(|(router, _)| *router == object)
            .map(|(_, syntax)| *syntax)
            .unwrap_or_default()
    }
}

pub(super) fn label(found: &Found, syntaxes: &Syntaxes) -> (Outcome, String) {
    let path = found.key.split_once('.').map_or("", |(_, path)| path);
    let lower = path.to_ascii_lowercase();
    if let Some((_, why)) = LEFT_OUT.iter().find(|(key, _)| is_of(&lower, key)) {
        return (Outcome::LeftOut, (*why).to_owned());
    }
    if ["frontend", "frontends", "backend"]
        .iter()
        .any(|first| lower.split('.').any(|name| name == *first))
    {
        return (Outcome::Refused, VERSION_1.to_owned());
    }
    let (mut key, mut value, mut notes) = (format!("mesh.{path}"), found.value.clone(), Vec::new());
    if is_of(&lower, "http.routers.*.rule") {
        let syntax = syntaxes.syntax(&found.key);
        match rule::convert(&value, syntax) {
            Ok(None) => notes.extend(rule::doubt(&value, syntax).map(str::to_owned)),
            Ok(Some(rule)) => {
                notes.push(format!("rule rewritten: {rule}"));
                value = rule;
            }
            Err(reason) => return (Outcome::Refused, reason),
        }
    }
    if words::has_variable(&value) {
        notes.push(VARIABLES.to_owned());
    }
    if is_of(&lower, "http.middlewares.*.ipwhitelist.") {
        key = renamed(&key, "ipwhitelist", "ipallowlist");
        notes.push("renamed".to_owned());
    }
    if lower.ends_with(".tls.certresolver") {
        notes.push("Mesh gets no certificates by itself yet: give them in a file".to_owned());
    }
    match references(&lower, &value) {
        Err(why) => return (Outcome::Refused, why),
        Ok(note) => notes.extend(note),
    }
    (Outcome::Translated(vec![(key, value)]), notes.join("; "))
}

/// What is said of the providers that a value names.
fn references(lower: &str, value: &str) -> Result<Option<String>, String> {
    let refers = [".middlewares", ".service", ".options"];
    if !refers.iter().any(|end| lower.ends_with(end)) {
        return Ok(None);
    }
    let names = value.split([',', ' ']).filter_map(|word| word.split_once('@'));
    let mut note = None;
    for (_, other) in names {
        match other {
            "file" => {}
            "docker" | "swarm" => {
                let why = "names Docker, which is no provider of Mesh: what this provider declares goes by its name alone";
                return Err(why.to_owned());
            }
            other => {
                note = Some(format!(
                    "names another provider: its own must list `{other}` in `references`"
                ));
            }
        }
    }
    Ok(note)
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

/// What a label of a router says: `tls.options` of `traefik.http.routers.shop.tls.options`.
pub(super) fn option(key: &str) -> Option<String> {
    let lower = key.to_ascii_lowercase();
    let mut names = lower.split('.').skip(1);
    (names.next() == Some("http") && names.next() == Some("routers")).then_some(())?;
    names.next()?;
    Some(names.collect::<Vec<_>>().join("."))
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
        Outcome::Ours(key, value) => vec![(key.clone(), value.clone())],
        Outcome::LeftOut | Outcome::Refused => Vec::new(),
    });
    let labels = labels.map(|(key, value)| match words::is_variable(&value) {
        true => {
            let value = filled_in(&key).unwrap_or(value);
            (key, value)
        }
        false => (key, value),
    });
    let set = LabelSet {
        origin: Origin::new("translation"),
        labels: labels.collect(),
    };
    decode(&[set], &["mesh".to_owned()])
}

/// What may stand in the place of a variable that is a whole value, where that is no text.
fn filled_in(key: &str) -> Option<String> {
    let last = key.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    match last.as_str() {
        "port" | "priority" | "weight" => Some("1".to_owned()),
        "enable" | "tls" => Some("true".to_owned()),
        _ => None,
    }
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
        judged.outcome = match is_enable(&judged.found) {
            // By default it may be enabled.
            true => Outcome::Closed(vec![disabled()]),
            false => Outcome::Refused,
        };
        if is_enable(&judged.found) {
            ENABLE.clone_into(&mut judged.note);
        }
    }
}

fn is_enable(found: &Found) -> bool {
    let path = found.key.split_once('.').map_or("", |(_, path)| path);
    path.eq_ignore_ascii_case("enable")
}

fn disabled() -> (String, String) {
    ("mesh.enable".to_owned(), "false".to_owned())
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
fn keep_closed(judged: &mut [Judged]) {
    let mut homes: Vec<usize> = judged.iter().map(|one| one.found.home).collect();
    homes.sort_unstable();
    homes.dedup();
    let is_one = homes.len() == 1;
    let whole = decoded(judged);
    for home in homes {
        let own: Vec<Judged> = judged
            .iter()
            .filter(|one| one.found.home == home)
            .cloned()
            .collect();
        let lost = |one: &Judged| {
            let is_router = one.found.is_fabio()
                || option(&one.found.key).is_some()
                || !matches!(object_of(&one.found.key), Some(object) if object.starts_with("http."));
            one.outcome == Outcome::Refused && (is_one || is_router)
        };
        let is_hidden = own
            .iter()
            .any(|one| is_enable(&one.found) && one.found.unreadable.is_some());
        let declaration = decoded(&own);
        let is_routed = !declaration.routers.is_empty() || (!is_one && !whole.routers.is_empty());
        if (own.iter().any(lost) && !is_routed && declaration.enable != Some(false)) || is_hidden {
            disable(judged, home);
        }
    }
}

/// Writes `mesh.enable=false` among the labels of `home`.
fn disable(judged: &mut [Judged], home: usize) {
    const CLOSED: &str = "closed by mesh.enable=false, for no router is left";
    const OPEN: &str =
        "nothing can be written here that closes it: by default the service is routed to by its name";
    let is_there = |one: &Judged| one.found.home == home && one.found.unreadable.is_none();
    let mut places = [
        judged
            .iter()
            .position(|one| is_there(one) && is_enable(&one.found)),
        judged
            .iter()
            .position(|one| is_there(one) && one.outcome == Outcome::Refused),
        judged.iter().position(is_there),
    ]
    .into_iter()
    .flatten();
    let at = places.next();
    let told = at.or_else(|| judged.iter().position(|one| one.found.home == home));
    let Some(place) = told.and_then(|at| judged.get_mut(at)) else {
        return;
    };
    let note = if at.is_some() { CLOSED } else { OPEN };
    place.note = match place.note.as_str() {
        "" => note.to_owned(),
        before => format!("{before}; {note}"),
    };
    if at.is_none() {
        return;
    }
    match is_enable(&place.found) {
        true => place.outcome = Outcome::Translated(vec![disabled()]),
        false => place.closes = true,
    }
}

#[cfg(test)]
mod tests;

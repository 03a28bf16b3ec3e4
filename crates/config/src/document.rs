//! Dynamic configuration written down: a file, an answer over HTTP, the dynamic sections of a static file.
//!
//! Every object is decoded by itself. A broken one is set aside with its problem, and its neighbours live.

use std::collections::{BTreeMap, BTreeSet};

use figment::value::{Dict, Value};
use serde::de::DeserializeOwned;

use crate::{
    fragment::{Declared, Fragment, Kind, SetAside},
    layer::{Format, KeyPath, Layer, Layers, Lists, Merged, Parts, suggestion},
    model::Router,
    origin::Problem,
    outline::{Outline, readable},
};

mod tls;

/// The sections of a document. `tcp` and `udp` are not served.
const SECTIONS: [&str; 4] = ["http", "tcp", "udp", "tls"];

/// The sections of `http`, each for a [`Kind`].
const KINDS: [&str; 4] = ["routers", "services", "middlewares", "serversTransports"];

/// Reads a document. `name` is shown to users; places are `name:line`.
///
/// # Errors
/// When the text as a whole is unreadable. What is wrong with one object is in the fragment, with the others.
pub fn parse(name: &str, text: &str, format: Format) -> Result<Fragment, Problem> {
    parse_beside(name, text, format, &BTreeSet::new())
}

/// Reads a document from a text that holds other things as well, under the root keys `others` in any case.
///
/// # Errors
/// As [`parse`].
pub fn parse_beside(
    name: &str,
    text: &str,
    format: Format,
    others: &BTreeSet<String>,
) -> Result<Fragment, Problem> {
    let (layer, parts) = Layer::document(name, text, format)?;
    let mut merged = Merged::single(layer);
    let root = merged.take_root();
    Ok(Reader::read(&merged, root, Some(parts), others))
}

/// Reads the dynamic sections of `layers`, which hold nothing else: what
/// [`Layers::take`] took out of a static file.
pub fn fragment(layers: &Layers) -> Fragment {
    let merged = layers.merged();
    Reader::read(merged, merged.root.clone(), None, &BTreeSet::new())
}

/// Fills a fragment from a document. Values are freed as soon as they are read: a large document and all that it
/// declares are never in memory at the same time.
struct Reader<'a> {
    merged: &'a Merged,
    /// Objects that are not in it.
    parts: Option<Parts>,
    /// Root keys that are none of the document's.
    others: &'a BTreeSet<String>,
    fragment: Fragment,
}

impl<'a> Reader<'a> {
    fn read(merged: &'a Merged, root: Value, parts: Option<Parts>, others: &'a BTreeSet<String>) -> Fragment {
        let mut reader = Self {
            merged,
            parts,
            others,
            fragment: Fragment::default(),
        };
        for (section, key, value) in reader.sections(root, &KeyPath::Root, &SECTIONS) {
            let path = KeyPath::Key(&KeyPath::Root, &key);
            match section {
                "http" => reader.http(value, &path),
                "tls" => reader.tls(value, &path),
                _ => reader.problem(&value, &path, "not served by this version", None, &[]),
            }
        }
        reader.fragment
    }

    fn http(&mut self, value: Value, path: &KeyPath<'_>) {
        for (section, key, value) in self.sections(value, path, &KINDS) {
            let path = KeyPath::Key(path, &key);
            match section {
                "routers" => {
                    let closing = (router_is_complete, with_rule);
                    let mut routers = self.objects_closing(Kind::Router, value, &path, closing);
                    self.fragment.routers.append(&mut routers);
                }
                "services" => {
                    let mut services = self.objects(Kind::Service, value, &path);
                    self.fragment.services.append(&mut services);
                }
                "middlewares" => {
                    let mut middlewares = self.objects(Kind::Middleware, value, &path);
                    self.fragment.middlewares.append(&mut middlewares);
                }
                _ => {
                    let mut transports = self.objects(Kind::ServersTransport, value, &path);
                    self.fragment.servers_transports.append(&mut transports);
                }
            }
        }
    }

    /// The entries of a block as (known name, name as written, value). Others are problems, and objects of any kind
    /// may be in them.
    fn sections(
        &mut self,
        value: Value,
        path: &KeyPath<'_>,
        known: &[&'static str],
    ) -> Vec<(&'static str, String, Value)> {
        let mut found: Vec<(&'static str, String, Value)> = Vec::new();
        for (key, value) in self.block(value, path, &Kind::ALL).into_iter().flatten() {
            if matches!(path, KeyPath::Root)
                && self.others.iter().any(|other| other.eq_ignore_ascii_case(&key))
            {
                continue;
            }
            let path = KeyPath::Key(path, &key);
            let Some(name) = known.iter().find(|name| name.eq_ignore_ascii_case(&key)) else {
                let help = Some(suggestion(&key, known));
                self.problem(&value, &path, "unknown section", help, &Kind::ALL);
                continue;
            };
            match found.iter().find(|(other, _, _)| other == name) {
                Some((_, first, _)) => {
                    let message = format!("here twice, as {first} and {key}");
                    self.problem(&value, &path, &message, None, &Kind::ALL);
                }
                None => found.push((name, key, value)),
            }
        }
        found
    }

    /// The entries of a block that holds objects of `kinds`.
    fn block(&mut self, value: Value, path: &KeyPath<'_>, kinds: &[Kind]) -> Option<Dict> {
        match value {
            Value::Dict(_, dict) => Some(dict),
            _ => {
                self.problem(&value, path, "a block expected", None, kinds);
                None
            }
        }
    }

    /// Decodes the objects of one kind, each by itself.
    fn objects<T: DeserializeOwned>(
        &mut self,
        kind: Kind,
        value: Value,
        path: &KeyPath<'_>,
    ) -> BTreeMap<String, Declared<T>> {
        self.objects_closing(kind, value, path, (|_: &T| Ok(()), |_, _: &_, _: &_| None))
    }

    /// The same, where `check` says what is incomplete, and `close` what stays of a broken one.
    fn objects_closing<T: DeserializeOwned>(
        &mut self,
        kind: Kind,
        value: Value,
        path: &KeyPath<'_>,
        (check, close): (
            impl Fn(&T) -> Result<(), &'static str>,
            impl Fn(Option<T>, &[Problem], &KeyPath<'_>) -> Option<Router>,
        ),
    ) -> BTreeMap<String, Declared<T>> {
        let mut objects = Vec::new();
        for (name, value) in self.block(value, path, &[kind]).into_iter().flatten() {
            let path = KeyPath::Key(path, &name);
            let part = self.parts.as_mut().and_then(|parts| parts.take(&value, &path));
            let (value, merged) = match &part {
                Some((value, merged)) => (value, merged),
                None => (&value, self.merged),
            };
            let origin = merged.origin_with_options(value, &path, options_depth(kind));
            let decoded = merged.read_part::<T>(value, &path, Lists::Commas);
            let (object, mut problems) = (decoded.readable, decoded.problems);
            let complete = || {
                object
                    .as_ref()
                    .filter(|_| problems.is_empty())
                    .map_or(Ok(()), &check)
            };
            if let Err(message) = name_is_free(&name).and_then(|()| complete()) {
                problems.insert(0, Problem::new(origin.clone(), path.to_string(), message));
            }
            match object {
                Some(value) if problems.is_empty() => objects.push((name, Declared { value, origin })),
                object => {
                    let outline = Outline::read(kind, merged, value, &path, Lists::Commas);
                    let closed = close(object, &problems, &path);
                    let set_aside = SetAside::new(kind, name, outline, problems).closing(closed);
                    self.fragment.set_aside.push(set_aside);
                }
            }
        }
        // At once and in order it fills its nodes; entry by entry, half of them.
        objects.into_iter().collect()
    }

    /// Notes a problem that leaves objects of the kinds `unread`.
    fn problem(
        &mut self,
        value: &Value,
        path: &KeyPath<'_>,
        message: &str,
        help: Option<String>,
        unread: &[Kind],
    ) {
        self.fragment.unread.extend(unread);
        let origin = self.merged.origin(value, &path.place());
        let mut problem = Problem::new(origin, path.to_string(), message);
        problem.help = help;
        self.fragment.problems.push(problem);
    }
}

fn name_is_free(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("a name is empty"),
        _ if name.contains('@') => Err("a name holds no @: that is how other providers are meant"),
        _ => Ok(()),
    }
}

/// How far down the places of options are kept: what of an object is checked when others are there, too.
fn options_depth(kind: Kind) -> usize {
    match kind {
        Kind::Middleware => 6,
        // Not those of every server.
        Kind::Service => 2,
        Kind::Router | Kind::ServersTransport | Kind::Certificate | Kind::TlsOptions => 0,
    }
}

/// A router whose rule can be read keeps its match.
fn with_rule(router: Option<Router>, problems: &[Problem], path: &KeyPath<'_>) -> Option<Router> {
    readable(router, problems, path).filter(|router| router.rule.is_some())
}

fn router_is_complete(router: &Router) -> Result<(), &'static str> {
    match (&router.rule, &router.service) {
        (None, _) => Err("rule is missing"),
        (_, None) => Err("service is missing"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;

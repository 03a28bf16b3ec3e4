//! The merged labels of an instance to its declaration.

use figment::value::{Dict, Value};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Declaration,
    keys::Keys,
    simple::{ROUTER_KEYS, SERVICE_KEYS},
};
use crate::{
    fragment::Kind,
    instance::LabelSet,
    layer::{Decoded, ITSELF, KeyPath, Layer, Lists, Merged, flag, suggestion},
    origin::{Origin, Problem},
};

/// Keys at the root beside those of the simple router and service.
const OTHER_KEYS: [&str; 9] = [
    "enable",
    "lock",
    "container",
    "service",
    "canary",
    "http",
    "routers",
    "tcp",
    "udp",
];

/// Keys that providers read by themselves.
const PROVIDER_KEYS: [&str; 6] = ["consulcatalog", "nomad", "ecs", "docker", "swarm", "tags"];

/// The kinds of object that labels declare.
const KINDS: [&str; 3] = ["routers", "services", "middlewares"];

/// Decodes the labels of one instance; `sets` with the weakest first, of `prefixes` the first wins.
pub fn decode(sets: &[LabelSet], prefixes: &[String]) -> Declaration {
    let keys: Vec<Keys<'_>> = sets.iter().map(|set| Keys::of(set, prefixes)).collect();
    let Some(prefix) = keys.iter().find_map(|keys| keys.prefix) else {
        return Declaration::default();
    };
    let layers = keys.iter().zip(sets).map(|(keys, set)| {
        let pairs = keys.pairs.iter();
        Layer::labels(
            &set.origin,
            pairs.map(|(path, text)| (path.as_ref(), text.as_ref())),
        )
    });
    let merged = Merged::new(&layers.collect::<Vec<_>>());
    let mut decoder = Decoder {
        merged: &merged,
        prefix: &KeyPath::Key(&KeyPath::Root, prefix),
        declaration: Declaration {
            canary: is_canary(&keys),
            ..Declaration::default()
        },
        other_protocols: false,
        closed: keys.iter().any(is_locked_out),
    };
    if let Value::Dict(_, root) = &merged.root {
        decoder.root(root);
    }
    for (keys, set) in keys.iter().zip(sets) {
        for (path, message) in &keys.broken {
            decoder.broken_text(path, message, &set.origin);
        }
    }
    decoder.finish()
}

/// True for a set that says `enable=false` and `lock=true`: no stronger set opens it again.
fn is_locked_out(keys: &Keys<'_>) -> bool {
    let says = |name: &str, wanted: bool| {
        let mut pairs = keys.pairs.iter().rev();
        let last = pairs.find(|(path, _)| path.eq_ignore_ascii_case(name));
        last.is_some_and(|(_, text)| flag(text) == Some(wanted))
    };
    says("enable", false) && says("lock", true)
}

/// True when the strongest set that says `canary` means it. A weaker one may say `canary.weight`, and a stronger one,
/// without taking that back.
fn is_canary(sets: &[Keys<'_>]) -> bool {
    let mut pairs = sets.iter().rev().flat_map(|keys| keys.pairs.iter().rev());
    let said = pairs.find(|(path, _)| path.eq_ignore_ascii_case("canary"));
    said.is_some_and(|(_, text)| flag(text) == Some(true))
}

/// `canary.weight`
#[derive(Deserialize)]
struct Share(#[serde(deserialize_with = "crate::whole::within::<_, _, 0, 100>")] u8);

/// Fills a declaration from the merged labels.
pub(super) struct Decoder<'a> {
    pub(super) merged: &'a Merged,
    prefix: &'a KeyPath<'a>,
    pub(super) declaration: Declaration,
    /// There are labels for tcp, udp or tls.
    other_protocols: bool,
    /// It must not be exposed, whatever `enable` says.
    closed: bool,
}

impl<'a> Decoder<'a> {
    fn root(&mut self, root: &'a Dict) {
        for (key, value) in root {
            let path = KeyPath::Key(self.prefix, key);
            match key.to_ascii_lowercase().as_str() {
                "enable" => self.enable(value, &path),
                "service" => self.group(value, &path),
                "canary" => self.canary(value, &path),
                "http" => self.http(value, &path),
                "routers" => self.simple_routers(value, &path),
                "tcp" | "udp" => self.other_protocol(value, &path),
                "tls" => self.tls_sections(value, &path),
                "lock" | "container" => {}
                name if is_in(&ROUTER_KEYS, name) || is_in(&SERVICE_KEYS, name) => {}
                name if is_in(&PROVIDER_KEYS, name) => self.provider_keys(name, value, &path),
                _ => {
                    let known = [&OTHER_KEYS[..], &ROUTER_KEYS, &SERVICE_KEYS].concat();
                    self.problem(value, &path, "unknown key", Some(suggestion(key, &known)));
                }
            }
        }
        self.simple_router(self.prefix, root);
        self.simple_service(self.prefix, root);
    }

    /// What is neither true nor false is set aside like any label: a slip takes no running route away.
    fn enable(&mut self, value: &Value, path: &KeyPath<'_>) {
        self.declaration.enable = self.part(value, path);
    }

    fn group(&mut self, value: &Value, path: &KeyPath<'_>) {
        match self.part::<String>(value, path) {
            Some(name) if name.is_empty() || name.contains('@') => {
                self.problem(
                    value,
                    path,
                    "the name of a group is not empty and holds no @",
                    None,
                );
            }
            name => self.declaration.group = name,
        }
    }

    /// What lies below `canary`, and what is wrong with that itself, which was read before.
    fn canary(&mut self, value: &Value, path: &KeyPath<'_>) {
        let Value::Dict(_, dict) = value else {
            self.part::<bool>(value, path);
            return;
        };
        for (key, value) in dict {
            let below = KeyPath::Key(path, key);
            if key == ITSELF {
                self.part::<bool>(value, path);
            } else if key.eq_ignore_ascii_case("weight") {
                let share = self.part::<Share>(value, &below);
                self.declaration.canaries.weight = share.map(|share| share.0);
            } else if key.eq_ignore_ascii_case("stop") {
                self.declaration.canaries.stop = self.part(value, &below).flatten();
            } else {
                let known = ["weight", "stop"];
                self.problem(value, &below, "unknown key", Some(suggestion(key, &known)));
            }
        }
    }

    fn http(&mut self, value: &'a Value, path: &KeyPath<'_>) {
        for (key, value) in self.block(value, path) {
            let path = KeyPath::Key(path, key);
            match key.to_ascii_lowercase().as_str() {
                "routers" => self.routers(value, &path),
                "services" => self.services(value, &path),
                "middlewares" => self.middlewares(value, &path),
                _ => self.problem(value, &path, "unknown key", Some(suggestion(key, &KINDS))),
            }
        }
    }

    /// Keys of providers; most are read by the provider itself.
    fn provider_keys(&mut self, provider: &str, value: &Value, path: &KeyPath<'_>) {
        let Value::Dict(_, dict) = value else { return };
        for (key, value) in dict {
            let path = KeyPath::Key(path, key);
            if key.eq_ignore_ascii_case("canary") {
                self.declaration.canary |= self.part(value, &path).unwrap_or(false);
            } else if key.eq_ignore_ascii_case("connect") && self.part(value, &path).unwrap_or(true) {
                self.closed = true;
                let message = format!("Connect of {provider} is not supported by this version: not exposed");
                self.problem(value, &path, &message, None);
            }
        }
    }

    fn other_protocol(&mut self, value: &Value, path: &KeyPath<'_>) {
        self.other_protocols = true;
        self.problem(value, path, "not served by this version", None);
    }

    /// `tls` alone is a key of the simple router; what lies below it is a section of its own.
    fn tls_sections(&mut self, value: &Value, path: &KeyPath<'_>) {
        let Value::Dict(_, dict) = value else { return };
        if let Some((key, value)) = dict.iter().find(|(key, _)| *key != ITSELF) {
            self.other_protocol(value, &KeyPath::Key(path, key));
        }
    }

    /// A value that could not be put together from its labels spoils the object it belongs to.
    fn broken_text(&mut self, path: &str, message: &str, origin: &Origin) {
        let problem = Problem::new(origin.clone(), format!("{}.{path}", self.prefix), message);
        match owner_of(path) {
            Some((kind, name, key)) => self.spoil(kind, name, key, problem),
            None => {
                if path.eq_ignore_ascii_case("enable") {
                    self.closed = true;
                }
                self.declaration.problems.push(problem);
            }
        }
    }

    fn finish(mut self) -> Declaration {
        let declared = &mut self.declaration;
        if self.closed {
            declared.enable = Some(false);
        }
        let no_http = declared.routers.is_empty()
            && declared.services.is_empty()
            && declared.middlewares.is_empty()
            && declared.set_aside.is_empty();
        declared.other_protocols_only = self.other_protocols && no_http;
        self.declaration
    }

    /// The entries of a block; text in its place is a problem, and so is an entry without name.
    pub(super) fn block(&mut self, value: &'a Value, path: &KeyPath<'_>) -> Vec<(&'a String, &'a Value)> {
        let Value::Dict(_, dict) = value else {
            self.problem(value, path, "settings below it expected, text found", None);
            return Vec::new();
        };
        if let Some(itself) = dict.get(ITSELF) {
            let message = "it has text itself, or a name below it is empty";
            self.problem(itself, path, message, None);
        }
        dict.iter().filter(|(key, _)| *key != ITSELF).collect()
    }

    /// Decodes a value of no object; its problems are of the whole set.
    fn part<T: DeserializeOwned>(&mut self, value: &Value, path: &KeyPath<'_>) -> Option<T> {
        let part = self.object(value, path);
        part.map_err(|problems| self.declaration.problems.extend(problems))
            .ok()
    }

    pub(super) fn object<T: DeserializeOwned>(
        &self,
        value: &Value,
        path: &KeyPath<'_>,
    ) -> Result<T, Vec<Problem>> {
        self.merged.decode_part(value, path, Lists::CommasAndBlanks)
    }

    /// The same, with what can be read of it where it is broken.
    pub(super) fn read<T: DeserializeOwned>(&self, value: &Value, path: &KeyPath<'_>) -> Decoded<T> {
        self.merged.read_part(value, path, Lists::CommasAndBlanks)
    }

    pub(super) fn origin(&self, value: &Value, path: &KeyPath<'_>) -> Origin {
        self.merged.origin(value, &path.place())
    }

    pub(super) fn problem_of(&self, value: &Value, path: &KeyPath<'_>, message: &str) -> Problem {
        Problem::new(self.origin(value, path), path.to_string(), message)
    }

    fn problem(&mut self, value: &Value, path: &KeyPath<'_>, message: &str, help: Option<String>) {
        let mut problem = self.problem_of(value, path, message);
        problem.help = help;
        self.declaration.problems.push(problem);
    }
}

fn is_in(keys: &[&str], key: &str) -> bool {
    keys.contains(&key)
}

/// The object to which the value at `path` belongs, with the option of it.
fn owner_of(path: &str) -> Option<(Kind, &str, &str)> {
    let lower = path.to_ascii_lowercase();
    let mut known = lower.split('.');
    let mut written = path.split('.');
    let (kind, name) = match (known.next()?, known.next()) {
        ("http", Some("routers")) => (Kind::Router, written.nth(2)?),
        ("http", Some("services")) => (Kind::Service, written.nth(2)?),
        ("http", Some("middlewares")) => (Kind::Middleware, written.nth(2)?),
        ("routers", Some(_)) => (Kind::Router, written.nth(1)?),
        (key, _) if is_in(&ROUTER_KEYS, key) => (Kind::Router, ""),
        (key, _) if is_in(&SERVICE_KEYS, key) => (Kind::Service, ""),
        _ => return None,
    };
    Some((kind, name, written.next().unwrap_or_default()))
}

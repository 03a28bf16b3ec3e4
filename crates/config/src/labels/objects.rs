//! Routers, services and middlewares of labels, each decoded by itself.

use std::{borrow::Cow, collections::BTreeMap};

use figment::value::{Dict, Value};

use super::{
    DeclaredService,
    decode::Decoder,
    full::LabelledService,
    simple::{ROUTER_KEYS, SERVICE_KEYS, SimpleRouter, SimpleService},
};
use crate::{
    fragment::{Declared, Kind, SetAside},
    layer::{Decoded, ITSELF, KeyPath, Lists},
    model::Router,
    origin::Problem,
    outline::{Outline, readable},
    tag_rule,
};

impl<'a> Decoder<'a> {
    pub(super) fn routers(&mut self, value: &'a Value, path: &KeyPath<'_>) {
        for (name, value) in self.block(value, path) {
            let path = KeyPath::Key(path, name);
            let router = match with_full_rule(value) {
                Ok(value) => self.read(&value, &path),
                Err(message) => Decoded::of(Err(self.wrong(value, &path, "rule", &message))),
            };
            self.declare_router(name, value, &path, router);
        }
    }

    pub(super) fn services(&mut self, value: &'a Value, path: &KeyPath<'_>) {
        for (name, value) in self.block(value, path) {
            let path = KeyPath::Key(path, name);
            let service = self.object::<LabelledService>(value, &path);
            self.declare_service(name, value, &path, service.map(DeclaredService::from));
        }
    }

    pub(super) fn middlewares(&mut self, value: &'a Value, path: &KeyPath<'_>) {
        for (name, value) in self.block(value, path) {
            let path = KeyPath::Key(path, name);
            match self.declared(name, value, &path, self.object(value, &path)) {
                Ok(middleware) => drop(self.declaration.middlewares.insert(name.clone(), middleware)),
                Err(problems) => {
                    let outline = self.outline(Kind::Middleware, value, &path);
                    self.set_aside(Kind::Middleware, name, outline, problems);
                }
            }
        }
    }

    pub(super) fn simple_routers(&mut self, value: &'a Value, path: &KeyPath<'_>) {
        for (name, value) in self.block(value, path) {
            let path = KeyPath::Key(path, name);
            let router = self.simple_router_of(value, &path);
            self.declare_router(name, value, &path, router);
        }
    }

    /// The router of the simple keys in `root`.
    pub(super) fn simple_router(&mut self, path: &KeyPath<'_>, root: &Dict) {
        if let Some(value) = only(root, &ROUTER_KEYS) {
            let router = self.simple_router_of(&value, path);
            self.declare_router("", &value, path, router);
        }
    }

    /// The service of the simple keys in `root`.
    pub(super) fn simple_service(&mut self, path: &KeyPath<'_>, root: &Dict) {
        let Some(value) = only(root, &SERVICE_KEYS) else {
            return;
        };
        let service = self.object::<SimpleService>(&value, path).and_then(|simple| {
            let service = simple.service();
            service.map_err(|(key, message)| self.wrong(&value, path, key, &message))
        });
        self.declare_service("", &value, path, service);
    }

    fn simple_router_of(&self, value: &Value, path: &KeyPath<'_>) -> Decoded<Router> {
        let Decoded {
            readable,
            mut problems,
            left_out,
        } = self.read::<SimpleRouter>(value, path);
        let router = readable.map(SimpleRouter::router).transpose();
        let readable = router.unwrap_or_else(|(key, message)| {
            problems.extend(self.wrong(value, path, key, &message));
            None
        });
        Decoded {
            readable,
            problems,
            left_out,
        }
    }

    fn wrong(&self, value: &Value, path: &KeyPath<'_>, key: &str, message: &str) -> Vec<Problem> {
        vec![self.problem_of(value, &KeyPath::Key(path, key), message)]
    }

    fn declare_router(&mut self, name: &str, value: &Value, path: &KeyPath<'_>, router: Decoded<Router>) {
        let mut known = self.declaration.routers.keys();
        if known.any(|known| known.eq_ignore_ascii_case(name)) {
            let problem = self.problem_of(value, path, "declared in the full form too, which counts");
            self.declaration.problems.push(problem);
            return;
        }
        let is_good = router.problems.is_empty() && !name.contains('@');
        let closed = (!is_good).then(|| readable(router.readable.clone(), &router.problems, path));
        match self.declared(name, value, path, router.whole()) {
            Ok(router) => drop(self.declaration.routers.insert(name.to_owned(), router)),
            Err(problems) => {
                let outline = self.outline(Kind::Router, value, path);
                // Without a rule it has the default one; with one that cannot be read nobody knows what it matches.
                let closed = closed.flatten();
                let closed = closed.filter(|router| router.rule.is_some() || !says_what_matches(value));
                let set_aside = SetAside::new(Kind::Router, name, outline, problems).closing(closed);
                self.declaration.set_aside.push(set_aside);
            }
        }
    }

    fn declare_service(
        &mut self,
        name: &str,
        value: &Value,
        path: &KeyPath<'_>,
        service: Result<DeclaredService, Vec<Problem>>,
    ) {
        match self.declared(name, value, path, service) {
            Ok(service) => drop(self.declaration.services.insert(name.to_owned(), service)),
            Err(problems) => {
                let outline = match name {
                    "" => Outline::of_variant("loadBalancer"),
                    _ => self.outline(Kind::Service, value, path),
                };
                self.set_aside(Kind::Service, name, outline, problems);
            }
        }
    }

    fn declared<T>(
        &self,
        name: &str,
        value: &Value,
        path: &KeyPath<'_>,
        object: Result<T, Vec<Problem>>,
    ) -> Result<Declared<T>, Vec<Problem>> {
        if name.contains('@') {
            let message = "a name holds no @: that is how other providers are meant";
            return Err(vec![self.problem_of(value, path, message)]);
        }
        let origin = self.origin(value, path);
        object.map(|value| Declared { value, origin })
    }

    fn outline(&self, kind: Kind, value: &Value, path: &KeyPath<'_>) -> Outline {
        Outline::read(kind, self.merged, value, path, Lists::CommasAndBlanks)
    }

    fn set_aside(&mut self, kind: Kind, name: &str, outline: Outline, problems: Vec<Problem>) {
        let set_aside = SetAside::new(kind, name, outline, problems);
        self.declaration.set_aside.push(set_aside);
    }

    /// Sets aside an object, even one that decodes well without what is broken: the option `key`.
    pub(super) fn spoil(&mut self, kind: Kind, name: &str, key: &str, problem: Problem) {
        match kind {
            Kind::Router => {
                let mut closed = self.readable_router(name);
                if key.eq_ignore_ascii_case("tls") {
                    closed.tls.get_or_insert_default();
                }
                let closed = Some(closed).filter(|_| !is_about_matching(key));
                forget(&mut self.declaration.routers, name);
                let set_aside = SetAside::new(kind, name, Outline::default(), vec![problem]);
                self.declaration.set_aside.push(set_aside.closing(closed));
                return;
            }
            Kind::Service => forget(&mut self.declaration.services, name),
            Kind::Middleware => forget(&mut self.declaration.middlewares, name),
            Kind::ServersTransport | Kind::Certificate | Kind::TlsOptions => {}
        }
        self.set_aside(kind, name, Outline::default(), vec![problem]);
    }

    /// What could be read of the router called `name`.
    fn readable_router(&self, name: &str) -> Router {
        let mut routers = self.declaration.routers.iter();
        let whole = routers.find(|(known, _)| known.eq_ignore_ascii_case(name));
        let mut broken = self.declaration.set_aside.iter().rev();
        let broken = || {
            let object = broken
                .find(|object| object.kind == Kind::Router && object.name.eq_ignore_ascii_case(name))?;
            object.closed.as_deref()
        };
        let found = whole.map(|(_, declared)| &declared.value).or_else(broken);
        found.cloned().unwrap_or_default()
    }
}

/// True if a router says itself what it matches.
fn says_what_matches(router: &Value) -> bool {
    match router {
        Value::Dict(_, dict) => dict.keys().any(|key| is_about_matching(key)),
        _ => false,
    }
}

fn is_about_matching(key: &str) -> bool {
    let keys = ["rule", "host", "path"];
    keys.iter().any(|known| known.eq_ignore_ascii_case(key))
}

fn forget<T>(objects: &mut BTreeMap<String, T>, name: &str) {
    objects.retain(|known, _| !known.eq_ignore_ascii_case(name));
}

/// The entries of `root` under `keys`, as a block of their own.
fn only(root: &Dict, keys: &[&str]) -> Option<Value> {
    let mut block = Dict::new();
    for (key, value) in root {
        if !keys.iter().any(|known| known.eq_ignore_ascii_case(key)) {
            continue;
        }
        let itself = match value {
            Value::Dict(_, inner) if key.eq_ignore_ascii_case("tls") => inner.get(ITSELF),
            value => Some(value),
        };
        if let Some(value) = itself {
            block.insert(key.clone(), value.clone());
        }
    }
    let strongest = block.values().map(Value::tag).max()?;
    Some(Value::Dict(strongest, block))
}

/// A router whose rule is in tag-safe characters, with the full rule instead. Every full rule has a `(`.
fn with_full_rule(router: &Value) -> Result<Cow<'_, Value>, String> {
    let Value::Dict(tag, dict) = router else {
        return Ok(Cow::Borrowed(router));
    };
    let mut entries = dict.iter();
    let (key, rule) = match entries.find(|(key, _)| key.eq_ignore_ascii_case("rule")) {
        Some((key, Value::String(tag, text))) if !text.contains(['(', '`']) => {
            let rule = tag_rule::parse(text).map_err(|error| error.to_string())?;
            (key, Value::String(*tag, rule.text().to_owned()))
        }
        _ => return Ok(Cow::Borrowed(router)),
    };
    let mut dict = dict.clone();
    dict.insert(key.clone(), rule);
    Ok(Cow::Owned(Value::Dict(*tag, dict)))
}

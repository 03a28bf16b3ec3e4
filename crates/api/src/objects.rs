//! Routers, services, middlewares and TLS options as views show them.

use std::{collections::BTreeMap, sync::Arc};

use mesh_config::{Kind, QualifiedName, Reference, SetAside, model::ServiceKind};
use mesh_proxy::{
    Runtime, Service, Status,
    table::{MiddlewareInfo, RouterInfo, ServiceInfo, TlsOptionsInfo},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    list::{Listed, SortKey, status_text},
    query::Query,
    redact,
};

/// A router with its name.
#[derive(Debug)]
struct RouterView<'a>(&'a QualifiedName, &'a RouterInfo);

/// A service with its name.
#[derive(Debug)]
pub(crate) struct ServiceView<'a>(pub(crate) &'a QualifiedName, pub(crate) &'a ServiceInfo);

/// A service below another one.
#[derive(Debug, Serialize)]
struct ChildState {
    name: QualifiedName,
    status: &'static str,
    /// Why it has no server for anybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    obstacle: Option<String>,
}

/// A middleware with its name.
#[derive(Debug)]
struct MiddlewareView<'a>(&'a QualifiedName, &'a MiddlewareInfo);

/// TLS options with their name.
#[derive(Debug)]
struct TlsOptionsView<'a>(&'a QualifiedName, &'a TlsOptionsInfo);

/// An object that cannot be used and never could, with its name.
#[derive(Debug)]
struct BrokenView<'a>(&'a QualifiedName, &'a SetAside);

/// All routers, in the order of their names.
pub(crate) fn routers(runtime: &Runtime) -> Vec<Box<dyn Listed + '_>> {
    let routers = runtime.routers.iter();
    let views = routers.map(|(name, info)| -> Box<dyn Listed> { Box::new(RouterView(name, info)) });
    with_broken(runtime, Kind::Router, views)
}

/// All services, in the order of their names.
pub(crate) fn services(runtime: &Runtime) -> Vec<Box<dyn Listed + '_>> {
    let services = runtime.services.iter();
    let views = services.map(|(name, info)| -> Box<dyn Listed> { Box::new(ServiceView(name, info)) });
    with_broken(runtime, Kind::Service, views)
}

/// All middlewares, in the order of their names.
pub(crate) fn middlewares(runtime: &Runtime) -> Vec<Box<dyn Listed + '_>> {
    let middlewares = runtime.middlewares.iter();
    let views = middlewares.map(|(name, info)| -> Box<dyn Listed> { Box::new(MiddlewareView(name, info)) });
    with_broken(runtime, Kind::Middleware, views)
}

/// All TLS options, in the order of their names.
pub(crate) fn tls_options(runtime: &Runtime) -> Vec<Box<dyn Listed + '_>> {
    let options = runtime.tls_options.iter();
    let views = options.map(|(name, info)| -> Box<dyn Listed> { Box::new(TlsOptionsView(name, info)) });
    with_broken(runtime, Kind::TlsOptions, views)
}

fn with_broken<'a>(
    runtime: &'a Runtime,
    kind: Kind,
    views: impl Iterator<Item = Box<dyn Listed + 'a>>,
) -> Vec<Box<dyn Listed + 'a>> {
    let mut all: Vec<_> = views.chain(broken(runtime, kind)).collect();
    all.sort_by(|a, b| a.name().cmp(b.name()));
    all
}

/// Objects that cannot be used and never could.
pub(crate) fn broken(runtime: &Runtime, kind: Kind) -> impl Iterator<Item = Box<dyn Listed + '_>> {
    let broken = runtime
        .set_aside
        .iter()
        .filter(move |((found, _), _)| *found == kind);
    broken.map(|((_, name), object)| -> Box<dyn Listed> { Box::new(BrokenView(name, object)) })
}

// === impl RouterView ===

impl RouterView<'_> {
    fn rule(&self) -> &str {
        self.1.entry.value.rule.as_ref().map_or("", |rule| rule.text())
    }

    fn service(&self) -> Option<&Reference> {
        self.1.entry.value.service.as_ref()
    }
}

impl Listed for RouterView<'_> {
    fn name(&self) -> &QualifiedName {
        self.0
    }

    fn status(&self) -> Status {
        self.1.status
    }

    fn matches(&self, text: &str) -> bool {
        self.0.to_string().to_lowercase().contains(text) || self.rule().to_lowercase().contains(text)
    }

    fn passes(&self, query: &Query) -> bool {
        let service = query.get("serviceName").is_none_or(|wanted| {
            self.service()
                .is_some_and(|service| is_meant(&service.to_string(), wanted))
        });
        let mut middlewares = self.1.entry.value.middlewares.iter();
        let wanted = query.get("middlewareName");
        service && wanted.is_none_or(|wanted| middlewares.any(|name| name.to_string() == wanted))
    }

    fn key(&self, field: &str) -> Option<SortKey> {
        match field {
            "priority" => Some(SortKey::Number(self.1.priority)),
            "rule" => Some(SortKey::Text(self.rule().to_owned())),
            "service" => self.service().map(|service| SortKey::Text(service.to_string())),
            "entryPoints" => Some(SortKey::Number(count(self.1.using.len()))),
            _ => None,
        }
    }

    fn render(&self) -> Value {
        let mut object = object(&self.1.entry.value);
        let priority = self.1.priority;
        object.insert("priority".to_owned(), priority.into());
        // JavaScript keeps 53 bits of a number.
        object.insert("priorityStr".to_owned(), priority.to_string().into());
        if object.get("entryPoints").is_none() {
            object.insert("entryPoints".to_owned(), json!(self.1.using));
        }
        state(&mut object, self.1.status, &self.1.errors);
        put_list(&mut object, "using", &self.1.using);
        object.insert("origin".to_owned(), json!(self.1.entry.origin));
        identity(object, self.0, None)
    }
}

// === impl ServiceView ===

impl ServiceView<'_> {
    /// The kind in lower case; `internal` for what Mesh answers itself.
    fn kind(&self) -> String {
        let entry = self.1.entry.as_ref();
        entry
            .map_or("internal", |entry| entry.value.kind.name())
            .to_lowercase()
    }

    /// True for a service with servers of its own.
    pub(crate) fn has_servers(&self) -> bool {
        self.kind() == "loadbalancer"
    }

    /// The services below it, as they are at this moment.
    fn children(&self) -> Vec<ChildState> {
        let service = self.1.service.as_ref();
        let children = service.map(|service| service.children()).unwrap_or_default();
        let state = |child: &Arc<Service>| ChildState {
            name: child.name.clone(),
            status: if child.can_serve() { "UP" } else { "DOWN" },
            obstacle: child.why_unavailable(),
        };
        children.into_iter().map(state).collect()
    }

    fn server_count(&self) -> usize {
        match self.1.entry.as_ref().map(|entry| &entry.value.kind) {
            Some(ServiceKind::LoadBalancer(balancer)) => balancer.servers.len(),
            _ => 0,
        }
    }
}

impl Listed for ServiceView<'_> {
    fn name(&self) -> &QualifiedName {
        self.0
    }

    fn status(&self) -> Status {
        self.1.status
    }

    fn key(&self, field: &str) -> Option<SortKey> {
        match field {
            "type" => Some(SortKey::Text(self.kind())),
            "servers" => Some(SortKey::Number(count(self.server_count()))),
            _ => None,
        }
    }

    fn render(&self) -> Value {
        let mut object = self
            .1
            .entry
            .as_ref()
            .map(|entry| object(&entry.value))
            .unwrap_or_default();
        state(&mut object, self.1.status, &self.1.errors);
        put_list(&mut object, "usedBy", &self.1.used_by);
        let servers = if self.has_servers() {
            self.1.servers()
        } else {
            Vec::new()
        };
        if !servers.is_empty() {
            let status: BTreeMap<_, _> = servers
                .iter()
                .map(|server| (&server.url, server.status))
                .collect();
            object.insert("serverStatus".to_owned(), json!(status));
            object.insert("serverStates".to_owned(), json!(servers));
        }
        put_list(&mut object, "childStates", &self.children());
        if let Some(entry) = &self.1.entry {
            object.insert("origin".to_owned(), json!(entry.origin));
        }
        identity(object, self.0, Some(self.kind()))
    }
}

// === impl MiddlewareView ===

impl Listed for MiddlewareView<'_> {
    fn name(&self) -> &QualifiedName {
        self.0
    }

    fn status(&self) -> Status {
        self.1.status
    }

    fn key(&self, field: &str) -> Option<SortKey> {
        (field == "type").then(|| SortKey::Text(self.1.entry.value.kind().to_lowercase()))
    }

    fn render(&self) -> Value {
        let entry = &self.1.entry;
        let mut object = object(&entry.value);
        // Where an option stands on a line of its own, that is where its user has to look.
        let errors = self.1.errors.iter().map(|error| match entry.place_of(error) {
            place if place == entry.origin.alone() => error.clone(),
            place => format!("{place}: {error}"),
        });
        state(&mut object, self.1.status, &errors.collect::<Vec<_>>());
        put_list(&mut object, "usedBy", &self.1.used_by);
        object.insert("origin".to_owned(), json!(entry.origin));
        identity(object, self.0, Some(entry.value.kind().to_lowercase()))
    }
}

// === impl TlsOptionsView ===

impl Listed for TlsOptionsView<'_> {
    fn name(&self) -> &QualifiedName {
        self.0
    }

    fn status(&self) -> Status {
        self.1.status
    }

    fn render(&self) -> Value {
        let mut object = object(&self.1.entry.value);
        state(&mut object, self.1.status, &self.1.errors);
        put_list(&mut object, "usedBy", &self.1.used_by);
        object.insert("origin".to_owned(), json!(self.1.entry.origin));
        identity(object, self.0, None)
    }
}

// === impl BrokenView ===

impl Listed for BrokenView<'_> {
    fn name(&self) -> &QualifiedName {
        self.0
    }

    fn status(&self) -> Status {
        Status::Disabled
    }

    fn matches(&self, text: &str) -> bool {
        let rule = &self.1.outline.rule;
        self.0.to_string().to_lowercase().contains(text) || rule.to_lowercase().contains(text)
    }

    fn passes(&self, query: &Query) -> bool {
        let outline = &self.1.outline;
        let has_service = |wanted| is_meant(&outline.service, wanted);
        let has_middleware = |wanted| outline.middlewares.iter().any(|name| name == wanted);
        query.get("serviceName").is_none_or(has_service)
            && query.get("middlewareName").is_none_or(has_middleware)
    }

    fn key(&self, field: &str) -> Option<SortKey> {
        let outline = &self.1.outline;
        match field {
            "priority" => Some(SortKey::Number(outline.priority)),
            "rule" => Some(SortKey::Text(outline.rule.clone())),
            "service" => Some(SortKey::Text(outline.service.clone())),
            "type" => Some(SortKey::Text(outline.variant.to_lowercase())),
            _ => None,
        }
    }

    fn render(&self) -> Value {
        let mut object = object(&self.1.outline);
        let variant = object.remove("variant");
        let kind = variant.as_ref().and_then(Value::as_str).map(str::to_lowercase);
        if self.1.kind == Kind::Router {
            let priority = self.1.outline.priority.to_string();
            object.insert("priorityStr".to_owned(), priority.into());
        } else {
            object.remove("priority");
        }
        state(&mut object, Status::Disabled, &[self.1.problem.to_string()]);
        object.insert("origin".to_owned(), json!(self.1.problem.origin));
        identity(object, self.0, kind)
    }
}

// === parts of objects ===

/// True when a reference to a service, as it is written, may mean the `wanted` one.
fn is_meant(reference: &str, wanted: &str) -> bool {
    let bare = wanted.split('@').next().unwrap_or_default();
    reference == wanted || (!reference.contains('@') && reference == bare)
}

/// The definition, without secrets.
fn object(definition: &impl Serialize) -> Map<String, Value> {
    let value = serde_json::to_value(definition).map(redact::definition);
    match value {
        Ok(Value::Object(object)) => object,
        // Definitions are structures; nothing is shown of one that were not.
        Ok(_) | Err(_) => Map::new(),
    }
}

fn state(object: &mut Map<String, Value>, status: Status, errors: &[String]) {
    object.insert("status".to_owned(), status_text(status).into());
    put_list(object, "error", errors);
}

fn put_list<T: Serialize>(object: &mut Map<String, Value>, key: &str, list: &[T]) {
    if !list.is_empty() {
        object.insert(key.to_owned(), json!(list));
    }
}

fn identity(mut object: Map<String, Value>, name: &QualifiedName, kind: Option<String>) -> Value {
    object.insert("name".to_owned(), json!(name));
    object.insert("provider".to_owned(), json!(name.provider));
    if let Some(kind) = kind {
        object.insert("type".to_owned(), kind.into());
    }
    Value::Object(object)
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

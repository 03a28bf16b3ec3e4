//! What became of every object: for the API, the dashboard and `check`.

use std::{collections::BTreeMap, sync::Arc};

use mesh_config::{
    Entry, Problem, QualifiedName,
    model::{Middleware, Router, Service},
};
use serde::Serialize;

use crate::service::{self, ServerInfo};

/// Every object with its state.
#[derive(Debug, Default)]
pub struct Runtime {
    /// Routers.
    pub routers: BTreeMap<QualifiedName, Arc<RouterInfo>>,
    /// Services, those inside Mesh included.
    pub services: BTreeMap<QualifiedName, Arc<ServiceInfo>>,
    /// Middlewares.
    pub middlewares: BTreeMap<QualifiedName, Arc<MiddlewareInfo>>,
    /// Problems of no object above.
    pub problems: Vec<Problem>,
}

/// Whether an object serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It serves.
    Enabled,
    /// It serves, and somebody should look at it.
    Warning,
    /// It does not serve.
    Disabled,
}

/// A router and what became of it.
#[derive(Debug, PartialEq)]
pub struct RouterInfo {
    /// The newest definition, even where an older one serves.
    pub entry: Arc<Entry<Router>>,
    /// Whether it serves.
    pub status: Status,
    /// What is wrong with it.
    pub errors: Vec<String>,
    /// The entrypoints it serves on.
    pub using: Vec<Arc<str>>,
    /// The priority in force.
    pub priority: i64,
}

/// A service and what became of it.
#[derive(Debug)]
pub struct ServiceInfo {
    /// The newest definition; `None` for a service inside Mesh.
    pub entry: Option<Arc<Entry<Service>>>,
    /// Whether it serves.
    pub status: Status,
    /// What is wrong with it.
    pub errors: Vec<String>,
    /// The routers that use it.
    pub used_by: Vec<QualifiedName>,
    /// The service that serves; `None` for a disabled one and for one inside Mesh.
    pub service: Option<Arc<service::Service>>,
}

impl ServiceInfo {
    /// Its servers as they are at this moment, those of its children included.
    pub fn servers(&self) -> Vec<ServerInfo> {
        let service = self.service.as_ref();
        service.map(|service| service.servers()).unwrap_or_default()
    }
}

/// A middleware and what became of it.
#[derive(Debug)]
pub struct MiddlewareInfo {
    /// The newest definition.
    pub entry: Arc<Entry<Middleware>>,
    /// Whether it serves.
    pub status: Status,
    /// What is wrong with it.
    pub errors: Vec<String>,
    /// The routers that use it.
    pub used_by: Vec<QualifiedName>,
}

/// The state of an object that serves or not, with these errors and the problems of its definition.
pub(super) fn judge<T>(serves: bool, errors: Vec<String>, entry: &Entry<T>) -> (Status, Vec<String>) {
    let problems = entry.problems.iter().map(ToString::to_string);
    let errors: Vec<_> = errors.into_iter().chain(problems).collect();
    let status = match (serves, errors.is_empty()) {
        (false, _) => Status::Disabled,
        (true, false) => Status::Warning,
        (true, true) => Status::Enabled,
    };
    (status, errors)
}

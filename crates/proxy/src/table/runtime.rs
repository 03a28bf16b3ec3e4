//! What became of every object: for the API, the dashboard and `check`.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::Hash,
    sync::Arc,
};

use mesh_config::{
    Entry, Kind, Problem, ProviderName, QualifiedName, SetAside,
    model::{Middleware, Router, Service, TlsOptions},
};
use mesh_tls::ServerOptions;
use serde::Serialize;

use super::route::{Route, Target};
use crate::{
    middleware::{self, Chain},
    service::{self, Balancer, ServerInfo},
};

/// Every object with its state.
#[derive(Debug, Default)]
pub struct Runtime {
    /// Routers.
    pub routers: BTreeMap<QualifiedName, Arc<RouterInfo>>,
    /// Services, those inside Mesh included.
    pub services: BTreeMap<QualifiedName, Arc<ServiceInfo>>,
    /// Middlewares.
    pub middlewares: BTreeMap<QualifiedName, Arc<MiddlewareInfo>>,
    /// TLS options.
    pub tls_options: BTreeMap<QualifiedName, Arc<TlsOptionsInfo>>,
    /// Objects that cannot be used and never could, as [`Configuration`](mesh_config::Configuration) has them.
    pub set_aside: BTreeMap<(Kind, QualifiedName), Arc<SetAside>>,
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
#[derive(Debug, Clone, PartialEq)]
pub struct RouterInfo {
    /// The newest definition, even where an older one serves.
    pub entry: Arc<Entry<Router>>,
    /// Whether it serves.
    pub status: Status,
    /// What is wrong with it.
    pub errors: Vec<String>,
    /// Those of the errors that are no more than advice.
    pub warnings: Vec<String>,
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
    /// Those of the errors that are no more than advice.
    pub warnings: Vec<String>,
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

/// TLS options and what became of them.
#[derive(Debug)]
pub struct TlsOptionsInfo {
    /// The newest definition.
    pub entry: Arc<Entry<TlsOptions>>,
    /// Whether they serve.
    pub status: Status,
    /// What is wrong with them.
    pub errors: Vec<String>,
    /// Those of the errors that are no more than advice.
    pub warnings: Vec<String>,
    /// The routers that want them.
    pub used_by: Vec<QualifiedName>,
}

/// What the compiler made of a definition.
#[derive(Debug)]
pub(super) struct Verdict<T, S> {
    /// The object.
    pub(super) name: QualifiedName,
    /// The newest definition.
    pub(super) entry: Arc<Entry<T>>,
    /// What serves: this definition or an older one.
    pub(super) serving: Option<S>,
    /// What is wrong with the newest definition.
    pub(super) errors: Vec<String>,
}

pub(super) type ServiceVerdict = Verdict<Service, Arc<service::Service>>;
pub(super) type MiddlewareVerdict = Verdict<Middleware, Chain>;
pub(super) type TlsOptionsVerdict = Verdict<TlsOptions, Arc<ServerOptions>>;

/// A router and its route.
#[derive(Debug)]
pub(super) struct RouterVerdict {
    pub(super) name: QualifiedName,
    pub(super) info: Arc<RouterInfo>,
    pub(super) route: Option<Arc<Route>>,
}

impl RouterVerdict {
    /// Its errors without the problems that came with its definition; those are told by who found them.
    pub(super) fn own_errors(&self) -> &[String] {
        let own = self
            .info
            .errors
            .len()
            .saturating_sub(self.info.entry.problems.len());
        self.info.errors.get(..own).unwrap_or_default()
    }
}

impl RouterVerdict {
    /// The same with what is said of it at each of its entrypoints, and whether it serves there all the same.
    pub(super) fn remarked<'r>(&self, remarks: impl Iterator<Item = (&'r str, bool)>) -> Self {
        let mut info = self.info.as_ref().clone();
        let mut closed = 0;
        for (text, serves) in remarks {
            info.errors.push(text.to_owned());
            closed += usize::from(!serves);
        }
        let worst = match closed >= info.using.len() {
            true => Status::Disabled,
            false => Status::Warning,
        };
        info.status = info.status.max(worst);
        Self {
            name: self.name.clone(),
            info: Arc::new(info),
            route: self.route.clone(),
        }
    }
}

/// All that [`Runtime`] is made of.
#[derive(Debug)]
pub(super) struct Verdicts {
    pub(super) routers: Vec<Arc<RouterVerdict>>,
    pub(super) services: Vec<Arc<ServiceVerdict>>,
    pub(super) middlewares: Vec<Arc<MiddlewareVerdict>>,
    pub(super) tls_options: Vec<Arc<TlsOptionsVerdict>>,
    /// TLS options that nobody gets, and why.
    pub(super) idle_options: BTreeMap<QualifiedName, String>,
    /// The zone this process is in.
    pub(super) zone: Arc<str>,
    /// Names of services inside Mesh.
    pub(super) internal: Vec<String>,
    pub(super) set_aside: BTreeMap<(Kind, QualifiedName), Arc<SetAside>>,
    pub(super) problems: Vec<Problem>,
}

/// What routers use, by the name of what is used.
#[derive(Debug, Default)]
struct Uses<'r> {
    services: HashMap<&'r QualifiedName, Vec<QualifiedName>>,
    middlewares: HashMap<&'r QualifiedName, Vec<QualifiedName>>,
    tls_options: HashMap<&'r QualifiedName, Vec<QualifiedName>>,
    internal: HashMap<&'r str, Vec<QualifiedName>>,
}

impl Verdicts {
    pub(super) fn runtime(&self) -> Runtime {
        let uses = self.uses();
        let mut services = BTreeMap::new();
        for verdict in &self.services {
            let info = verdict.info(used(&uses.services, &verdict.name), &self.zone);
            services.insert(verdict.name.clone(), Arc::new(info));
        }
        for name in &self.internal {
            let info = ServiceInfo {
                entry: None,
                status: Status::Enabled,
                errors: Vec::new(),
                warnings: Vec::new(),
                used_by: used(&uses.internal, name.as_str()),
                service: None,
            };
            services.insert(
                QualifiedName::new(name.as_str(), ProviderName::internal()),
                Arc::new(info),
            );
        }
        let middlewares = self.middlewares.iter().map(|verdict| {
            let name = &verdict.name;
            let trouble = verdict.own_step().and_then(|step| step.trouble());
            let errors = verdict.errors.iter().cloned().chain(trouble).collect();
            let (status, errors) = judge(verdict.serving.is_some(), errors, &verdict.entry);
            let info = MiddlewareInfo {
                entry: verdict.entry.clone(),
                status,
                errors,
                used_by: used(&uses.middlewares, name),
            };
            (name.clone(), Arc::new(info))
        });
        let tls_options = self.tls_options.iter().map(|verdict| {
            let name = &verdict.name;
            let warnings: Vec<_> = self.idle_options.get(name).cloned().into_iter().collect();
            let errors = verdict.errors.iter().chain(&warnings).cloned().collect();
            let (status, errors) = judge(verdict.serving.is_some(), errors, &verdict.entry);
            let info = TlsOptionsInfo {
                entry: verdict.entry.clone(),
                status,
                errors,
                warnings,
                used_by: used(&uses.tls_options, name),
            };
            (name.clone(), Arc::new(info))
        });
        let routers = self.routers.iter();
        Runtime {
            routers: routers
                .map(|router| (router.name.clone(), router.info.clone()))
                .collect(),
            services,
            middlewares: middlewares.collect(),
            tls_options: tls_options.collect(),
            set_aside: self.set_aside.clone(),
            problems: self.problems.clone(),
        }
    }

    /// The balancers that routes use, once each.
    pub(super) fn balancers(&self) -> Vec<Arc<Balancer>> {
        let mut seen = HashSet::new();
        let mut balancers = Vec::new();
        for route in self.routes() {
            route.visit_services(&mut |service| {
                if let service::Kind::Balancer(balancer) = &service.kind
                    && seen.insert(Arc::as_ptr(balancer))
                {
                    balancers.push(balancer.clone());
                }
            });
        }
        balancers
    }

    fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routers.iter().filter_map(|router| router.route.as_ref())
    }

    fn uses(&self) -> Uses<'_> {
        let mut uses = Uses::default();
        for route in self.routes() {
            for middleware in route.middlewares.iter() {
                note(&mut uses.middlewares, &middleware.name, route);
            }
            if let Some(options) = &route.options {
                note(&mut uses.tls_options, options.name(), route);
            }
            route.visit_services(&mut |service| note(&mut uses.services, &service.name, route));
            if let Target::Internal(_) = &route.target {
                let name = route
                    .service
                    .as_deref()
                    .and_then(|service| service.split('@').next());
                note(&mut uses.internal, name.unwrap_or_default(), route);
            }
        }
        uses
    }
}

impl MiddlewareVerdict {
    /// The step that serves for it; a chain has none of its own.
    pub(super) fn own_step(&self) -> Option<&Arc<middleware::Middleware>> {
        let step = self.serving.as_ref()?.first();
        step.filter(|step| step.name == self.name)
    }
}

impl ServiceVerdict {
    fn info(&self, used_by: Vec<QualifiedName>, zone: &str) -> ServiceInfo {
        let warnings = self.entry.value.warnings_within(&self.name.provider, zone);
        let errors = self.errors.iter().chain(&warnings).cloned();
        let (status, errors) = judge(self.serving.is_some(), errors.collect(), &self.entry);
        ServiceInfo {
            entry: Some(self.entry.clone()),
            status,
            errors,
            warnings,
            used_by,
            service: self.serving.clone(),
        }
    }
}

/// Notes that `route` uses `key`, once.
fn note<'r, K: Eq + Hash + ?Sized>(uses: &mut HashMap<&'r K, Vec<QualifiedName>>, key: &'r K, route: &Route) {
    let users = uses.entry(key).or_default();
    if users.last() != Some(&route.name) {
        users.push(route.name.clone());
    }
}

fn used<K: Eq + Hash + ?Sized>(uses: &HashMap<&K, Vec<QualifiedName>>, key: &K) -> Vec<QualifiedName> {
    uses.get(key).cloned().unwrap_or_default()
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

//! Makes routing tables from configurations.
//!
//! One stage for each kind of object, in the order in which they refer to each other. A stage remembers what it
//! made: an object whose definition and references did not change is taken over as it is, and an object that
//! broke goes on in the last version that was good.

mod middlewares;
mod precedence;
mod routers;
mod services;
mod transports;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use mesh_config::{Configuration, QualifiedName, model::ServersTransport};

use self::{
    middlewares::Middlewares, precedence::Precedence, routers::Routers, services::Services,
    transports::Transports,
};
use super::{
    EntryPointRoutes, RoutingTable,
    index::Index,
    route::{InternalServices, Route, Target},
    runtime::{MiddlewareInfo, Runtime, ServiceInfo},
};
use crate::service::{self, Balancer};

/// What the compiler knows besides the configuration; fixed for the life of the process.
#[derive(Debug)]
pub struct CompilerSettings {
    /// The entrypoints; tables know them by their place in this list.
    pub entry_points: Vec<EntryPointInfo>,
    /// Providers by name, strongest first: they win between routers of equal priority.
    pub precedence: Vec<String>,
    /// The transport of services that name none: `default@internal`.
    pub default_transport: ServersTransport,
    /// Services inside this process.
    pub internal: InternalServices,
}

/// An entrypoint as the compiler sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPointInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Routers that name no entrypoint listen on it.
    pub default: bool,
}

/// Makes routing tables. Keep one for the life of the process: it carries the state of servers and the last
/// good versions of objects from table to table.
#[derive(Debug)]
pub struct Compiler {
    settings: CompilerSettings,
    precedence: Precedence,
    transports: Transports,
    middlewares: Middlewares,
    services: Services,
    routers: Routers,
    /// Tables that may still be in use. The last to let go of a table pays for its destruction; that should be
    /// the compiler and never a worker.
    retired: Vec<Arc<RoutingTable>>,
}

/// What routers use, by name of what is used.
#[derive(Debug, Default)]
struct Uses<'r> {
    services: HashMap<&'r QualifiedName, Vec<QualifiedName>>,
    middlewares: HashMap<&'r QualifiedName, Vec<QualifiedName>>,
    internal: HashMap<&'r str, Vec<QualifiedName>>,
    balancers: Vec<Arc<Balancer>>,
    seen: HashSet<*const Balancer>,
}

impl Compiler {
    /// A compiler that has made no table yet.
    pub fn new(settings: CompilerSettings) -> Self {
        Self {
            precedence: Precedence::new(&settings.precedence),
            transports: Transports::new(settings.default_transport.clone()),
            middlewares: Middlewares::default(),
            services: Services::default(),
            routers: Routers::default(),
            retired: Vec::new(),
            settings,
        }
    }

    /// The table of `configuration`. Errors of objects are in its [`Runtime`].
    pub fn compile(&mut self, configuration: &Configuration) -> Arc<RoutingTable> {
        self.retired.retain(|table| Arc::strong_count(table) > 1);
        self.transports.update(&configuration.servers_transports);
        self.middlewares.update(&configuration.middlewares);
        self.services
            .update(&configuration.services, &self.transports, &self.middlewares);
        self.routers.update(
            &configuration.routers,
            &routers::Surroundings {
                settings: &self.settings,
                precedence: &self.precedence,
                middlewares: &self.middlewares,
                services: &self.services,
            },
        );
        let uses = self.uses();
        let runtime = self.runtime(configuration, &uses);
        let table = Arc::new(RoutingTable {
            entry_points: self.entry_points(),
            runtime,
            balancers: uses.balancers,
        });
        self.retired.push(table.clone());
        table
    }

    fn entry_points(&self) -> Vec<EntryPointRoutes> {
        let mut routes: Vec<Vec<Arc<Route>>> = vec![Vec::new(); self.settings.entry_points.len()];
        for (route, entry_points) in self.routers.routes() {
            for entry_point in entry_points {
                if let Some(routes) = routes.get_mut(*entry_point) {
                    routes.push(route.clone());
                }
            }
        }
        let names = self
            .settings
            .entry_points
            .iter()
            .map(|entry_point| entry_point.name.clone());
        let entry_points = names.zip(routes).map(|(name, routes)| EntryPointRoutes {
            name,
            plain: Index::new(routes),
        });
        entry_points.collect()
    }

    fn uses(&self) -> Uses<'_> {
        let mut uses = Uses::default();
        for (route, _) in self.routers.routes() {
            for middleware in route.middlewares.iter() {
                uses.middlewares
                    .entry(&middleware.name)
                    .or_default()
                    .push(route.name.clone());
            }
            match &route.target {
                Target::Service(service) => uses.service(service, route),
                Target::Internal(_) => {
                    let name = route
                        .service
                        .as_deref()
                        .and_then(|service| service.split('@').next());
                    uses.internal
                        .entry(name.unwrap_or_default())
                        .or_default()
                        .push(route.name.clone());
                }
                Target::Unavailable { .. } => {}
            }
        }
        uses
    }

    fn runtime(&self, configuration: &Configuration, uses: &Uses<'_>) -> Runtime {
        let used = |by: Option<&Vec<QualifiedName>>| by.cloned().unwrap_or_default();
        let middlewares = self.middlewares.iter(&configuration.middlewares);
        let services = self.services.iter(&configuration.services);
        let mut services: BTreeMap<_, _> = services
            .map(|(name, mut info)| {
                info.used_by = used(uses.services.get(name));
                (name.clone(), Arc::new(info))
            })
            .collect();
        for name in self.settings.internal.keys() {
            let info = ServiceInfo::internal(used(uses.internal.get(name.as_str())));
            services.insert(services::internal_name(name), Arc::new(info));
        }
        Runtime {
            routers: self.routers.infos().collect(),
            services,
            middlewares: middlewares
                .map(|(name, info)| {
                    let used_by = used(uses.middlewares.get(name));
                    (name.clone(), Arc::new(MiddlewareInfo { used_by, ..info }))
                })
                .collect(),
            problems: configuration.problems.clone(),
        }
    }
}

impl<'r> Uses<'r> {
    fn service(&mut self, service: &'r service::Service, route: &Route) {
        let used_by = self.services.entry(&service.name).or_default();
        if used_by.last() != Some(&route.name) {
            used_by.push(route.name.clone());
        }
        match &service.kind {
            service::Kind::Balancer(balancer) => {
                if self.seen.insert(Arc::as_ptr(balancer)) {
                    self.balancers.push(balancer.clone());
                }
            }
            service::Kind::Weighted(weighted) => {
                for share in weighted.shares() {
                    self.service(&share.service, route);
                }
            }
        }
    }
}

/// The names of a reference chain that bites its own tail: `a@file → b@file → a@file`.
fn cycle(visiting: &[QualifiedName], again: &QualifiedName) -> String {
    let from = visiting.iter().skip_while(|name| *name != again);
    let names = from.chain([again]).map(ToString::to_string);
    names.collect::<Vec<_>>().join(" → ")
}

#[cfg(test)]
mod tests;

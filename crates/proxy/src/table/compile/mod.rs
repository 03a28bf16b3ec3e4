//! Makes routing tables from configurations.
//!
//! One stage for each kind of object, in the order in which they refer to each other. A stage remembers what it
//! made: an object whose definition and references did not change is taken over as it is, and an object that
//! broke goes on in the last version that was good.

mod composite;
mod demands;
mod difference;
mod log;
mod middlewares;
mod missing;
mod precedence;
mod routers;
mod services;
mod transports;

use std::sync::{Arc, OnceLock};

use mesh_config::{Configuration, QualifiedName, model::ServersTransport};
use tokio::runtime::Handle;

use self::{
    middlewares::Middlewares, missing::Missing, precedence::Precedence, routers::Routers, services::Services,
    transports::Transports,
};
use super::{EntryPointRoutes, RoutingTable, index::Index, route::InternalServices, runtime::Verdicts};

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
    /// The zone this process is in; empty where that is not known.
    pub zone: String,
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
    missing: Missing,
    transports: Transports,
    middlewares: Middlewares,
    services: Services,
    routers: Routers,
    /// Tables that may still be in use. The last to let go of a table pays for its destruction; that should be
    /// the compiler and never a worker.
    retired: Vec<Arc<RoutingTable>>,
}

impl Compiler {
    /// A compiler that has made no table yet.
    pub fn new(settings: CompilerSettings) -> Self {
        Self {
            precedence: Precedence::new(&settings.precedence),
            missing: Missing::default(),
            transports: Transports::new(settings.default_transport.clone()),
            middlewares: Middlewares::default(),
            services: Services::new(&settings.zone),
            routers: Routers::default(),
            retired: Vec::new(),
            settings,
        }
    }

    /// What objects need beside requests is done on `runtime` from now on. Without one nothing is fetched.
    pub fn work_on(&mut self, runtime: Handle) {
        self.middlewares.work_on(runtime);
    }

    /// Looks at the files of servers transports and of middlewares. True if a table is to be made of the same
    /// configuration once more.
    pub fn refresh(&mut self) -> bool {
        let transports = self.transports.refresh();
        self.middlewares.refresh() || transports
    }

    /// The table of `configuration`. Errors of objects are in its [`Runtime`](super::Runtime).
    pub fn compile(&mut self, configuration: &Configuration) -> Arc<RoutingTable> {
        self.free_unused();
        self.missing.update(&configuration.set_aside);
        self.transports.update(&configuration.servers_transports);
        self.middlewares.update(&configuration.middlewares, &self.missing);
        self.services.update(
            &configuration.services,
            &self.missing,
            &self.transports,
            &self.middlewares,
        );
        self.routers.update(
            &configuration.routers,
            &routers::Surroundings {
                settings: &self.settings,
                precedence: &self.precedence,
                missing: &self.missing,
                middlewares: &self.middlewares,
                services: &self.services,
            },
        );
        let table = Arc::new(RoutingTable {
            entry_points: self.entry_points(),
            verdicts: Verdicts {
                routers: self.routers.verdicts(),
                services: self.services.verdicts(),
                middlewares: self.middlewares.verdicts(),
                internal: self.settings.internal.keys().cloned().collect(),
                set_aside: configuration.set_aside.clone(),
                problems: configuration
                    .problems
                    .iter()
                    .cloned()
                    .chain(self.transports.problems())
                    .chain(self.middlewares.problems())
                    .collect(),
            },
            runtime: OnceLock::new(),
            caches: self.middlewares.background().caches(),
            fetches: self.middlewares.background().fetches(),
        });
        self.retired.push(table.clone());
        table
    }

    /// Frees the tables that nobody uses any more. Best called when a table has just been replaced.
    pub(crate) fn free_unused(&mut self) {
        self.retired.retain(|table| Arc::strong_count(table) > 1);
    }

    fn entry_points(&self) -> Vec<EntryPointRoutes> {
        let mut routes = vec![[Vec::new(), Vec::new()]; self.settings.entry_points.len()];
        for (route, entry_points) in self.routers.routes() {
            for entry_point in entry_points {
                if let Some([plain, secure]) = routes.get_mut(*entry_point) {
                    let routes = if route.secure { secure } else { plain };
                    routes.push(route.clone());
                }
            }
        }
        let names = self
            .settings
            .entry_points
            .iter()
            .map(|entry_point| entry_point.name.clone());
        let entry_points = names.zip(routes).map(|(name, [plain, secure])| EntryPointRoutes {
            name,
            plain: Index::new(plain),
            secure: Index::new(secure),
        });
        entry_points.collect()
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

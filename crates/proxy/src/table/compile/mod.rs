//! Makes routing tables from configurations.
//!
//! One stage for each kind of object, in the order in which they refer to each other. A stage remembers what it
//! made: an object whose definition and references did not change is taken over as it is, and an object that
//! broke goes on in the last version that was good.

mod composite;
mod demands;
mod difference;
mod handshakes;
mod log;
mod middlewares;
mod missing;
mod precedence;
mod routers;
mod services;
mod tls_options;
mod transports;

use std::sync::{Arc, OnceLock};

use mesh_config::{Configuration, Kind, QualifiedName, model::ServersTransport};
use mesh_tls::Tls;
use tokio::runtime::Handle;

use self::{
    handshakes::{Remarks, agree},
    log::tell,
    middlewares::Middlewares,
    missing::Missing,
    precedence::Precedence,
    routers::Routers,
    services::Services,
    tls_options::OptionSets,
    transports::Transports,
};
use super::{
    EntryPointRoutes, RoutingTable,
    index::Index,
    route::InternalServices,
    runtime::{RouterVerdict, Verdicts},
};

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
    /// What clients are shown in handshakes.
    pub tls: Tls,
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
    tls_options: OptionSets,
    middlewares: Middlewares,
    services: Services,
    routers: Routers,
    /// What was said of routers with the last table.
    remarks: Remarks,
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
            tls_options: OptionSets::new(settings.tls.clone()),
            middlewares: Middlewares::default(),
            services: Services::new(&settings.zone),
            routers: Routers::default(),
            remarks: Remarks::new(),
            retired: Vec::new(),
            settings,
        }
    }

    /// What objects need beside requests is done on `runtime` from now on. Without one nothing is fetched.
    pub fn work_on(&mut self, runtime: Handle) {
        self.middlewares.work_on(runtime);
    }

    /// Looks at the files of servers transports, of TLS options and of middlewares. True if a table is to be made of the same
    /// configuration once more.
    pub fn refresh(&mut self) -> bool {
        let transports = self.transports.refresh();
        let tls_options = self.tls_options.refresh();
        self.middlewares.refresh() || transports || tls_options
    }

    /// The table of `configuration`. Errors of objects are in its [`Runtime`](super::Runtime).
    pub fn compile(&mut self, configuration: &Configuration) -> Arc<RoutingTable> {
        self.free_unused();
        self.missing.update(&configuration.set_aside);
        self.transports.update(&configuration.servers_transports);
        self.tls_options
            .update(&configuration.tls_options, &self.missing, &self.precedence);
        self.middlewares.update(&configuration.middlewares, &self.missing);
        self.services.update(
            &configuration.services,
            &self.missing,
            &self.transports,
            &self.middlewares,
        );
        let surroundings = routers::Surroundings {
            settings: &self.settings,
            precedence: &self.precedence,
            missing: &self.missing,
            tls_options: &self.tls_options,
            middlewares: &self.middlewares,
            services: &self.services,
        };
        self.routers.update(&configuration.routers, &surroundings);
        self.routers.close(&configuration.closed, &surroundings);
        let (entry_points, remarks) = self.entry_points();
        let routers = self.remark(remarks);
        let idle_options = self.tls_options.idle(&entry_points, &routers);
        let table = Arc::new(RoutingTable {
            entry_points,
            verdicts: Verdicts {
                routers,
                services: self.services.verdicts(),
                middlewares: self.middlewares.verdicts(),
                tls_options: self.tls_options.verdicts(),
                idle_options,
                zone: self.settings.zone.as_str().into(),
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

    fn entry_points(&self) -> (Vec<EntryPointRoutes>, Remarks) {
        let mut routes = vec![[Vec::new(), Vec::new()]; self.settings.entry_points.len()];
        for (route, entry_points) in self.routers.routes() {
            for entry_point in entry_points {
                if let Some([plain, secure]) = routes.get_mut(*entry_point) {
                    let routes = if route.secure { secure } else { plain };
                    routes.push(route.clone());
                }
            }
        }
        let mut remarks = Remarks::new();
        let names = self
            .settings
            .entry_points
            .iter()
            .map(|entry_point| entry_point.name.clone());
        let entry_points = names
            .zip(routes)
            .map(|(name, [plain, mut secure])| EntryPointRoutes {
                handshakes: agree(&name, &mut secure, self.tls_options.default(), &mut remarks),
                name,
                plain: Index::new(plain),
                secure: Index::new(secure),
            });
        (entry_points.collect(), remarks)
    }

    /// The routers with what is said of them where they do not get the TLS options that they want.
    fn remark(&mut self, remarks: Remarks) -> Vec<Arc<RouterVerdict>> {
        let before = std::mem::replace(&mut self.remarks, remarks);
        let texts = |remarks: &Remarks, name: &QualifiedName| -> Vec<String> {
            let remarks = remarks.get(name).into_iter().flatten();
            remarks.map(|remark| remark.text.clone()).collect()
        };
        let mut verdicts = self.routers.verdicts();
        if before.is_empty() && self.remarks.is_empty() {
            return verdicts;
        }
        for verdict in &mut verdicts {
            let origin = &verdict.info.entry.origin;
            let (before, now) = (texts(&before, &verdict.name), texts(&self.remarks, &verdict.name));
            tell(Kind::Router, &verdict.name, origin, &before, &now);
            if let Some(remarks) = self.remarks.get(&verdict.name) {
                *verdict =
                    Arc::new(verdict.remarked(remarks.iter().map(|remark| (&*remark.text, remark.serves))));
            }
        }
        verdicts
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

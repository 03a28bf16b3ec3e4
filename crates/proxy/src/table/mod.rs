//! The routing table: which route a request takes.
//!
//! A table is immutable and complete: it holds everything a request needs, so that a request keeps the table
//! (or the route) it started with while newer ones take over. The [`Compiler`] makes tables from
//! configurations.

mod compile;
mod explain;
mod handshakes;
mod index;
mod keys;
mod matching;
mod request;
mod route;
mod routing_path;
mod runtime;

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

pub use compile::{Compiler, CompilerSettings, EntryPointInfo};
pub use explain::{
    Chosen, Explanation, NearMiss, NearMissReason, Refused, StepExplanation, TargetExplanation,
    TlsOptionsExplanation,
};
pub use request::{RequestView, canonical_host};
pub use route::{InternalService, InternalServices, Route, Target};
pub use routing_path::routing_path;
pub(crate) use routing_path::strip_routing_prefix;
pub use runtime::{MiddlewareInfo, RouterInfo, Runtime, ServiceInfo, Status, TlsOptionsInfo};

use self::{handshakes::Handshakes, index::Index, runtime::Verdicts};
use mesh_config::QualifiedName;
use mesh_tls::ServerOptions;

use crate::{
    middleware::{Caches, Fetches},
    service::Balancer,
};

/// Everything that routing knows at one moment.
#[derive(Debug)]
pub struct RoutingTable {
    entry_points: Vec<EntryPointRoutes>,
    verdicts: Verdicts,
    /// Made of the verdicts when somebody asks: a new table does not wait for it.
    runtime: OnceLock<Runtime>,
    caches: Arc<Caches>,
    fetches: Fetches,
}

/// The routes of one entrypoint.
#[derive(Debug)]
struct EntryPointRoutes {
    name: Arc<str>,
    /// For requests in the clear.
    plain: Index,
    /// For requests over TLS.
    secure: Index,
    /// Before these.
    handshakes: Handshakes,
}

impl EntryPointRoutes {
    /// The routes that see a request: a router with `tls` sees those over TLS, one without the others.
    fn index(&self, request: &RequestView<'_>) -> &Index {
        match request.secure {
            true => &self.secure,
            false => &self.plain,
        }
    }
}

impl RoutingTable {
    /// The route of the router called `name`. Slower than finding the one of a request.
    pub(crate) fn route_of(&self, name: &QualifiedName) -> Option<&Arc<Route>> {
        let routers = &self.verdicts.routers;
        let place = routers.binary_search_by(|router| router.name.cmp(name)).ok()?;
        routers.get(place)?.route.as_ref()
    }

    /// The route of a request that came in at the `entry_point`-th entrypoint of the compiler's settings.
    pub fn route(&self, entry_point: usize, request: &RequestView<'_>) -> Option<&Arc<Route>> {
        self.entry_points.get(entry_point)?.index(request).find(request)
    }

    /// What a handshake at the `entry_point`-th entrypoint is made by, with a client that asks for `name`, or for nobody at
    /// `address`; `None` when it gets nothing there.
    pub(crate) fn handshake(
        &self,
        entry_point: usize,
        name: Option<&str>,
        address: IpAddr,
    ) -> Option<&Arc<ServerOptions>> {
        self.entry_points.get(entry_point)?.handshakes.find(name, address)
    }

    /// True if some rule at the `entry_point`-th entrypoint looks for what is said of a client.
    pub(crate) fn asks_who_came(&self, entry_point: usize) -> bool {
        self.entry_points
            .get(entry_point)
            .is_some_and(|routes| routes.plain.asks_who_came() || routes.secure.asks_who_came())
    }

    /// What middlewares keep.
    pub fn caches(&self) -> &Caches {
        &self.caches
    }

    /// What middlewares fetch.
    pub fn fetches(&self) -> &Fetches {
        &self.fetches
    }

    /// State, errors and use of every object.
    pub fn runtime(&self) -> &Runtime {
        self.runtime.get_or_init(|| self.verdicts.runtime())
    }

    /// The balancers that routes use, once each; health checks follow these.
    pub(crate) fn balancers(&self) -> Vec<Arc<Balancer>> {
        self.verdicts.balancers()
    }
}

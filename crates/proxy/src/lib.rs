//! The data plane: compiles dynamic configuration to a routing table and serves requests by it.

#[cfg(test)]
mod fixture;
pub mod health;
pub mod middleware;
pub mod service;
pub mod settings;
pub mod table;

pub use health::HealthChecks;
pub use middleware::{Chain, Middleware, Step};
pub use service::{NoServer, Pick, Server, ServerId, ServerInfo, ServerState, Service, Standing};
pub use settings::ProxySettings;
pub use table::{
    Compiler, CompilerSettings, EntryPointInfo, Explanation, InternalService, InternalServices, RequestView,
    Route, RoutingTable, Runtime, Status, Target, canonical_host, routing_path,
};

//! The data plane: compiles dynamic configuration to a routing table and serves requests by it.

mod brief;
mod drain;
mod entrypoint;
mod exchange;
#[cfg(test)]
mod fixture;
mod forward;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod health;
mod http1;
mod local_tasks;
pub mod middleware;
mod outside;
mod patience;
mod proxy;
mod request;
mod respond;
mod running;
mod sanitize;
pub mod service;
#[cfg(test)]
mod serving;
pub mod settings;
pub mod table;
mod trial;
mod upstream;
mod worker;

pub use drain::Drained;
pub use entrypoint::{BindError, Inherited};
pub use health::HealthChecks;
pub use middleware::{
    CacheInfo, Caches, Chain, FetchInfo, Fetches, Middleware, Place, Purge, Selection, UnknownPlace,
};
pub use proxy::Proxy;
pub use running::{Publishing, Running};
pub use service::{
    Asking, Attempt, NoServer, Outcome, Pick, Server, ServerId, ServerInfo, ServerState, Service, Standing,
};
pub use settings::ProxySettings;
pub use table::{
    Compiler, CompilerSettings, EntryPointInfo, Explanation, InternalService, InternalServices, Refused,
    RequestView, Route, RoutingTable, Runtime, Status, Target, canonical_host, routing_path,
};
pub use upstream::Transport;

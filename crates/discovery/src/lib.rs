//! From what providers report to one configuration.
//!
//! Providers say what exists, the catalog remembers it with its age, and the merge of all of it is the
//! configuration that the proxy compiles. The law: an incomplete or conflicting view never removes a route.

pub mod catalog;
mod declare;
pub mod exposure;
pub mod provider;
pub mod retry;
mod runtime;
pub mod settings;
mod snapshot;
pub mod status;

pub use catalog::{Catalog, SETTLE};
pub use exposure::{Allow, Exposure, ExposureSettings};
pub use provider::{Content, Provider, ProviderError, Report, Scope};
pub use runtime::{Discovery, Registration, start};
pub use settings::DiscoverySettings;
pub use status::{ProviderStatus, ScopeState, ScopeStatus};

//! What people and machines can ask Mesh about itself: the API, ping and ready, metrics.
//!
//! Everything here reads, but for [purging](ApiSettings::cache_purge) caches. An answer is rendered on the control plane,
//! however large it is, and holds no secrets, whoever asks.

mod answer;
mod api;
mod certificates;
mod explain;
mod list;
mod objects;
mod overview;
mod ping;
mod providers;
mod purge;
mod query;
mod redact;
mod scrape;
mod service;
mod settings;
#[cfg(test)]
mod tests;
mod views;

pub use service::{Noop, services};
pub use settings::{ApiSettings, BasePath, BasePathError, PingSettings, Status};
pub use views::{Draining, Views};

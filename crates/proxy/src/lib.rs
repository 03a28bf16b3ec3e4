//! The data plane: routing table, entrypoints, workers, balancing, forwarding.

pub mod settings;

pub use settings::ProxySettings;

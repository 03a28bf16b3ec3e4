//! What the views look at.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use mesh_discovery::ProviderStatus;
use mesh_proxy::{EntryPointInfo, RoutingTable, settings::EntryPoint};
use mesh_telemetry::RequestTelemetry;
use mesh_tls::Shown;
use tokio::runtime::Handle;

use crate::settings::{ApiSettings, PingSettings};

/// The state of the process, as far as it is shown. Everything is read at the moment of a request.
#[derive(Clone)]
pub struct Views {
    /// The `api` block.
    pub api: ApiSettings,
    /// The `ping` block.
    pub ping: PingSettings,
    /// The version of Mesh.
    pub version: &'static str,
    /// When the process started.
    pub started: SystemTime,
    /// The entrypoints, in the order in which the routing table knows them.
    pub entry_points: Vec<(EntryPointInfo, EntryPoint)>,
    /// The routing table in use.
    pub table: Arc<dyn Fn() -> Arc<RoutingTable> + Send + Sync>,
    /// The certificates that clients are shown.
    pub certificates: Arc<dyn Fn() -> Arc<Vec<Shown>> + Send + Sync>,
    /// The freshness of every provider.
    pub providers: Arc<dyn Fn() -> Vec<ProviderStatus> + Send + Sync>,
    /// Metrics and access log, as far as they are on.
    pub telemetry: RequestTelemetry,
    /// Counts the lines that the application log lost.
    pub log_dropped: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Whether Mesh is stopping.
    pub draining: Draining,
    /// The control plane: views are rendered there, never on a worker.
    pub control: Handle,
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views")
            .field("version", &self.version)
            .field("draining", &self.draining)
            .finish_non_exhaustive()
    }
}

/// Says that Mesh is stopping; clones say the same.
#[derive(Debug, Clone, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// From now on `/ready` and `/ping` fail, so that whoever sends requests looks for another Mesh.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// True once it has begun.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

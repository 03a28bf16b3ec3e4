//! The data plane while it serves.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, thread::JoinHandle};

use arc_swap::ArcSwap;
use futures::future::join_all;
use mesh_config::Configuration;
use mesh_telemetry::metrics::Metrics;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    drain::Drained,
    health::HealthChecks,
    table::{Compiler, RoutingTable},
    worker::SharedEntry,
};

/// Workers that serve. Dropping it without [`drain`](Self::drain) ends them at once.
#[derive(Debug)]
pub struct Running {
    publishing: Publishing,
    addresses: BTreeMap<String, SocketAddr>,
    entries: Vec<SharedEntry>,
    workers: Vec<JoinHandle<()>>,
    end: DropGuard,
}

/// Puts configurations in use, while a [`Running`] drains as well. Clones do it for the same workers.
#[derive(Debug, Clone)]
pub struct Publishing {
    compiler: Arc<Mutex<Compiler>>,
    checks: Arc<Mutex<HealthChecks>>,
    table: Arc<ArcSwap<RoutingTable>>,
    metrics: Option<Arc<Metrics>>,
}

impl Publishing {
    /// Serves by `configuration` from now on. Compiles on the caller's thread; workers notice nothing but
    /// another pointer, and requests under way keep what they started with.
    pub fn publish(&self, configuration: &Configuration) {
        let mut compiler = self.compiler.lock();
        let table = compiler.compile(configuration);
        self.table.store(table.clone());
        self.in_use(&table);
        compiler.free_unused();
    }

    /// Looks at the files of servers transports, of TLS options and of middlewares. True if the configuration in use is
    /// to be published once more, because they changed. Unlike workers, the caller may have to wait for a disk.
    pub fn refresh(&self) -> bool {
        self.compiler.lock().refresh()
    }

    /// Probes the servers of `table`, which is in use from now on, and counts it.
    fn in_use(&self, table: &RoutingTable) {
        self.checks.lock().follow(table);
        if let Some(metrics) = &self.metrics {
            metrics.config_applied();
        }
    }
}

impl Running {
    pub(crate) fn new(
        compiler: Compiler,
        table: Arc<ArcSwap<RoutingTable>>,
        addresses: BTreeMap<String, SocketAddr>,
        entries: Vec<SharedEntry>,
        workers: Vec<JoinHandle<()>>,
        end: CancellationToken,
        metrics: Option<Arc<Metrics>>,
    ) -> Self {
        let publishing = Publishing {
            compiler: Arc::new(Mutex::new(compiler)),
            checks: Arc::new(Mutex::new(HealthChecks::new(Handle::current()))),
            table,
            metrics,
        };
        publishing.in_use(&publishing.table.load());
        Self {
            publishing,
            addresses,
            entries,
            workers,
            end: end.drop_guard(),
        }
    }

    /// Serves by `configuration` from now on, as [`Publishing::publish`] does.
    pub fn publish(&self, configuration: &Configuration) {
        self.publishing.publish(configuration);
    }

    /// Puts configurations in use, whatever becomes of `self`.
    pub fn publishing(&self) -> Publishing {
        self.publishing.clone()
    }

    /// The table in force.
    pub fn table(&self) -> Arc<RoutingTable> {
        self.publishing.table.load_full()
    }

    /// The same for those who look at it again and again, whatever becomes of `self`.
    pub fn table_source(&self) -> impl Fn() -> Arc<RoutingTable> + Send + Sync + 'static {
        let table = self.publishing.table.clone();
        move || table.load_full()
    }

    /// Where each entrypoint listens.
    pub fn addresses(&self) -> BTreeMap<String, SocketAddr> {
        self.addresses.clone()
    }

    /// Ends serving: listeners close after `requestAcceptGraceTimeout`, work under way ends
    /// within `graceTimeOut` or is cut.
    pub async fn drain(self) -> Drained {
        let drains = self.entries.iter().map(|entry| async {
            let drained = entry.stop.drain(&entry.settings.transport.life_cycle).await;
            tracing::info!(entry_point = %entry.name, ?drained, "entrypoint closed");
            drained
        });
        let drained = join_all(drains)
            .await
            .into_iter()
            .fold(Drained::Clean, Drained::and);
        drop(self.end);
        let workers = self.workers;
        let joined = tokio::task::spawn_blocking(move || {
            workers
                .into_iter()
                .filter_map(|worker| worker.join().err())
                .count()
        });
        if !matches!(joined.await, Ok(0)) {
            tracing::error!("a worker ended by a panic");
        }
        drained
    }
}

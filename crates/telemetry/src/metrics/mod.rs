//! Counts and durations of requests, and their text for Prometheus.
//!
//! Every worker records into a [`Shard`] of its own, once per request, under the labels of all families at
//! once; the families are summed when somebody asks. That is why the text is written here and not by a
//! library: a client library would want one live metric per family and label set, shared by all workers.

mod entry_point;
mod gauges;
mod label;
mod middlewares;
mod observation;
mod process;
mod render;
mod settings;
mod shard;
mod text;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;

pub use entry_point::{EntryPointCounts, Fault, OpenConnection, Refusal};
pub use gauges::{
    CacheGauge, CertificateGauge, FetchGauge, Gauges, Live, MirrorGauge, ProviderGauge, RetryGauge,
    ScopeGauge, ServerGauge,
};
pub use label::Label;
pub use middlewares::{Outcome, Outcomes};
pub use observation::{GrpcStatus, Observation, Protocol};
pub use settings::{Buckets, BucketsError, MetricsSettings, PrometheusSettings};
pub use shard::Shard;

/// The families on offer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Families {
    entry_points: bool,
    routers: bool,
    services: bool,
}

impl Default for Families {
    fn default() -> Self {
        Self {
            entry_points: true,
            routers: true,
            services: true,
        }
    }
}

/// All numbers of this process.
#[derive(Debug)]
pub struct Metrics {
    families: Families,
    add_internals: bool,
    bounds: Vec<f64>,
    bounds_nanos: Arc<[u64]>,
    max_series: usize,
    shards: Mutex<Vec<Shard>>,
    reloads: AtomicU64,
    last_reload_millis: AtomicU64,
}

impl Metrics {
    /// Metrics as `settings` ask for; `None` when they ask for none.
    pub fn new(settings: &MetricsSettings) -> Option<Arc<Self>> {
        let prometheus = settings.prometheus.as_ref()?;
        let bounds = prometheus.buckets.bounds().to_vec();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounds are positive; the cast saturates"
        )]
        let bounds_nanos = bounds.iter().map(|seconds| (seconds * 1e9) as u64).collect();
        Some(Arc::new(Self {
            families: Families {
                entry_points: prometheus.add_entry_points_labels,
                routers: prometheus.add_routers_labels,
                services: prometheus.add_services_labels,
            },
            add_internals: settings.add_internals,
            bounds,
            bounds_nanos,
            max_series: prometheus.max_series,
            shards: Mutex::new(Vec::new()),
            reloads: AtomicU64::new(0),
            last_reload_millis: AtomicU64::new(0),
        }))
    }

    /// The numbers of one more worker. Ask once per worker: its numbers are kept to the end of the process.
    pub fn shard(&self) -> Shard {
        let shard = Shard::new(
            self.families,
            self.add_internals,
            self.bounds_nanos.clone(),
            self.max_series,
        );
        self.shards.lock().push(shard.clone());
        shard
    }

    /// Counts a configuration that was put in use just now.
    pub fn config_applied(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.reloads.fetch_add(1, Ordering::Relaxed);
        self.last_reload_millis.store(millis, Ordering::Relaxed);
    }

    /// Everything in the Prometheus text format 0.0.4, beside the `gauges` of the moment.
    ///
    /// Series of routers and services that `gauges` no longer lists are in this text for the last time.
    pub fn render(&self, gauges: &Gauges) -> String {
        render::render(self, gauges)
    }
}

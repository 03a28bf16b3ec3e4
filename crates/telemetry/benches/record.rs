//! What one request costs in metrics; the aim is less than 60 ns.

use std::time::Duration;

use divan::{Bencher, black_box, counter::ItemsCount};
use http::Method;
use mesh_telemetry::metrics::{Label, Metrics, MetricsSettings, Observation, PrometheusSettings, Protocol};

/// Requests per measurement: one alone is shorter than a clock can tell.
const BATCH: usize = 10_000;

fn main() {
    divan::main();
}

/// Requests to `routers` routers in turn.
#[divan::bench(args = [1, 100, 10_000])]
fn record(bencher: Bencher<'_, '_>, routers: usize) {
    let settings = MetricsSettings {
        prometheus: Some(PrometheusSettings::default()),
        ..MetricsSettings::default()
    };
    let Some(metrics) = Metrics::new(&settings) else {
        return;
    };
    let shard = metrics.shard();
    let entry_point = Label::from("websecure");
    let names: Vec<(Label, Label)> = (0..routers)
        .map(|n| {
            (
                Label::from(format!("shop-{n}@consulcatalog")),
                Label::from(format!("shop-{n}@consulcatalog")),
            )
        })
        .collect();
    let mut turn = names.iter().cycle();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for (router, service) in turn.by_ref().take(BATCH) {
            shard.record(&Observation {
                entry_point: &entry_point,
                router: Some(router),
                service: Some(service),
                code: 200,
                method: &Method::GET,
                protocol: Protocol::Http,
                duration: black_box(Duration::from_micros(150)),
                request_bytes: 0,
                response_bytes: 100,
                retries: 0,
                internal: false,
            });
        }
    });
}

//! `/metrics`: the numbers, and the state of the moment beside them.

use std::collections::BTreeSet;

use http::{Request, StatusCode};
use mesh_proxy::{
    RoutingTable, Runtime,
    service::{CopyOutcome, Kind},
};
use mesh_telemetry::metrics::{CacheGauge, FetchGauge, Gauges, Live, MirrorGauge, RetryGauge, ServerGauge};

use crate::{
    answer::{self, Answer},
    certificates,
    objects::ServiceView,
    providers,
    views::Views,
};

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers one scrape.
pub(crate) fn answer(views: &Views, request: &Request<()>) -> Answer {
    if let Err(refused) = answer::refuse_writing(request.method()) {
        return *refused;
    }
    let Some(metrics) = &views.telemetry.metrics else {
        return answer::text(StatusCode::NOT_FOUND, "metrics are off\n");
    };
    let table = (views.table)();
    let gauges = Gauges {
        servers: servers(table.runtime()),
        mirrors: mirrors(table.runtime()),
        retries: retries(table.runtime()),
        caches: caches(&table),
        fetches: fetches(&table),
        providers: providers::gauges((views.providers)()),
        certificates: certificates::gauges(&(views.certificates)()),
        live: Some(live(table.runtime())),
        access_log_dropped: views.telemetry.access_log.as_ref().map(|log| log.dropped()),
        log_dropped: (views.log_dropped)(),
    };
    answer::with(StatusCode::OK, PROMETHEUS, metrics.render(&gauges))
}

fn live(runtime: &Runtime) -> Live {
    Live {
        routers: runtime.routers.keys().map(ToString::to_string).collect(),
        services: runtime.services.keys().map(ToString::to_string).collect(),
        middlewares: runtime.middlewares.keys().map(ToString::to_string).collect(),
    }
}

fn caches(table: &RoutingTable) -> Vec<CacheGauge> {
    let caches = table.caches().list().into_iter();
    let caches = caches.map(|cache| CacheGauge {
        middleware: cache.middleware,
        owner: cache.owner,
        entries: cache.entries,
        bytes: cache.bytes,
    });
    caches.collect()
}

fn fetches(table: &RoutingTable) -> Vec<FetchGauge> {
    let fetches = table.fetches().list().into_iter();
    let fetches = fetches.map(|fetch| FetchGauge {
        url: fetch.url,
        fetches: fetch.fetches,
        failures: fetch.failures,
    });
    fetches.collect()
}

/// The servers of services that have their own; those of weighted services are among them.
fn servers(runtime: &Runtime) -> Vec<ServerGauge> {
    let mut gauges = Vec::new();
    for (name, info) in &runtime.services {
        if ServiceView(name, info).has_servers() {
            let service = name.to_string();
            gauges.extend(info.servers().into_iter().map(|server| ServerGauge {
                service: service.clone(),
                up: server.status == "UP",
                ejections: server.ejections,
                url: server.url,
            }));
        }
    }
    gauges
}

/// Retries that were one too many, of all services.
fn retries(runtime: &Runtime) -> Vec<RetryGauge> {
    let services = runtime.services.values().filter_map(|info| info.service.as_ref());
    let refused = services.filter_map(|service| {
        Some(RetryGauge {
            service: service.label.to_string(),
            refused: service.refused_retries()?,
        })
    });
    refused.collect()
}

/// The mirrors of all services.
fn mirrors(runtime: &Runtime) -> Vec<MirrorGauge> {
    let mut gauges = Vec::new();
    let services = runtime.services.values().filter_map(|info| info.service.as_ref());
    for service in services {
        let Kind::Mirroring(mirroring) = &service.kind else {
            continue;
        };
        let mut seen = BTreeSet::new();
        for mirror in mirroring.mirrors() {
            // One that is named twice counts in one place.
            if !seen.insert(&mirror.service.label) {
                continue;
            }
            gauges.extend(CopyOutcome::ALL.map(|outcome| MirrorGauge {
                service: service.label.to_string(),
                mirror: mirror.service.label.to_string(),
                outcome: outcome.as_str(),
                count: mirror.counts.of(outcome),
            }));
        }
    }
    gauges
}

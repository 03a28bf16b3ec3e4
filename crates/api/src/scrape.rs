//! `/metrics`: the numbers, and the state of the moment beside them.

use http::{Request, StatusCode};
use mesh_proxy::Runtime;
use mesh_telemetry::metrics::{Gauges, Live, ServerGauge};

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
    }
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

//! Everything in numbers, and everything at once.

use std::time::SystemTime;

use mesh_proxy::{Runtime, Status};
use serde_json::{Map, Value, json};

use crate::{certificates, list::Listed, objects, providers, views::Views};

/// `/api/overview`
pub(crate) fn overview(views: &Views) -> Value {
    let table = (views.table)();
    let runtime = table.runtime();
    let names: Vec<_> = (views.providers)()
        .iter()
        .map(|provider| providers::kind(provider).to_owned())
        .collect();
    let shown = (views.certificates)();
    let problems = runtime.problems.iter().map(ToString::to_string);
    let metrics = views.telemetry.metrics.as_ref().map_or("", |_| "Prometheus");
    json!({
        "http": {
            "routers": totals(&objects::routers(runtime)),
            "services": totals(&objects::services(runtime)),
            "middlewares": totals(&objects::middlewares(runtime)),
        },
        "tls": {"options": totals(&objects::tls_options(runtime))},
        "certificates": totals(&certificates::all(&shown, runtime, SystemTime::now())),
        "problems": problems.chain(certificates::problems(&shown)).collect::<Vec<_>>(),
        "features": {
            "tracing": "",
            "metrics": metrics,
            "accessLog": views.telemetry.access_log.is_some(),
        },
        "providers": names,
    })
}

fn totals(objects: &[Box<dyn Listed + '_>]) -> Value {
    let count = |status| objects.iter().filter(|object| object.status() == status).count();
    json!({"total": objects.len(), "warnings": count(Status::Warning), "errors": count(Status::Disabled)})
}

/// `/api/rawdata`
pub(crate) fn rawdata(runtime: &Runtime) -> Value {
    json!({
        "routers": by_name(&objects::routers(runtime)),
        "services": by_name(&objects::services(runtime)),
        "middlewares": by_name(&objects::middlewares(runtime)),
    })
}

fn by_name(objects: &[Box<dyn Listed + '_>]) -> Map<String, Value> {
    objects
        .iter()
        .map(|object| (object.name().to_string(), object.render()))
        .collect()
}

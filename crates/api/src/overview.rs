//! Everything in numbers, and everything at once.

use mesh_proxy::{Runtime, Status};
use serde_json::{Map, Value, json};

use crate::{
    list::Listed,
    objects::{MiddlewareView, RouterView, ServiceView},
    providers,
    views::Views,
};

/// `/api/overview`
pub(crate) fn overview(views: &Views) -> Value {
    let table = (views.table)();
    let runtime = table.runtime();
    let names: Vec<_> = (views.providers)()
        .iter()
        .map(|provider| providers::kind(provider).to_owned())
        .collect();
    let metrics = views.telemetry.metrics.as_ref().map_or("", |_| "Prometheus");
    json!({
        "http": {
            "routers": totals(runtime.routers.values().map(|info| info.status)),
            "services": totals(runtime.services.values().map(|info| info.status)),
            "middlewares": totals(runtime.middlewares.values().map(|info| info.status)),
        },
        "problems": runtime.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "features": {
            "tracing": "",
            "metrics": metrics,
            "accessLog": views.telemetry.access_log.is_some(),
        },
        "providers": names,
    })
}

fn totals(statuses: impl Iterator<Item = Status>) -> Value {
    let (mut total, mut warnings, mut errors) = (0_usize, 0_usize, 0_usize);
    for status in statuses {
        total += 1;
        warnings += usize::from(status == Status::Warning);
        errors += usize::from(status == Status::Disabled);
    }
    json!({"total": total, "warnings": warnings, "errors": errors})
}

/// `/api/rawdata`
pub(crate) fn rawdata(runtime: &Runtime) -> Value {
    json!({
        "routers": by_name(runtime.routers.iter().map(|(name, info)| RouterView(name, info))),
        "services": by_name(runtime.services.iter().map(|(name, info)| ServiceView(name, info))),
        "middlewares": by_name(runtime.middlewares.iter().map(|(name, info)| MiddlewareView(name, info))),
    })
}

fn by_name<T: Listed>(objects: impl Iterator<Item = T>) -> Map<String, Value> {
    objects
        .map(|object| (object.name().to_string(), object.render()))
        .collect()
}

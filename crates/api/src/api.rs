//! The API: views of what Mesh knows, as JSON.

use std::time::SystemTime;

use http::{Request, StatusCode};
use mesh_telemetry::timestamp::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::{
    answer::{self, Answer},
    certificates, explain,
    list::{self, Listed},
    objects, overview, providers, purge,
    query::Query,
    views::Views,
};

/// Answers one request.
pub(crate) fn answer(views: &Views, request: &Request<()>) -> Answer {
    let path = request.uri().path();
    let within = path.strip_prefix(views.api.base_path.as_str());
    let within = within.and_then(|path| path.strip_prefix("/api/"));
    let query = Query::parse(request.uri().query());
    if views.api.cache_purge && within.is_some_and(|path| path.trim_end_matches('/') == "cache") {
        return purge::purge(views, request, &query);
    }
    if let Err(refused) = answer::refuse_writing(request.method()) {
        return *refused;
    }
    let Some(path) = within else {
        return unknown_path(path);
    };
    match path.trim_end_matches('/') {
        "overview" => ok(overview::overview(views)),
        "rawdata" => ok(overview::rawdata((views.table)().runtime())),
        "version" => ok(version(views)),
        "providers" => ok(providers::list(&(views.providers)(), SystemTime::now())),
        "certificates" => certificates(views, None, &query),
        "explain" => explain::explain(views, &query),
        "entrypoints" => ok(views
            .entry_points
            .iter()
            .filter_map(|(info, _)| entry_point(views, &info.name))
            .collect()),
        other => match other.split_once('/') {
            Some(("entrypoints", id)) => one(id, "entrypoint", |name| entry_point(views, name)),
            Some(("certificates", id)) => certificates(views, Some(id), &query),
            Some(("http", objects)) => http(views, objects, &query),
            Some(("tls", objects)) => tls(views, objects, &query),
            Some(_) | None => unknown_path(path),
        },
    }
}

/// `/api/http/…`
fn http(views: &Views, path: &str, query: &Query) -> Answer {
    let table = (views.table)();
    let runtime = table.runtime();
    let (kind, id) = path
        .split_once('/')
        .map_or((path, None), |(kind, id)| (kind, Some(id)));
    match kind {
        "routers" => page_or_one("router", objects::routers(runtime), id, query),
        "services" => page_or_one("service", objects::services(runtime), id, query),
        "middlewares" => page_or_one("middleware", objects::middlewares(runtime), id, query),
        _ => unknown_path(path),
    }
}

/// `/api/tls/options`, or those called as the rest of it.
fn tls(views: &Views, path: &str, query: &Query) -> Answer {
    let table = (views.table)();
    let (kind, id) = path
        .split_once('/')
        .map_or((path, None), |(kind, id)| (kind, Some(id)));
    match kind {
        "options" => page_or_one("tls.options", objects::tls_options(table.runtime()), id, query),
        _ => unknown_path(path),
    }
}

/// `/api/certificates`, or the one called `id`.
fn certificates(views: &Views, id: Option<&str>, query: &Query) -> Answer {
    let (shown, table) = ((views.certificates)(), (views.table)());
    let all = certificates::all(&shown, table.runtime(), SystemTime::now());
    match id {
        None => list::page(all, query),
        Some(id) => one(id, "certificate", |name| certificates::one(&all, name)),
    }
}

/// One page of `all`, or the one called `id`.
fn page_or_one(kind: &str, all: Vec<Box<dyn Listed + '_>>, id: Option<&str>, query: &Query) -> Answer {
    let Some(id) = id else {
        return list::page(all, query);
    };
    one(id, kind, |wanted| {
        let (name, provider) = wanted.rsplit_once('@')?;
        let found = all.iter().find(|object| {
            let known = object.name();
            *known.name == *name && known.provider.as_str() == provider
        });
        found.map(|object| object.render())
    })
}

/// What `find` finds by the name that `id` stands for.
fn one(id: &str, kind: &str, find: impl FnOnce(&str) -> Option<Value>) -> Answer {
    let Ok(name) = percent_decode_str(id).decode_utf8() else {
        return answer::message(
            StatusCode::BAD_REQUEST,
            format!("{id:?} is not the name of a {kind}"),
        );
    };
    match find(&name) {
        Some(object) => ok(object),
        None => answer::message(StatusCode::NOT_FOUND, format!("{kind} not found: {name}")),
    }
}

fn entry_point(views: &Views, name: &str) -> Option<Value> {
    let (_, settings) = views.entry_points.iter().find(|(info, _)| &*info.name == name)?;
    let mut object = serde_json::to_value(settings).ok()?;
    object.as_object_mut()?.insert("name".to_owned(), name.into());
    Some(object)
}

fn version(views: &Views) -> Value {
    json!({
        "Version": views.version,
        "startDate": Timestamp::of(views.started).rfc3339(),
    })
}

fn ok(body: Value) -> Answer {
    answer::json(StatusCode::OK, body)
}

fn unknown_path(path: &str) -> Answer {
    answer::message(StatusCode::NOT_FOUND, format!("nothing is at {path}"))
}

//! `mesh explain`: which router gets a request, and why.
//!
//! The answer is that of the API, of a running Mesh or of one that is put together from files for the question.

mod text;

use std::{fmt::Write as _, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use mesh_api::{Draining, Views};
use mesh_telemetry::RequestTelemetry;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::runtime::Handle;

use crate::{
    cli::ExplainArguments,
    exit::Exit,
    http_client,
    offline::{Offline, missing},
    report,
    settings::Plan,
};

/// Explains by what a running Mesh serves.
pub(crate) async fn live(arguments: &ExplainArguments, api: &str) -> Exit {
    let url = format!("{}/api/explain?{}", api.trim_end_matches('/'), query(arguments));
    match http_client::send(Method::GET, &url).await {
        Ok(response) => tell(&response, arguments),
        Err(error) => {
            report::line(&format!("mesh: {error}"));
            Exit::Failure
        }
    }
}

/// Explains by what `plan` and files would serve.
pub(crate) async fn offline(arguments: &ExplainArguments, plan: &Plan) -> Exit {
    let missing = missing(plan, &arguments.files);
    if !missing.is_empty() {
        report::problems("error", &missing);
        return Exit::Configuration;
    }
    let offline = match Offline::read(plan, &arguments.files).await {
        Ok(offline) => offline,
        Err(problems) => {
            report::problems("error", &problems);
            return Exit::Configuration;
        }
    };
    let unusable = offline.unreadable.iter().chain(offline.configuration.unusable());
    report::problems("warning", &unusable.cloned().collect::<Vec<_>>());
    match ask(arguments, plan, offline).await {
        Some(response) => tell(&response, arguments),
        None => Exit::Failure,
    }
}

/// The API's own answer, without a socket.
async fn ask(arguments: &ExplainArguments, plan: &Plan, offline: Offline) -> Option<Response<Bytes>> {
    let views = Views {
        api: mesh_api::ApiSettings::default(),
        ping: mesh_api::PingSettings::default(),
        version: env!("CARGO_PKG_VERSION"),
        started: SystemTime::now(),
        entry_points: plan.served(),
        table: Arc::new(move || offline.table.clone()),
        certificates: Arc::new(Arc::default),
        providers: Arc::new(Vec::new),
        telemetry: RequestTelemetry::default(),
        log_dropped: Arc::new(|| 0),
        draining: Draining::default(),
        control: Handle::current(),
    };
    let services = mesh_api::services(views);
    let request = Request::get(format!("/api/explain?{}", query(arguments)))
        .body(())
        .ok()?;
    Some(services.get("api")?.call(request).await)
}

fn query(arguments: &ExplainArguments) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut query = format!(
        "method={}&url={}",
        encode(&arguments.method),
        encode(&arguments.url)
    );
    let _ = write!(query, "&client={}", encode(&arguments.client.to_string()));
    for header in &arguments.headers {
        // Both spellings are natural on a command line; the one that comes first separates.
        let line = match header.find([':', '=']).and_then(|at| header.split_at_checked(at)) {
            Some((name, value)) => format!("{name}: {}", value.trim_start_matches([':', '=']).trim()),
            None => header.clone(),
        };
        let _ = write!(query, "&header={}", encode(&line));
    }
    if let Some(name) = &arguments.entry_point {
        let _ = write!(query, "&entryPoint={}", encode(name));
    }
    query
}

fn tell(response: &Response<Bytes>, arguments: &ExplainArguments) -> Exit {
    let body: Value = match serde_json::from_slice(response.body()) {
        Ok(body) if response.status() == StatusCode::OK => body,
        Ok(body) => {
            let message = body
                .get("message")
                .and_then(Value::as_str)
                .unwrap_or("it gives no reason");
            report::line(&format!("mesh: {message}"));
            return if response.status().is_client_error() {
                Exit::Configuration
            } else {
                Exit::Failure
            };
        }
        Err(_) => {
            let status = response.status();
            report::line(&format!(
                "mesh: the answer ({status}) is not that of a Mesh API; is api on there?"
            ));
            return Exit::Failure;
        }
    };
    report::output(&match arguments.json {
        true => format!("{body:#}\n"),
        false => text::render(&arguments.method, &arguments.url, &body),
    });
    if body.get("refused").is_some() {
        return Exit::Failure;
    }
    match body.get("chosen") {
        None | Some(Value::Null) => Exit::Failure,
        Some(_) => Exit::Clean,
    }
}

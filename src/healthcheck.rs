//! `mesh healthcheck`: asks the Mesh that runs with the same settings whether it is alive.

use http::{Method, StatusCode};

use crate::{exit::Exit, http_client, report, settings::Plan};

/// Asks `/ping` of the entrypoint that serves it.
pub(crate) async fn healthcheck(plan: &Plan) -> Exit {
    let Some(ping) = &plan.settings.ping else {
        report::line("mesh: ping is off: set `ping: {}` or --ping");
        return Exit::Failure;
    };
    let Some(entry_point) = plan.settings.entry_points.get(&ping.entry_point) else {
        report::line(&format!(
            "mesh: ping.entryPoint: there is no entrypoint {}",
            ping.entry_point
        ));
        return Exit::Failure;
    };
    let address = &entry_point.address;
    let host = match address.host.as_str() {
        "" | "0.0.0.0" => "127.0.0.1".to_owned(),
        "::" => "[::1]".to_owned(),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    let url = format!("http://{host}:{}/ping", address.port);
    match http_client::send(Method::HEAD, &url).await {
        Ok(response) if response.status() == StatusCode::OK => {
            report::output(&format!("OK: {url}\n"));
            Exit::Clean
        }
        Ok(response) => {
            report::line(&format!("mesh: {url} answered {}", response.status()));
            Exit::Failure
        }
        Err(error) => {
            report::line(&format!("mesh: {error}"));
            Exit::Failure
        }
    }
}

//! `mesh demo`: a router, its API and two servers to play with, in one process.
//!
//! An ordinary run: the servers reach the routing table through a [provider](provider::DemoProvider), their health
//! through health checks. Only the static settings and the servers themselves are made up here.

mod control;
mod gateway;
mod provider;
mod server;

use std::{net::SocketAddr, sync::Arc};

use mesh_config::{Origin, Problem};
use mesh_discovery::Registration;

use self::{control::Control, gateway::Gateway, provider::DemoProvider, server::Servers};
use crate::{
    cli::DemoArguments,
    exit::Exit,
    report,
    run::Router,
    settings::{Flags, Plan, Sources, load},
};

/// Runs the demo until a signal ends it.
pub(crate) fn demo(arguments: &DemoArguments, flags: Flags) -> Exit {
    match assemble(arguments, flags) {
        Ok(router) => router.run(),
        Err(problems) => {
            report::problems("error", &problems);
            Exit::Configuration
        }
    }
}

fn assemble(arguments: &DemoArguments, mut flags: Flags) -> Result<Router, Vec<Problem>> {
    for (path, value) in settings(arguments) {
        if !flags
            .pairs
            .iter()
            .any(|(written, ..)| written.eq_ignore_ascii_case(path))
        {
            flags
                .pairs
                .push((path.to_owned(), value, Origin::new("mesh demo")));
        }
    }
    let plan = Plan::new(load(Sources {
        flags,
        ..Sources::default()
    })?)?;
    let failed = |why: String| vec![Problem::new(Origin::new("mesh demo"), "", why)];
    let servers = Servers::bind().map_err(|error| failed(format!("cannot start a server: {error}")))?;
    let servers = Arc::new(servers);
    let gateway = match arguments.gateway {
        true => Some(Gateway::new().map_err(failed)?),
        false => None,
    };
    let more = gateway.as_ref().map(|gateway| gateway.fragment.clone());
    let mut router = Router::new(plan)?;
    router.providers.registrations.push(Registration {
        provider: Arc::new(DemoProvider::new(servers.clone(), more.unwrap_or_default())),
        required: true,
        exposure: None,
    });
    router
        .services
        .insert("demo".to_owned(), Arc::new(Control::new(servers)));
    router.on_listening = Box::new(move |running| {
        let addresses = running.addresses();
        let port = |name: &str| addresses.get(name).map_or(0, SocketAddr::port);
        let (proxy, api) = (
            format!("127.0.0.1:{}", port("web")),
            format!("127.0.0.1:{}", port("mesh")),
        );
        report::output(&match &gateway {
            Some(gateway) => gateway.introduction(&proxy, &api),
            None => introduction(&proxy, &api),
        });
    });
    Ok(router)
}

/// What a demo is run with, unless flags say otherwise. It reads no file and leaves none behind.
fn settings(arguments: &DemoArguments) -> [(&'static str, String); 8] {
    let text = |text: &str| text.to_owned();
    [
        ("entryPoints.web.address", format!(":{}", arguments.port)),
        ("entryPoints.web.http.reasonHeader", text("true")),
        (
            "entryPoints.mesh.address",
            format!("127.0.0.1:{}", arguments.api_port),
        ),
        ("api.insecure", text("true")),
        ("ping", text("true")),
        ("metrics.prometheus", text("true")),
        ("snapshot.enabled", text("false")),
        ("log.level", text("WARN")),
    ]
}

fn introduction(proxy: &str, api: &str) -> String {
    format!(
        "\
Mesh runs: the proxy on http://{proxy}, its API on http://{api}, and behind the proxy two servers, a and b.
Ctrl-C ends it. Things to try in another terminal:

  # a and b answer in turn
  for i in 1 2 3 4; do curl -s http://{proxy}/ | head -n 1; done

  # give a three requests out of four
  curl -X POST 'http://{api}/demo/servers/a?weight=3'

  # let b fail its health check, and see it left out within a second; then mend it
  curl -X POST 'http://{api}/demo/servers/b?health=down'
  curl -X POST 'http://{api}/demo/servers/b?health=up'

  # let both fail: 503 with a reason, never 404
  curl -X POST 'http://{api}/demo/servers/a?health=down' 'http://{api}/demo/servers/b?health=down'
  curl -i http://{proxy}/

  # why a request goes where it goes, and how fresh is what Mesh knows
  curl 'http://{api}/api/explain?url=http://{proxy}/'
  curl http://{api}/api/http/services/whoami@demo
  curl http://{api}/api/providers
  curl http://{api}/metrics
"
    )
}

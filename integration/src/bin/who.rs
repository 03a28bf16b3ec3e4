//! A server for the tasks of an orchestrator: says who it is, as its environment tells.

use std::{env, time::Duration};

use mesh_integration::Backend;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::expect_used, reason = "a failing helper is a failing test")]
async fn main() {
    // The first process of a container ends by no signal that it does not ask for.
    let mut end = signal(SignalKind::terminate()).expect("signals");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    // Being registered is not listening.
    let delay = variable("WHO_DELAY").parse().unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(delay)).await;
    let of_nomad = || format!("{}:{}", variable("NOMAD_IP_http"), variable("NOMAD_PORT_http"));
    let address = env::var("WHO_ADDRESS").unwrap_or_else(|_| of_nomad());
    let name = match env::var("NOMAD_ALLOC_INDEX") {
        Ok(index) => format!("{}-{index}", variable("WHO")),
        Err(_) => variable("WHO"),
    };
    let _backend = Backend::at(&address, name).await;
    end.recv().await;
}

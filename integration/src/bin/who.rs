//! A server for the tasks of an orchestrator: says who it is, as its environment tells.

use std::{env, future, time::Duration};

use mesh_integration::Backend;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let variable = |name: &str| env::var(name).unwrap_or_default();
    // Being registered is not listening.
    let delay = variable("WHO_DELAY").parse().unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(delay)).await;
    let address = format!("{}:{}", variable("NOMAD_IP_http"), variable("NOMAD_PORT_http"));
    let name = format!("{}-{}", variable("WHO"), variable("NOMAD_ALLOC_INDEX"));
    let _backend = Backend::at(&address, name).await;
    future::pending().await
}

//! How long an isolated change takes from Consul's answer to the first routed request.

use std::{
    env,
    time::{Duration, Instant},
};

use mesh_integration::{Backend, Consul, Mesh, Times, until};

use crate::consul_at;

/// Apart enough for each to be isolated.
const APART: Duration = Duration::from_millis(1100);

/// `MESH_CHANGES=200` for the figures of the manual, on a machine that does nothing else.
fn measured() -> Option<usize> {
    env::var("MESH_CHANGES").ok()?.parse().ok()
}

#[tokio::test]
async fn an_isolated_change_reaches_routing_in_a_tenth_of_a_second() {
    let Some(consul) = Consul::start().await else {
        return;
    };
    let times = measure(&consul, &consul_at(&consul.address())).await;
    assert!(times.at(0.5) <= Duration::from_millis(100), "{times:?}");
    // Beside other tests a single change may have to wait for the processor.
    assert!(
        measured().is_none() || times.at(1.0) <= Duration::from_millis(200),
        "{times:?}"
    );
}

#[tokio::test]
async fn a_change_among_more_services_than_watches_reaches_routing_in_two_tenths_of_a_second() {
    let Some(consul) = Consul::start().await else {
        return;
    };
    let (services, watches) = if measured().is_some() {
        (230, 150)
    } else {
        (40, 20)
    };
    for number in 0..services {
        let name = format!("other-{number}");
        consul.register(&name, &name, 9, &[]).await;
    }
    let settings = format!(
        "  consulCatalog: {{endpoint: {{address: '{}'}}, maxWatches: {watches}}}\n",
        consul.address()
    );
    let times = measure(&consul, &settings).await;
    let worst = if measured().is_some() { 1.0 } else { 0.5 };
    assert!(times.at(worst) <= Duration::from_millis(200), "{times:?}");
}

/// Changes a port in `consul` again and again, each time until a request meets it through a Mesh with `settings`.
#[expect(clippy::print_stdout, reason = "figures for the manual")]
async fn measure(consul: &Consul, settings: &str) -> Times {
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    consul
        .register("shop", "shop", one.port(), &["mesh.host=shop.example.com"])
        .await;
    let mesh = Mesh::start(settings).await;
    until("the service answers", async || {
        mesh.who("shop.example.com").await.is_some()
    })
    .await;
    let mut times = Vec::new();
    for round in 0..measured().unwrap_or(10) {
        tokio::time::sleep(APART).await;
        let (port, name) = if round % 2 == 0 {
            (two.port(), "two")
        } else {
            (one.port(), "one")
        };
        consul
            .register("shop", "shop", port, &["mesh.host=shop.example.com"])
            .await;
        let start = Instant::now();
        while mesh.who("shop.example.com").await.as_deref() != Some(name) {
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "the change does not arrive"
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.push(start.elapsed());
    }
    let times: Times = times.into_iter().collect();
    println!("{times}");
    times
}

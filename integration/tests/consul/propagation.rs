//! How long an isolated change takes from Consul's answer to the first routed request.

use std::{
    env,
    time::{Duration, Instant},
};

use mesh_integration::{Backend, Consul, Mesh, until};

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
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    consul
        .register("shop", "shop", one.port(), &["mesh.host=shop.example.com"])
        .await;
    let mesh = Mesh::start(&consul_at(&consul.address())).await;
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
    times.sort();
    let at = |share: f64| {
        times
            .get((times.len() as f64 * share) as usize)
            .or(times.last())
            .copied()
            .unwrap()
    };
    let (median, worst) = (at(0.5), at(1.0));
    println!(
        "{} changes: p50 {median:?}, p99 {:?}, max {worst:?}",
        times.len(),
        at(0.99)
    );
    assert!(median <= Duration::from_millis(100), "{times:?}");
    // Beside other tests a single change may have to wait for the processor.
    assert!(
        measured().is_none() || worst <= Duration::from_millis(200),
        "{times:?}"
    );
}

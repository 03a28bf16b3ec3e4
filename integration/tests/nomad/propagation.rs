//! How long an isolated change takes from Nomad's list to the first routed request.

use std::{
    env,
    time::{Duration, Instant},
};

use mesh_integration::{Job, Mesh, Nomad, Times, until};

use crate::provider;

/// Apart enough for each to be isolated.
const APART: Duration = Duration::from_millis(1100);

/// `MESH_CHANGES=100` for the figures of the manual, on a machine that does nothing else.
fn measured() -> Option<usize> {
    env::var("MESH_CHANGES").ok()?.parse().ok()
}

#[tokio::test]
async fn an_isolated_change_reaches_routing_in_a_tenth_of_a_second() {
    let Some(nomad) = Nomad::start().await else {
        return;
    };
    let job = |host: &str| Job {
        count: 1,
        ..Job::of_host("shop", host)
    };
    nomad.run(&job("a.example.com")).await;
    let mesh = Mesh::start(&provider(&nomad, "")).await;
    until("the job answers", async || {
        mesh.who("a.example.com").await.is_some()
    })
    .await;
    let mut changes = Vec::new();
    for round in 0..measured().unwrap_or(10) {
        tokio::time::sleep(APART).await;
        let host = if round % 2 == 0 {
            "b.example.com"
        } else {
            "a.example.com"
        };
        let submitted = Instant::now();
        nomad.run(&job(host)).await;
        let (listed, routed) = tokio::join!(listed(&nomad, host), routed(&mesh, host));
        changes.push((submitted, listed, routed));
    }
    let from_submit: Times = changes
        .iter()
        .map(|(submitted, _, routed)| *routed - *submitted)
        .collect();
    let from_list: Times = changes
        .iter()
        .map(|(_, listed, routed)| routed.saturating_duration_since(*listed))
        .collect();
    println!("from nomad's list: {from_list}; from its submission: {from_submit}");
    assert!(from_list.at(0.5) <= Duration::from_millis(100), "{from_list}");
    // Beside other tests a single change may have to wait for the processor.
    assert!(
        measured().is_none() || from_list.at(1.0) <= Duration::from_millis(200),
        "{from_list}"
    );
}

/// When Nomad lists the service with `host` in its tags.
async fn listed(nomad: &Nomad, host: &str) -> Instant {
    let start = Instant::now();
    loop {
        let instances = nomad.registered("shop").await;
        if instances
            .iter()
            .any(|instance| instance["Tags"].to_string().contains(host))
        {
            return Instant::now();
        }
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "the change is not listed"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// When a request for `host` is answered.
async fn routed(mesh: &Mesh, host: &str) -> Instant {
    let start = Instant::now();
    while mesh.who(host).await.is_none() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "the change does not arrive"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Instant::now()
}

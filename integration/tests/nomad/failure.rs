//! Nomad goes away and comes back.

use std::sync::Arc;

use mesh_integration::{Fault, FaultProxy, Job, Load, Mesh, Nomad, until};

use crate::provider;

const HOST: &str = "shop.example.com";

#[tokio::test]
async fn traffic_does_not_notice_that_nomad_is_killed_and_started_again() {
    let Some(mut nomad) = Nomad::start().await else {
        return;
    };
    nomad.run(&Job::of_host("shop", HOST)).await;
    let mesh = Arc::new(Mesh::start(&provider(&nomad, "")).await);
    until("both answer", async || mesh.all(HOST).await == ["v1-0", "v1-1"]).await;
    let load = Load::start(mesh.clone(), HOST);

    nomad.kill().await;
    until("the failure shows", async || {
        !mesh.errors("nomad").await.is_empty()
    })
    .await;
    assert_eq!(mesh.all(HOST).await, ["v1-0", "v1-1"]);
    nomad.restart().await;
    until("mesh reads again", async || mesh.errors("nomad").await.is_empty()).await;
    assert_eq!(mesh.all(HOST).await, ["v1-0", "v1-1"]);
    nomad
        .run(&Job {
            count: 3,
            ..Job::of_host("shop", HOST)
        })
        .await;
    until("changes arrive again", async || {
        mesh.all(HOST).await == ["v1-0", "v1-1", "v1-2"]
    })
    .await;

    let answers = load.end().await;
    assert_eq!(answers.keys().collect::<Vec<_>>(), ["200"], "{answers:?}");
}

#[tokio::test]
async fn a_mesh_that_starts_while_nomad_is_down_serves_what_it_knew() {
    let Some(mut nomad) = Nomad::start().await else {
        return;
    };
    nomad.run(&Job::of_host("shop", HOST)).await;
    let mut mesh = Mesh::start(&provider(&nomad, "")).await;
    until("both answer", async || mesh.all(HOST).await == ["v1-0", "v1-1"]).await;
    until("the snapshot is written", async || {
        mesh.snapshot().contains("shop")
    })
    .await;
    mesh.kill().await;
    nomad.kill().await;

    mesh.restart();
    let mut first = None;
    until("mesh answers", async || {
        first = mesh.get(HOST).await;
        first.is_some()
    })
    .await;
    assert_eq!(first.unwrap().0.as_u16(), 200, "the first answer of all");
    assert!(mesh.is_ready().await);
    nomad.restart().await;
    nomad.stop("shop").await;
    until("it learns that the job is gone", async || {
        mesh.all(HOST).await == ["503"]
    })
    .await;
}

#[tokio::test]
async fn traffic_notices_no_fault_and_changes_arrive_after_each() {
    let Some(nomad) = Nomad::start().await else {
        return;
    };
    let one = Job {
        count: 1,
        ..Job::of_host("shop", HOST)
    };
    nomad.run(&one).await;
    let upstream = nomad.address().trim_start_matches("http://").parse().unwrap();
    let proxy = FaultProxy::start(upstream, Fault::None).await.unwrap();
    let settings = format!(
        "  nomad: {{endpoint: {{address: 'http://{}', endpointWaitTime: 1s}}}}\n",
        proxy.address()
    );
    let mesh = Arc::new(Mesh::start(&settings).await);
    until("the job answers", async || mesh.all(HOST).await == ["v1-0"]).await;
    let load = Load::start(mesh.clone(), HOST);

    for fault in Fault::ALL {
        proxy.set(fault);
        if !matches!(fault, Fault::Slow(_)) {
            until("the failure shows", async || {
                !mesh.errors("nomad").await.is_empty()
            })
            .await;
        }
        assert_eq!(mesh.all(HOST).await, ["v1-0"], "{fault:?}");
        nomad
            .run(&Job {
                count: 2,
                ..one.clone()
            })
            .await;
        proxy.set(Fault::None);
        until("a new server joins", async || {
            mesh.all(HOST).await == ["v1-0", "v1-1"]
        })
        .await;
        nomad.run(&one).await;
        until("a removed server leaves", async || {
            mesh.all(HOST).await == ["v1-0"]
        })
        .await;
        until("all is well again", async || {
            mesh.errors("nomad").await.is_empty()
        })
        .await;
    }

    let answers = load.end().await;
    assert_eq!(answers.keys().collect::<Vec<_>>(), ["200"], "{answers:?}");
}

//! What Nomad does to tasks under traffic: no request may fail that was not sent yet or can be repeated.

use std::{sync::Arc, time::Duration};

use mesh_integration::{Job, Load, Mesh, Nomad, until};

use crate::provider;

const HOST: &str = "shop.example.com";

/// A Mesh with traffic for [`HOST`].
async fn under_load(nomad: &Nomad, expected: &[&str]) -> (Arc<Mesh>, Vec<Load>) {
    let mesh = Arc::new(Mesh::start(&provider(nomad, "")).await);
    nomad.healthy("shop", expected.len()).await;
    until("the job answers", async || mesh.all(HOST).await == expected).await;
    let loads = load(&mesh);
    (mesh, loads)
}

fn load(mesh: &Arc<Mesh>) -> Vec<Load> {
    (0..4).map(|_| Load::start(mesh.clone(), HOST)).collect()
}

/// Ends the traffic, of which every answer has to be 200.
async fn assert_all_well(loads: Vec<Load>) {
    for load in loads {
        let answers = load.end().await;
        assert_eq!(answers.keys().collect::<Vec<_>>(), ["200"], "{answers:?}");
    }
}

#[tokio::test]
async fn a_crash_is_noticed_by_nobody_and_its_server_gets_nothing_until_it_runs_again() {
    let Some(nomad) = Nomad::start().await else {
        return;
    };
    let job = Job {
        restart_delay: Duration::from_secs(6),
        ..Job::of_host("shop", HOST)
    };
    nomad.run(&job).await;
    let (mesh, loads) = under_load(&nomad, &["v1-0", "v1-1"]).await;
    let allocation = nomad.running("shop").await.remove(0);

    nomad.crash(&allocation).await;

    until("one is left", async || mesh.all(HOST).await.len() == 1).await;
    assert_eq!(
        nomad.registered("shop").await.len(),
        2,
        "Nomad lists the crashed one"
    );
    until("both answer again", async || {
        mesh.all(HOST).await == ["v1-0", "v1-1"]
    })
    .await;
    assert_all_well(loads).await;
}

#[tokio::test]
async fn a_server_that_is_slow_to_listen_gets_nothing_before() {
    let Some(nomad) = Nomad::start().await else {
        return;
    };
    let one = Job {
        count: 1,
        ..Job::of_host("shop", HOST)
    };
    nomad.run(&one).await;
    let (mesh, loads) = under_load(&nomad, &["v1-0"]).await;

    nomad
        .run(&Job {
            slow_start: Duration::from_secs(4),
            rolling: true,
            version: "v2",
            count: 2,
            ..one
        })
        .await;

    until("both new ones answer", async || {
        mesh.all(HOST).await == ["v2-0", "v2-1"]
    })
    .await;
    assert_all_well(loads).await;
}

#[tokio::test]
async fn a_canary_gets_its_share_and_its_promotion_is_noticed_by_nobody() {
    let Some(nomad) = Nomad::start().await else {
        return;
    };
    let job = Job {
        canaries: 1,
        canary_tags: vec!["mesh.canary.weight=20".to_owned()],
        ..Job::of_host("shop", HOST)
    };
    nomad.run(&job).await;
    let (mesh, loads) = under_load(&nomad, &["v1-0", "v1-1"]).await;

    nomad.run(&Job { version: "v2", ..job }).await;
    nomad.healthy("shop", 3).await;
    until("the canary answers", async || {
        mesh.all(HOST).await == ["v1-0", "v1-1", "v2-0"]
    })
    .await;
    // Others who ask at the same time would take turns of the balancer.
    assert_all_well(loads).await;
    let mut of_canary = 0;
    for _ in 0..100 {
        of_canary += usize::from(mesh.who(HOST).await.as_deref() == Some("v2-0"));
    }
    assert!((18..=22).contains(&of_canary), "{of_canary} of 100 requests");
    let loads = load(&mesh);

    nomad.promote("shop").await;
    until("only the new version answers", async || {
        mesh.all(HOST).await == ["v2-0", "v2-1"]
    })
    .await;
    until("nomad is done", async || {
        nomad.deployment("shop").await == "successful"
    })
    .await;
    assert_all_well(loads).await;
}

#[tokio::test]
async fn a_node_that_is_drained_is_noticed_by_nobody() {
    let Some(mut nomad) = Nomad::start().await else {
        return;
    };
    let job = Job {
        slow_start: Duration::from_secs(1),
        ..Job::of_host("shop", HOST)
    };
    nomad.run(&job).await;
    let (mesh, loads) = under_load(&nomad, &["v1-0", "v1-1"]).await;
    nomad.add_node().await;
    let old = nomad.running("shop").await[0]["NodeID"]
        .as_str()
        .unwrap()
        .to_owned();

    nomad.drain(&old).await;

    until("all have moved", async || {
        let running = nomad.running("shop").await;
        running.len() == 2 && running.iter().all(|allocation| allocation["NodeID"] != *old)
    })
    .await;
    until("the new ones answer", async || {
        mesh.all(HOST).await == ["v1-0", "v1-1"]
    })
    .await;
    assert_all_well(loads).await;
}

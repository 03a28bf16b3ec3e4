//! Registered is not ready: what becomes of instances when their allocations start, crash, move and end.

use std::time::Duration;

use mesh_config::instance::Lifecycle::{Draining, Ready, Starting, Unhealthy};
use mesh_provider_nomad::{LAG, LINGER, PROMOTION, Settings};
use tokio::time::Instant;

use crate::{
    reports::{Reports, provider},
    world::{Placed, Rights, Service, World},
};

fn web() -> World {
    World::new([Service::new("web", "a1", 8001), Service::new("web", "a2", 8002)])
}

#[tokio::test(start_paused = true)]
async fn one_that_is_placed_is_not_used_one_that_runs_stands_in_and_one_that_is_healthy_is_ready() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports::of(&*provider);
    reports.until("web", &[("a1", Ready), ("a2", Ready)]).await;
    let placed = Placed {
        client_status: "pending",
        healthy: None,
        ..Placed::default()
    };
    world.place("a3", placed);
    world.register(Service::new("web", "a3", 8003));
    reports
        .until("web", &[("a1", Ready), ("a2", Ready), ("a3", Unhealthy)])
        .await;
    world.allocation("a3", |placed| placed.client_status = "running");
    reports
        .until("web", &[("a1", Ready), ("a2", Ready), ("a3", Starting)])
        .await;
    world.allocation("a3", |placed| placed.healthy = Some(true));
    reports
        .until("web", &[("a1", Ready), ("a2", Ready), ("a3", Ready)])
        .await;
}

#[tokio::test(start_paused = true)]
async fn one_that_crashed_is_registered_and_gets_nothing_until_it_runs_again() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports::of(&*provider);
    reports.until("web", &[("a1", Ready), ("a2", Ready)]).await;
    let start = Instant::now();
    world.allocation("a1", |placed| placed.client_status = "pending");
    reports.until("web", &[("a1", Unhealthy), ("a2", Ready)]).await;
    let crashed = &reports.known["service web"][0];
    assert_eq!(
        crashed.reason.as_deref(),
        Some("its allocation does not run: pending")
    );
    world.allocation("a1", |placed| placed.client_status = "running");
    reports.until("web", &[("a1", Ready), ("a2", Ready)]).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn in_a_promotion_the_old_ones_drain_until_they_end() {
    let world = web();
    let canary = Placed {
        canary: true,
        ..Placed::default()
    };
    world.place("c1", canary);
    world.register(Service::new("web", "c1", 8003));
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports::of(&*provider);
    reports
        .until("web", &[("a1", Ready), ("a2", Ready), ("c1", Ready)])
        .await;
    let canary = reports.known["service web"]
        .iter()
        .find(|one| one.id.contains("c1"));
    assert_eq!(canary.unwrap().labels[0].labels[0].0, "mesh.canary");

    // Both old ones at once, and the replacement three seconds later.
    world.allocation("c1", |placed| placed.canary = false);
    world.allocation("a1", |placed| placed.desired_status = "stop");
    world.allocation("a2", |placed| placed.desired_status = "stop");
    world.deregister("a1");
    world.deregister("a2");
    reports
        .until("web", &[("a1", Draining), ("a2", Draining), ("c1", Ready)])
        .await;
    world.allocation("a1", |placed| placed.client_status = "complete");
    world.allocation("a2", |placed| placed.client_status = "complete");
    world.run(Service::new("web", "b2", 8004));
    reports.until("web", &[("b2", Ready), ("c1", Ready)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_promoted_one_is_a_canary_until_its_tags_are_those_of_its_job() {
    for retagged in [true, false] {
        let world = web();
        let canary = Placed {
            canary: true,
            ..Placed::default()
        };
        let tagged = |tag| Service {
            tags: vec![tag],
            ..Service::new("web", "c1", 8003)
        };
        world.place("c1", canary);
        world.register(tagged("mesh.canary.weight=20"));
        let provider = provider(&world, &Settings::default());
        let mut reports = Reports::of(&*provider);
        reports
            .until("web", &[("a1", Ready), ("a2", Ready), ("c1", Ready)])
            .await;
        world.allocation("c1", |placed| placed.canary = false);
        world.end("a1");
        reports.until("web", &[("a2", Ready), ("c1", Ready)]).await;
        let keys = |reports: &Reports<'_>| {
            let instances = reports.known["service web"].iter();
            let mut canary = instances.filter(|one| one.id.contains("c1"));
            let labels = canary.next().unwrap().labels.iter();
            let keys = labels.flat_map(|set| set.labels.iter().map(|(key, _)| key.clone()));
            keys.collect::<Vec<_>>()
        };
        assert_eq!(keys(&reports), ["mesh.canary", "mesh.canary.weight"]);

        let start = Instant::now();
        if retagged {
            world.register(tagged("mesh.host=web.example.com"));
        }
        while keys(&reports).len() > 1 {
            reports.next().await;
        }
        let (expected, key) = match retagged {
            true => (Duration::ZERO, "mesh.host"),
            false => (PROMOTION, "mesh.canary.weight"),
        };
        assert_eq!((start.elapsed(), &*keys(&reports)[0]), (expected, key));
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_one_of_a_service_drains_while_it_still_runs() {
    let world = World::new([Service::new("web", "a1", 8001), Service::new("api", "b1", 8002)]);
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports::of(&*provider);
    reports.until("web", &[("a1", Ready)]).await;
    world.allocation("a1", |placed| placed.desired_status = "stop");
    world.deregister("a1");
    reports.until("web", &[("a1", Draining)]).await;
    tokio::time::timeout(LINGER / 2, async {
        while reports.scopes.contains("service web") {
            reports.next().await;
        }
    })
    .await
    .unwrap_err();
    world.allocation("a1", |placed| placed.client_status = "complete");
    reports.until_scopes(&["allocations", "service api"]).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_being_stopped_drains_while_it_is_still_registered() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports::of(&*provider);
    reports.until("web", &[("a1", Ready), ("a2", Ready)]).await;
    world.allocation("a1", |placed| placed.desired_status = "stop");
    reports.until("web", &[("a1", Draining), ("a2", Ready)]).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_lingers_for_ever() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports::of(&*provider);
    reports.until("web", &[("a1", Ready), ("a2", Ready)]).await;
    let start = Instant::now();
    world.allocation("a1", |placed| placed.desired_status = "stop");
    world.deregister("a1");
    reports.until("web", &[("a1", Draining), ("a2", Ready)]).await;
    reports.until("web", &[("a2", Ready)]).await;
    assert!(
        (LINGER..LINGER * 2).contains(&start.elapsed()),
        "{:?}",
        start.elapsed()
    );
    // A job that takes its service away goes on running.
    let start = Instant::now();
    world.deregister("a2");
    reports.until("web", &[("a2", Starting)]).await;
    reports.until_scopes(&["allocations"]).await;
    assert!((LAG..LAG * 2).contains(&start.elapsed()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_whose_node_is_drained_stands_in() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports::of(&*provider);
    world.allocation("a1", |placed| placed.migrate = true);
    reports.until("web", &[("a1", Starting), ("a2", Ready)]).await;
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_read_allocations_what_is_registered_is_ready() {
    let world = web();
    world.allocation("a1", |placed| placed.client_status = "pending");
    world.set_rights(Rights::Task);
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports::of(&*provider);
    reports.until("web", &[("a1", Ready), ("a2", Ready)]).await;
    assert!(reports.well_for(Duration::from_secs(300)).await);
    world.set_rights(Rights::Everything);
    reports.until("web", &[("a1", Unhealthy), ("a2", Ready)]).await;
}

#[tokio::test(start_paused = true)]
async fn allocations_that_cannot_be_read_take_nobody_away_and_hold_nobody_back() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports::of(&*provider);
    reports.until("web", &[("a1", Ready), ("a2", Ready)]).await;
    world.set_no_allocations(true);
    assert_eq!(reports.failure().await.0, "allocations");
    world.run(Service::new("web", "a3", 8003));
    reports
        .until("web", &[("a1", Ready), ("a2", Ready), ("a3", Ready)])
        .await;
}

#[tokio::test(start_paused = true)]
async fn allocations_that_fail_from_the_start_do_not_hold_services_back() {
    let world = web();
    world.set_no_allocations(true);
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports::of(&*provider);
    reports.until("web", &[("a1", Ready), ("a2", Ready)]).await;
}

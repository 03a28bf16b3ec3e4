//! How the provider follows a Nomad that changes, with time paused.

use std::time::Duration;

use mesh_config::instance::Lifecycle::Ready;
use mesh_discovery::SETTLE;
use mesh_provider_nomad::Settings;
use tokio::time::Instant;

use crate::{
    reports::{Reports, provider},
    world::{Service, World},
};

fn web() -> World {
    World::new([Service::new("web", "a1", 8001), Service::new("web", "a2", 8002)])
}

#[tokio::test(start_paused = true)]
async fn changes_arrive_without_a_pause() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports::of(&*provider);
    reports.until("web", &[("a1", Ready), ("a2", Ready)]).await;
    let start = Instant::now();
    world.run(Service::new("web", "a3", 8003));
    reports
        .until("web", &[("a1", Ready), ("a2", Ready), ("a3", Ready)])
        .await;
    world.end("a1");
    reports.until("web", &[("a2", Ready), ("a3", Ready)]).await;
    world.run(Service::new("new", "n1", 9));
    reports.until("new", &[("n1", Ready)]).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_wants_nomad_spared_waits_for_changes() {
    let world = web();
    let settings = Settings {
        throttle_duration: Duration::from_secs(5),
        ..Settings::default()
    };
    let provider = provider(&world, &settings);
    let mut reports = Reports::of(&*provider);
    reports.until("web", &[("a1", Ready), ("a2", Ready)]).await;
    let start = Instant::now();
    world.run(Service::new("web", "a3", 8003));
    reports
        .until("web", &[("a1", Ready), ("a2", Ready), ("a3", Ready)])
        .await;
    world.run(Service::new("web", "a4", 8004));
    let all = [("a1", Ready), ("a2", Ready), ("a3", Ready), ("a4", Ready)];
    reports.until("web", &all).await;
    let waited = start.elapsed();
    assert!(
        (Duration::from_secs(9)..Duration::from_secs(12)).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn only_enabled_services_are_followed_when_nothing_is_exposed_by_default() {
    let mut private = Service::new("private", "a1", 1);
    private.tags = vec!["mesh.enable=false", "other.enable=true"];
    let mut public = Service::new("public", "a2", 2);
    public.tags = vec!["Mesh.Enable=true"];
    let settings = Settings {
        exposed_by_default: false,
        ..Settings::default()
    };
    let provider = provider(&World::new([private, public]), &settings);
    Reports::of(&*provider)
        .until_scopes(&["allocations", "service public"])
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_a_nomad_that_lost_its_state_has_not_learnt_again_is_kept_for_a_while() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports::of(&*provider);
    reports.until("web", &[("a1", Ready), ("a2", Ready)]).await;
    world.set_down(true);
    reports.failure().await;
    world.lose_state();
    let start = Instant::now();
    world.run(Service::new("web", "a3", 8003));
    reports
        .until("web", &[("a1", Ready), ("a2", Ready), ("a3", Ready)])
        .await;
    reports.until("web", &[("a3", Ready)]).await;
    assert!(
        (SETTLE..SETTLE * 2).contains(&start.elapsed()),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_the_whole_is_read_at_once() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports::of(&*provider);
    reports.until("web", &[("a1", Ready), ("a2", Ready)]).await;
    world.set_down(true);
    reports.failure().await;
    world.set_down(false);
    world.run(Service::new("web", "a3", 8003));
    let start = Instant::now();
    reports
        .until("web", &[("a1", Ready), ("a2", Ready), ("a3", Ready)])
        .await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_idle_nomad_is_asked_about_once_a_minute_for_each_watch() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports::of(&*provider);
    reports.until("web", &[("a1", Ready), ("a2", Ready)]).await;
    let before = world.calls();
    assert!(reports.well_for(Duration::from_secs(550)).await);
    let calls = world.calls() - before;
    assert!(
        (24..=36).contains(&calls),
        "{calls} calls of three watches in ten waits"
    );
}

#[tokio::test(start_paused = true)]
async fn a_storm_costs_nomad_a_few_answers_a_second() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports::of(&*provider);
    reports.until("web", &[("a1", Ready), ("a2", Ready)]).await;
    let before = world.calls();
    let storm = async {
        for round in 0..1000 {
            let status = if round % 2 == 0 { "pending" } else { "running" };
            world.allocation("a1", |placed| placed.client_status = status);
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    };
    tokio::select! {
        () = storm => {}
        _ = reports.failure() => {}
    }
    let calls = world.calls() - before;
    // Two of services at five a second, one of allocations at two.
    assert!(
        calls <= 2 * (20 + 60 * 5) + 20 + 60 * 2,
        "{calls} calls in a minute of storm"
    );
}

#[tokio::test(start_paused = true)]
async fn connections_stay_below_the_limit_and_services_beyond_it_are_noticed_by_the_list() {
    let many: Vec<_> = (0..40)
        .map(|number| {
            let name: &'static str = format!("s{number:02}").leak();
            Service::new(name, format!("a{number:02}").leak(), 8000 + number)
        })
        .collect();
    let world = World::new(many);
    let settings = Settings {
        max_watches: 9,
        ..Settings::default()
    };
    let provider = provider(&world, &settings);
    let mut reports = Reports::of(&*provider);
    for number in 0..40 {
        let allocation = format!("a{number:02}");
        reports
            .until(&format!("s{number:02}"), &[(&allocation, Ready)])
            .await;
    }
    for number in [0, 20, 39] {
        let start = Instant::now();
        let service = format!("s{number:02}");
        let old = format!("a{number:02}");
        world.run(Service::new(service.clone().leak(), "b1", 9000 + number));
        reports.until(&service, &[(&old, Ready), ("b1", Ready)]).await;
        world.end("b1");
        reports.until(&service, &[(&old, Ready)]).await;
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
    assert!(world.most_blocked() <= 9, "{}", world.most_blocked());
}

#[tokio::test(start_paused = true)]
async fn without_watching_changes_arrive_with_the_next_reading() {
    let world = web();
    let settings = Settings {
        watch: false,
        ..Settings::default()
    };
    let provider = provider(&world, &settings);
    let mut reports = Reports::of(&*provider);
    reports.until("web", &[("a1", Ready), ("a2", Ready)]).await;
    world.end("a1");
    let start = Instant::now();
    reports.until("web", &[("a2", Ready)]).await;
    let latest = settings.refresh_interval + Duration::from_secs(1);
    assert!(start.elapsed() <= latest, "{:?}", start.elapsed());
    assert_eq!(world.most_blocked(), 0);
}

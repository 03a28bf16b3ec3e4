//! How the provider follows clusters that change, with time paused.

use std::time::Duration;

use mesh_config::instance::{Instance, Lifecycle};
use mesh_discovery::ProviderError;
use mesh_provider_ecs::{Action, Settings};
use serde_json::json;

use crate::{
    watch::{Watch, provider, settings},
    world::{Fate, World},
};

/// One read more than enough.
const A_READ: Duration = Duration::from_secs(17);

fn web() -> World {
    let world = World::new();
    world.service("web", "awsvpc", &[("mesh.host", "web.example")]);
    world.run("web");
    world.run("web");
    world
}

fn labels(instance: &Instance) -> Vec<(&str, &str)> {
    let labels = instance.labels.iter().flat_map(|set| &set.labels);
    labels
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_first_list_that_is_short_is_read_again() {
    let world = web();
    world.state().fates.push_back(Fate::Halved);
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    watch
        .until("the service is told", |watch| !watch.of("web").is_empty())
        .await;
    assert_eq!(watch.of("web").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_count_that_never_fits_holds_nothing_up() {
    let world = web();
    let stopping = world.run("web");
    world.stop(&stopping);
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    let start = tokio::time::Instant::now();
    watch
        .until("the service is told", |watch| !watch.of("web").is_empty())
        .await;
    assert_eq!(watch.of("web").len(), 2);
    assert!(start.elapsed() <= Duration::from_secs(4), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn every_service_is_a_scope_and_the_list_of_all_comes_first() {
    let world = web();
    world.service("api", "awsvpc", &[]);
    world.run("api");
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    watch.next().await;
    let listed = watch.listed.clone().unwrap();
    assert!(
        listed
            .iter()
            .eq(["cluster shop", "service shop/api", "service shop/web"])
    );
    watch.until("all is told", |watch| watch.scopes.len() == 3).await;
    assert_eq!((watch.of("web").len(), watch.of("api").len()), (2, 1));
    assert_eq!(&*watch.of("web")[0].service, "web");
}

#[tokio::test(start_paused = true)]
async fn a_tag_of_a_service_counts_with_the_next_read() {
    let world = web();
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(1)).await;
    world.tag("web", &[("mesh.host", "shop.example")]);
    watch.pass(A_READ).await;
    assert_eq!(labels(&watch.of("web")[0]), [("mesh.host", "shop.example")]);
}

#[tokio::test(start_paused = true)]
async fn tasks_come_and_go_with_the_next_read() {
    let world = web();
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(1)).await;
    let gone = world.run("web");
    watch.pass(A_READ).await;
    assert_eq!(watch.of("web").len(), 3);
    world.stop(&gone);
    watch.pass(A_READ).await;
    assert_eq!(watch.of("web").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_without_tasks_is_gone_when_ecs_says_so_of_its_tasks() {
    let world = web();
    world.service("other", "awsvpc", &[]);
    world.run("other");
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(1)).await;
    let tasks: Vec<String> = world.state().tasks.keys().cloned().collect();
    let of_web = tasks
        .iter()
        .filter(|task| world.state().tasks[*task]["group"] == "service:web")
        .cloned();
    of_web
        .collect::<Vec<_>>()
        .iter()
        .for_each(|task| world.stop(task));
    watch.pass(A_READ).await;
    assert!(!watch.listed.unwrap().contains("service shop/web"));
    assert_eq!(watch.scopes["service shop/other"].len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_leaves_tasks_out_takes_none_away() {
    let world = web();
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(1)).await;
    world.always(Action::ListTasks, Fate::Halved);
    watch.pass(10 * A_READ).await;
    assert_eq!(watch.of("web").len(), 2);
    assert!(watch.failed.is_empty(), "{:?}", watch.failed);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_counts_tasks_and_lists_none_hides_them() {
    let world = web();
    world.always(Action::ListTasks, Fate::Halved);
    let one = world.state().tasks.keys().next().unwrap().clone();
    world.state().tasks.retain(|arn, _| *arn == one);
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    watch.pass(A_READ).await;
    let error = &watch.failed["cluster shop"];
    assert!(matches!(error, ProviderError::Unauthorized { .. }), "{error}");
    assert!(watch.listed.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_missing_is_named_and_takes_nothing_away() {
    let world = web();
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(1)).await;
    world.always(Action::DescribeTasks, Fate::Denied);
    watch.pass(4 * A_READ).await;
    assert!(watch.shrunk.is_empty());
    assert!(
        watch.failed["service shop/web"]
            .to_string()
            .contains("ecs:DescribeTasks")
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_of_one_service_holds_up_no_other() {
    let world = web();
    world.state().machine("i-1", "10.1.1.1");
    world.service("bridged", "bridge", &[]);
    world.run("bridged");
    world.always(Action::DescribeInstances, Fate::Denied);
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(1)).await;
    assert_eq!(watch.of("web").len(), 2);
    let failed: Vec<_> = watch.failed.keys().collect();
    assert_eq!(failed, ["service shop/bridged"]);
    world.state().always.clear();
    watch.pass(4 * A_READ).await;
    let address = watch.of("bridged")[0].address.as_ref().unwrap().to_string();
    assert_eq!(address, "10.1.1.1");
    assert!(watch.failed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_cannot_be_described_holds_up_no_other_service() {
    let world = web();
    world.service("broken", "awsvpc", &[]);
    world.run("broken");
    world
        .state()
        .definitions
        .retain(|revision, _| !revision.contains("broken"));
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(1)).await;
    assert_eq!(watch.of("web").len(), 2);
    assert!(watch.failed.keys().eq(["service shop/broken"]));
}

#[tokio::test(start_paused = true)]
async fn machines_of_ecs_anywhere_are_looked_up_only_when_asked_for() {
    let world = World::new();
    world.state().machine("mi-1", "192.0.2.9");
    world.service("edge", "bridge", &[]);
    world.run("edge");
    let without = provider(&world, &settings());
    let mut watch = Watch::new(&without);
    watch.pass(Duration::from_secs(1)).await;
    assert!(
        watch.of("edge")[0]
            .reason
            .as_ref()
            .unwrap()
            .contains("ecsAnywhere")
    );
    assert!(!world.calls().contains_key(&Action::DescribeInstanceInformation));
    let with = Settings {
        ecs_anywhere: true,
        ..settings()
    };
    let with = provider(&world, &with);
    let mut watch = Watch::new(&with);
    watch.pass(Duration::from_secs(1)).await;
    assert_eq!(watch.of("edge")[0].lifecycle, Lifecycle::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_cluster_is_read_less_often_and_keeps_all_it_had() {
    let world = web();
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(1)).await;
    let before = world.state().reads.len();
    world.always(Action::ListTasks, Fate::Throttled);
    watch.pass(Duration::from_secs(900)).await;
    let attempts = world.state().reads.len() - before;
    // 15 minutes would be 60 reads.
    assert!((7..=14).contains(&attempts), "{attempts}");
    assert!(watch.shrunk.is_empty());
    assert!(watch.failed["cluster shop"].is_throttle());
    world.state().always.clear();
    watch.pass(Duration::from_secs(600)).await;
    let before = world.state().reads.len();
    watch.pass(Duration::from_secs(150)).await;
    assert!(world.state().reads.len() - before >= 9);
    assert!(watch.failed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_deployment_makes_younger_instances_and_a_scaled_old_one_does_not() {
    let world = web();
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(1)).await;
    let old = watch.of("web")[0].created;
    assert_eq!(old, 1_000_000);
    world.run("web");
    let deployments = json!([
        {"id": "ecs-svc/web-2", "status": "PRIMARY", "createdAt": 2000.0},
        {"id": "ecs-svc/web-1", "status": "ACTIVE", "createdAt": 1000.0},
    ]);
    world.state().services.get_mut("web").unwrap()["deployments"] = deployments;
    let new = world.state().run("web", "web:1", 2);
    watch.pass(A_READ).await;
    let created = |watch: &Watch<'_>| {
        let mut all: Vec<u64> = watch.of("web").iter().map(|instance| instance.created).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(created(&watch), [old, old, old, 2_000_000]);
    // A deployment that is forgotten makes nobody younger.
    let finished = json!([{"id": "ecs-svc/web-2", "status": "PRIMARY", "createdAt": 2000.0}]);
    world.state().services.get_mut("web").unwrap()["deployments"] = finished;
    watch.pass(A_READ).await;
    assert_eq!(created(&watch), [old, old, old, 2_000_000]);
    world.stop(&new);
}

#[tokio::test(start_paused = true)]
async fn health_is_seen_in_turn_among_many_tasks_and_at_once_where_news_is_expected() {
    let world = World::new();
    world.service("web", "awsvpc", &[]);
    let tasks: Vec<String> = (0..300).map(|_| world.run("web")).collect();
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(1)).await;
    let container = |health: &str| {
        json!([{"name": "app", "lastStatus": "RUNNING", "healthStatus": health,
            "networkInterfaces": [{"privateIpv4Address": "10.9.9.9"}]}])
    };
    world.set(&tasks[7], "containers", container("UNHEALTHY"));
    let sick = |watch: &Watch<'_>| {
        let sick = watch.of("web").iter();
        sick.filter(|instance| instance.lifecycle == Lifecycle::Unhealthy)
            .count()
    };
    watch.pass(4 * A_READ).await;
    assert_eq!(sick(&watch), 1);
    world.set(&tasks[7], "containers", container("HEALTHY"));
    watch.pass(A_READ).await;
    assert_eq!(sick(&watch), 0);
}

#[tokio::test(start_paused = true)]
async fn clusters_are_found_and_services_of_several_are_named_with_theirs() {
    let world = web();
    world
        .state()
        .clusters
        .push("arn:aws:ecs:eu-central-1:123456789012:cluster/empty".to_owned());
    let all = Settings {
        auto_discover_clusters: true,
        ..Settings::default()
    };
    let provider = provider(&world, &all);
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(1)).await;
    assert_eq!(&*watch.of("web")[0].service, "shop/web");
    // The other one is described as missing by this world.
    assert!(watch.failed.contains_key("cluster empty"), "{:?}", watch.failed);
}

#[tokio::test(start_paused = true)]
async fn an_account_without_any_cluster_is_not_believed() {
    let world = World::default();
    let all = Settings {
        auto_discover_clusters: true,
        ..Settings::default()
    };
    let provider = provider(&world, &all);
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(1)).await;
    assert!(watch.failed["clusters"].to_string().contains("region"));
}

#[tokio::test(start_paused = true)]
async fn a_list_of_clusters_that_leaves_one_out_takes_nothing_away() {
    let world = web();
    world
        .state()
        .clusters
        .insert(0, "arn:aws:ecs:eu-central-1:123456789012:cluster/a".to_owned());
    let all = Settings {
        auto_discover_clusters: true,
        ..Settings::default()
    };
    let provider = provider(&world, &all);
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(1)).await;
    world.always(Action::ListClusters, Fate::Halved);
    watch.pass(4 * A_READ).await;
    assert_eq!(watch.of("web").len(), 2);
    assert!(watch.shrunk.is_empty());
}

//! How the provider follows a Consul that changes, with time paused.

use std::{collections::BTreeSet, time::Duration};

use futures::{StreamExt, stream::BoxStream};
use mesh_config::{ProviderName, instance::Instance};
use mesh_discovery::SETTLE;
use mesh_discovery::{Content, Provider, ProviderError, Report};
use mesh_provider_consul::{ConsulCatalog, Settings};
use tokio::time::Instant;

use crate::world::{Registration, World};

fn provider(world: &World, settings: &Settings) -> ConsulCatalog<World> {
    let name = ProviderName::new("consulcatalog");
    ConsulCatalog::with_client(name, settings, None, world.clone()).unwrap()
}

/// What the provider says.
struct Reports<'a>(BoxStream<'a, Report>);

impl Reports<'_> {
    async fn next(&mut self) -> Report {
        self.0.next().await.unwrap()
    }

    /// The next list of services.
    async fn services(&mut self) -> BTreeSet<String> {
        loop {
            if let Report::Replace {
                content: Content::Scopes(scopes),
                ..
            } = self.next().await
            {
                return scopes.iter().map(ToString::to_string).collect();
            }
        }
    }

    /// The next word about `service`, in as far as it is good.
    async fn instances(&mut self, service: &str) -> Vec<Instance> {
        loop {
            if let Report::Replace {
                scope,
                content: Content::Instances(instances),
            } = self.next().await
                && scope.as_str() == format!("service {service}")
            {
                return instances;
            }
        }
    }

    /// The ids of the instances of `service` once `wanted` holds.
    async fn until(&mut self, service: &str, wanted: impl Fn(&[Instance]) -> bool) -> Vec<Instance> {
        loop {
            let instances = self.instances(service).await;
            if wanted(&instances) {
                return instances;
            }
        }
    }

    async fn failure(&mut self) -> (String, ProviderError) {
        loop {
            if let Report::Failed { scope, error } = self.next().await {
                return (scope.to_string(), error);
            }
        }
    }

    /// Takes all reports until there is none for two seconds.
    async fn rest(&mut self) {
        while tokio::time::timeout(Duration::from_secs(2), self.next())
            .await
            .is_ok()
        {}
    }

    /// Takes whatever comes in `time`.
    async fn pass(&mut self, time: Duration) {
        let all = async {
            loop {
                self.next().await;
            }
        };
        tokio::time::timeout(time, all).await.ok();
    }

    /// True when nothing is said for `time`, but that all is as it was.
    async fn silent_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.failure()).await.is_err()
    }
}

fn has_port(instances: &[Instance], port: u16) -> bool {
    let mut endpoints = instances.iter().flat_map(|instance| &instance.endpoints);
    endpoints.any(|endpoint| endpoint.port == port)
}

fn web() -> World {
    World::new([
        Registration::new("web", "web-1", 8001),
        Registration::new("web", "web-2", 8002),
    ])
}

#[tokio::test(start_paused = true)]
async fn every_service_is_a_scope_and_consul_itself_is_none() {
    let world = World::new([
        Registration::new("web", "web-1", 1),
        Registration::new("api", "api-1", 2),
    ]);
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports(provider.reports());
    assert_eq!(
        reports.services().await,
        BTreeSet::from(["service api".to_owned(), "service web".to_owned()])
    );
    assert_eq!(reports.instances("web").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn changes_arrive_without_a_pause() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports(provider.reports());
    reports.instances("web").await;
    let start = Instant::now();
    world.set_status("web-1", "critical");
    let ready = |instances: &[Instance]| {
        instances
            .iter()
            .filter(|instance| instance.reason.is_none())
            .count()
    };
    reports.until("web", |instances| ready(instances) == 1).await;
    world.register(Registration::new("new", "new-1", 9));
    assert_eq!(reports.instances("new").await.len(), 1);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_deregistered_instance_and_a_deregistered_service_are_gone() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports(provider.reports());
    assert_eq!(reports.instances("web").await.len(), 2);
    world.deregister("web-1");
    reports.until("web", |instances| instances.len() == 1).await;
    world.deregister("web-2");
    assert!(reports.services().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_enabled_services_are_followed_when_nothing_is_exposed_by_default() {
    let mut private = Registration::new("private", "private-1", 1);
    private.tags = vec!["mesh.enable=false", "other.enable=true"];
    let mut public = Registration::new("public", "public-1", 2);
    public.tags = vec!["Mesh.Enable=true"];
    let settings = Settings {
        exposed_by_default: false,
        ..Settings::default()
    };
    let provider = provider(&World::new([private, public]), &settings);
    assert_eq!(
        Reports(provider.reports()).services().await,
        BTreeSet::from(["service public".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn mesh_does_not_route_to_itself_unless_asked() {
    let provider = provider(
        &World::new([Registration::new("mesh", "mesh-1", 80)]),
        &Settings::default(),
    );
    assert!(Reports(provider.reports()).services().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_sees_nothing_is_a_failure_that_names_the_right() {
    let world = web();
    world.set_locked(true);
    let provider = provider(&world, &Settings::default());
    let (scope, error) = Reports(provider.reports()).failure().await;
    assert_eq!(scope, "catalog");
    assert!(
        matches!(&error, ProviderError::Unauthorized { reason, .. } if reason.contains("service_prefix")),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_sees_no_nodes_is_a_failure_of_the_service_that_names_the_right() {
    let world = web();
    world.set_blind(true);
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports(provider.reports());
    let (scope, error) = reports.failure().await;
    assert_eq!(scope, "service web");
    assert!(
        matches!(&error, ProviderError::Unauthorized { reason, .. } if reason.contains("node_prefix")),
        "{error}"
    );
    world.set_blind(false);
    assert_eq!(reports.instances("web").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_loses_all_rights_loses_no_service() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports(provider.reports());
    assert_eq!(reports.instances("web").await.len(), 2);
    world.set_locked(true);
    let mut failed = BTreeSet::new();
    while failed.len() < 2 {
        let (scope, error) = reports.failure().await;
        assert!(matches!(error, ProviderError::Unauthorized { .. }), "{error}");
        failed.insert(scope);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_consul_that_lost_its_state_has_not_learnt_again_is_kept_for_a_while() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports(provider.reports());
    reports.instances("web").await;
    world.set_down(true);
    reports.failure().await;
    world.lose_state();
    let start = Instant::now();
    assert_eq!(
        reports.services().await,
        BTreeSet::from(["service web".to_owned()])
    );
    world.register(Registration::new("web", "web-3", 8003));
    let kept = reports.until("web", |instances| instances.len() == 3).await;
    assert!(kept.iter().any(|instance| &*instance.id == "vm/web-1"));
    let left = reports.until("web", |instances| instances.len() == 1).await;
    assert_eq!(&*left[0].id, "vm/web-3");
    assert!(
        (SETTLE..SETTLE * 2).contains(&start.elapsed()),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_lags_takes_nothing_away_and_delays_no_removal() {
    let world = web();
    let settings = Settings {
        stale: true,
        ..Settings::default()
    };
    let provider = provider(&world, &settings);
    let mut reports = Reports(provider.reports());
    assert_eq!(reports.instances("web").await.len(), 2);
    world.leave_one_behind();
    world.register(Registration::new("web", "web-3", 8003));
    reports.until("web", |instances| instances.len() == 3).await;
    let start = Instant::now();
    // Of the watch of the list and that of the service.
    world.ask_the_one_behind(2);
    world.register(Registration::new("web", "web-4", 8004));
    reports
        .until("web", |instances| {
            assert!(instances.len() >= 3, "an old answer was believed: {instances:?}");
            instances.len() == 4
        })
        .await;
    world.deregister("web-1");
    reports.until("web", |instances| instances.len() == 3).await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_history_that_is_lost_counts_as_such_where_any_server_answers_too() {
    let world = web();
    let settings = Settings {
        stale: true,
        ..Settings::default()
    };
    let provider = provider(&world, &settings);
    let mut reports = Reports(provider.reports());
    reports.instances("web").await;
    world.set_down(true);
    reports.failure().await;
    world.lose_state();
    world.register(Registration::new("web", "web-3", 8003));
    let kept = reports.instances("web").await;
    assert_eq!(kept.len(), 3, "{kept:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_for_a_while_survives_another_way_of_watching() {
    let world = web();
    let settings = Settings {
        max_watches: 2,
        ..Settings::default()
    };
    let provider = provider(&world, &settings);
    let mut reports = Reports(provider.reports());
    reports.instances("web").await;
    world.set_down(true);
    reports.failure().await;
    world.lose_state();
    assert!(!reports.services().await.contains("checks"));
    for (service, id) in [("web", "web-3"), ("b", "b-1"), ("c", "c-1")] {
        world.register(Registration::new(service, id, 9));
    }
    while !reports.services().await.contains("checks") {}
    reports
        .until("web", |instances| {
            assert!(instances.len() >= 2, "forgotten: {instances:?}");
            instances.len() == 3
        })
        .await;
    // And back again.
    world.deregister("c-1");
    world.deregister("b-1");
    world.set_status("web-3", "critical");
    while reports.services().await.contains("checks") {}
    reports
        .until("web", |instances| {
            instances.iter().any(|instance| instance.reason.is_some())
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_the_whole_is_read_at_once() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports(provider.reports());
    reports.instances("web").await;
    world.set_down(true);
    reports.failure().await;
    world.set_down(false);
    let start = Instant::now();
    reports.instances("web").await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_idle_consul_is_asked_about_once_a_minute_for_each_watch() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports(provider.reports());
    reports.instances("web").await;
    let before = world.calls();
    assert!(reports.silent_for(Duration::from_secs(550)).await);
    let calls = world.calls() - before;
    assert!(
        (18..=24).contains(&calls),
        "{calls} calls of two watches in ten waits"
    );
}

#[tokio::test(start_paused = true)]
async fn a_storm_costs_consul_one_answer_a_second() {
    let world = web();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports(provider.reports());
    reports.instances("web").await;
    let before = world.calls();
    let storm = async {
        for round in 0..1000 {
            world.set_status("web-1", if round % 2 == 0 { "critical" } else { "passing" });
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    };
    tokio::select! {
        () = storm => {}
        _ = reports.failure() => {}
    }
    let calls = world.calls() - before;
    assert!(
        calls <= 2 * (60 + 5),
        "{calls} calls of two watches in a minute of storm"
    );
}

#[tokio::test(start_paused = true)]
async fn above_the_limit_two_watches_notice_changes_for_all() {
    let world = web();
    world.register(Registration::new("api", "api-1", 9));
    let settings = Settings {
        max_watches: 1,
        ..Settings::default()
    };
    let provider = provider(&world, &settings);
    let mut reports = Reports(provider.reports());
    assert!(reports.services().await.contains("checks"));
    reports.instances("web").await;
    let start = Instant::now();
    world.register(Registration {
        status: "critical",
        ..Registration::new("web", "web-1", 8001)
    });
    reports
        .until("web", |instances| {
            instances.iter().any(|instance| instance.reason.is_some())
        })
        .await;
    world.deregister("web-2");
    reports.until("web", |instances| instances.len() == 1).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn above_the_limit_a_change_makes_nobody_else_read() {
    let world = web();
    for (service, id) in [("a", "a-1"), ("b", "b-1"), ("c", "c-1"), ("d", "d-1")] {
        world.register(Registration::new(service, id, 9));
    }
    let settings = Settings {
        max_watches: 1,
        ..Settings::default()
    };
    let provider = provider(&world, &settings);
    let mut reports = Reports(provider.reports());
    reports.rest().await;
    let start = Instant::now();
    let changes: [(&str, &dyn Fn()); 5] = [
        ("a new port", &|| {
            world.register(Registration::new("web", "web-1", 8009))
        }),
        ("an instance more", &|| {
            world.register(Registration::new("web", "web-3", 8003))
        }),
        ("an instance less", &|| world.deregister("web-2")),
        ("a check", &|| world.set_status("web-1", "critical")),
        ("a new port beside new tags", &|| {
            let mut tagged = Registration::new("a", "a-1", 9);
            tagged.tags = vec!["mesh.host=a.example"];
            world.register(tagged);
            world.register(Registration::new("web", "web-3", 8004));
        }),
    ];
    for (what, change) in changes {
        world.take_asked();
        change();
        reports.instances("web").await;
        reports.rest().await;
        let mut asked = world.take_asked();
        asked.remove("a");
        assert_eq!(asked, BTreeSet::from(["web".to_owned()]), "{what}");
    }
    assert!(
        start.elapsed() < Duration::from_secs(5 * 3),
        "{:?}",
        start.elapsed()
    );
}

const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "web"];

/// More services than have a watch each where connections are scarce.
fn twelve() -> World {
    World::new(NAMES.map(|name| Registration::new(name, name, 8001)))
}

/// That long a query of an earlier run hangs.
const EARLIER: Duration = Duration::from_secs(70);

#[tokio::test(start_paused = true)]
async fn while_queries_of_an_earlier_run_may_hang_two_watches_serve_for_all() {
    let world = twelve();
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports(provider.reports());
    reports.rest().await;
    assert_eq!(world.blocking(), 2);
    let start = Instant::now();
    world.register(Registration::new("web", "web", 8009));
    reports.until("web", |instances| has_port(instances, 8009)).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());

    assert!(reports.silent_for(2 * EARLIER).await);
    assert_eq!(world.blocking(), NAMES.len() + 1);
}

#[tokio::test(start_paused = true)]
async fn where_connections_are_refused_two_watches_serve_for_all() {
    let world = twelve();
    world.set_connections(NAMES.len() / 2);
    let provider = provider(&world, &Settings::default());
    let mut reports = Reports(provider.reports());
    assert!(!reports.silent_for(2 * EARLIER).await, "there were enough");
    // The next answer of the list says so to all.
    reports.pass(EARLIER).await;
    assert_eq!(world.blocking(), 2);
    assert!(reports.silent_for(4 * EARLIER).await);
    let start = Instant::now();
    world.register(Registration::new("web", "web", 8009));
    reports.until("web", |instances| has_port(instances, 8009)).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn above_the_limit_a_change_arrives_though_the_nodes_cannot_be_read() {
    let world = web();
    let settings = Settings {
        max_watches: 0,
        ..Settings::default()
    };
    let provider = provider(&world, &settings);
    let mut reports = Reports(provider.reports());
    reports.rest().await;
    world.set_nodes_down(true);
    reports.rest().await;
    let start = Instant::now();
    world.register(Registration::new("web", "web-1", 8009));
    let instances = reports.until("web", |instances| has_port(instances, 8009)).await;
    assert_eq!(instances.len(), 2);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn above_the_limit_a_change_is_found_though_the_server_that_knows_the_nodes_lags() {
    let world = web();
    let settings = Settings {
        max_watches: 0,
        stale: true,
        ..Settings::default()
    };
    let provider = provider(&world, &settings);
    let mut reports = Reports(provider.reports());
    reports.rest().await;
    world.leave_one_behind();
    let start = Instant::now();
    world.register(Registration::new("web", "web-1", 8009));
    reports.services().await;
    // For the checks, the nodes, and what is on them.
    world.ask_the_one_behind(3);
    let instances = reports.until("web", |instances| has_port(instances, 8009)).await;
    assert_eq!(instances.len(), 2);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn without_watching_changes_arrive_with_the_next_reading() {
    let world = web();
    let settings = Settings {
        watch: false,
        ..Settings::default()
    };
    let provider = provider(&world, &settings);
    let mut reports = Reports(provider.reports());
    reports.instances("web").await;
    world.deregister("web-1");
    let start = Instant::now();
    reports.until("web", |instances| instances.len() == 1).await;
    assert!(
        start.elapsed() <= settings.refresh_interval + Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
}

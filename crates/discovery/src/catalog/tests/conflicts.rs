//! Who wins when two say different things.

use mesh_config::instance::Lifecycle;

use super::{With as _, World, instance};

const OLD: &[(&str, &str)] = &[("mesh.http.routers.web.rule", "Host(`old.example`)")];
const NEW: &[(&str, &str)] = &[("mesh.http.routers.web.rule", "Host(`new.example`)")];

#[test]
fn in_a_rolling_deploy_the_older_definition_stands_until_the_newest_instance_was_ready() {
    let mut world = World::new();
    world.replace("web", [instance("web", 1).labels(OLD)]);
    world.replace(
        "web",
        [
            instance("web", 1).labels(OLD),
            instance("web", 2).labels(NEW).life(Lifecycle::Starting),
        ],
    );
    assert_eq!(world.rule("web"), "Host(`old.example`)");
    world.replace(
        "web",
        [instance("web", 1).labels(OLD), instance("web", 2).labels(NEW)],
    );
    assert_eq!(world.rule("web"), "Host(`new.example`)");
    assert_eq!(world.servers("web").len(), 2);
}

#[test]
fn a_failing_health_check_does_not_give_the_definition_back() {
    let mut world = World::new();
    world.replace(
        "web",
        [instance("web", 1).labels(OLD), instance("web", 2).labels(NEW)],
    );
    world.replace(
        "web",
        [
            instance("web", 1).labels(OLD),
            instance("web", 2).labels(NEW).life(Lifecycle::Unhealthy),
        ],
    );
    assert_eq!(world.rule("web"), "Host(`new.example`)");
}

#[test]
fn a_rollback_gives_the_definition_back() {
    let mut world = World::new();
    world.replace(
        "web",
        [instance("web", 1).labels(OLD), instance("web", 2).labels(NEW)],
    );
    world.replace("web", [instance("web", 1).labels(OLD)]);
    assert_eq!(world.rule("web"), "Host(`old.example`)");
}

#[test]
fn a_router_that_only_older_instances_declare_stands_until_they_are_gone() {
    let mut world = World::new();
    let old = [
        ("mesh.http.routers.web.rule", "Host(`web.example`)"),
        ("mesh.http.routers.admin.rule", "Host(`admin.example`)"),
    ];
    world.replace(
        "web",
        [instance("web", 1).labels(&old), instance("web", 2).labels(NEW)],
    );
    assert_eq!(world.rule("admin"), "Host(`admin.example`)");
    world.replace("web", [instance("web", 2).labels(NEW)]);
    assert_eq!(world.rule("admin"), "Host(`admin.example`)");
    world.pass(10);
    assert!(world.router("admin").is_none());
    assert!(world.router("web").is_some());
}

#[test]
fn one_warning_says_who_disagrees_with_the_owner() {
    let mut world = World::new();
    let mut all: Vec<_> = (1..=6)
        .map(|number| instance("web", number).labels(OLD))
        .collect();
    all.push(instance("web", 7).labels(NEW));
    world.replace("web", all);
    let router = world.router("web").unwrap();
    let [problem] = router.problems.as_slice() else {
        panic!("{:?}", router.problems);
    };
    assert_eq!(
        problem.to_string(),
        "consul service web-7: http.routers.web: defined differently by consul service web-6, consul service \
         web-5, consul service web-4 and 3 more; this definition holds (expected during a rolling deploy; \
         otherwise give all copies of the service the same labels)"
    );
}

#[test]
fn instances_that_agree_are_no_problem() {
    let mut world = World::new();
    world.replace(
        "web",
        [instance("web", 1).labels(OLD), instance("web", 2).labels(OLD)],
    );
    assert!(world.router("web").unwrap().problems.is_empty());
    assert!(world.problems().is_empty());
}

#[test]
fn a_broken_label_leaves_the_last_good_version_of_its_object_in_force() {
    let mut world = World::new();
    let both = |rule| {
        instance("web", 1).labels(&[
            ("mesh.http.routers.web.rule", rule),
            ("mesh.http.routers.other.rule", "Host(`other.example`)"),
        ])
    };
    world.replace("web", [both("Host(`web.example`)")]);
    world.replace("web", [both("Host(`web.example`")]);
    assert_eq!(world.rule("web"), "Host(`web.example`)");
    assert_eq!(world.rule("other"), "Host(`other.example`)");
    assert_eq!(world.servers("web").len(), 1);
    let problems = &world.router("web").unwrap().problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(world.router("other").unwrap().problems.is_empty());
}

#[test]
fn a_broken_service_keeps_its_definition_and_its_servers() {
    let mut world = World::new();
    let web = |interval| {
        instance("web", 1).labels(&[
            ("mesh.http.services.web.loadbalancer.server.port", "8080"),
            (
                "mesh.http.services.web.loadbalancer.healthcheck.interval",
                interval,
            ),
        ])
    };
    world.replace("web", [web("10s")]);
    let before = world.servers("web");
    world.replace("web", [web("often")]);
    assert_eq!(world.servers("web"), before);
    assert_eq!(world.service("web").unwrap().problems.len(), 1);
}

#[test]
fn a_broken_object_that_never_was_good_is_a_problem_and_disables_nobody() {
    let mut world = World::new();
    world.replace(
        "web",
        [instance("web", 1).labels(&[("mesh.http.routers.web.rule", "Host(")])],
    );
    world.replace("api", [instance("api", 2)]);
    assert!(world.router("web").is_none());
    assert!(world.service("web").is_some());
    assert!(world.router("api").is_some());
    assert_eq!(world.problems().len(), 1);
}

#[test]
fn the_first_of_two_tenants_keeps_the_name_and_both_are_named() {
    let mut world = World::new();
    world.list(&["a", "b"]);
    world.replace("a", [instance("a", 5).labels(OLD)]);
    world.replace("b", []);
    // Created earlier, but it claims the name later.
    world.replace("b", [instance("b", 1).labels(NEW)]);
    assert_eq!(world.rule("web"), "Host(`old.example`)");
    let problem = world.router("web").unwrap().problems[0].to_string();
    assert!(problem.contains("service b declares it too"), "{problem}");
    assert!(problem.contains("belongs to service a"), "{problem}");
    world.replace("a", []);
    assert_eq!(world.rule("web"), "Host(`old.example`)");
    world.pass(10);
    assert_eq!(
        world.rule("web"),
        "Host(`old.example`)",
        "retained routes keep their names"
    );
    world.pass(600);
    assert_eq!(world.rule("web"), "Host(`new.example`)");
}

#[test]
fn a_tenant_that_names_itself_after_another_gets_neither_its_routes_nor_its_requests() {
    let mut world = World::new();
    world.list(&["shop", "evil"]);
    world.replace("shop", [instance("shop", 1)]);
    world.replace("evil", []);
    world.replace("evil", [instance("evil", 2).labels(&[("mesh.service", "shop")])]);
    assert_eq!(world.servers("shop").len(), 1);
    assert!(!world.router("shop").unwrap().problems.is_empty());
}

#[test]
fn services_that_carry_the_same_group_are_one_service() {
    let mut world = World::new();
    let labels: &[(&str, &str)] = &[("mesh.service", "shop"), ("mesh.host", "shop.example")];
    world.replace("shop-blue", [instance("shop-blue", 1).labels(labels)]);
    world.replace("shop-green", [instance("shop-green", 2).labels(labels)]);
    assert_eq!(world.servers("shop").len(), 2);
    assert!(world.router("shop").unwrap().problems.is_empty());
    assert!(world.router("shop-blue").is_none());
}

#[test]
fn a_deploy_that_moves_a_service_into_a_group_hands_the_routes_over_at_once() {
    let mut world = World::new();
    let grouped: &[(&str, &str)] = &[OLD[0], ("mesh.service", "shop")];
    world.replace("web", [instance("web", 1).labels(OLD)]);
    world.replace(
        "web",
        [instance("web", 1).labels(OLD), instance("web", 2).labels(grouped)],
    );
    let service = |world: &World| world.router("web").unwrap().value.service.clone().unwrap().name;
    assert_eq!(&*service(&world), "web");
    world.replace("web", [instance("web", 2).labels(grouped)]);
    assert_eq!(&*service(&world), "shop");
    assert_eq!(world.servers("shop").len(), 1);
    // And back, in place.
    world.replace("web", [instance("web", 2).labels(OLD)]);
    assert_eq!(&*service(&world), "web");
    assert_eq!(
        world.lives("web"),
        [
            ("10.0.0.1:80".to_owned(), Lifecycle::Draining),
            ("10.0.0.2:80".to_owned(), Lifecycle::Ready)
        ]
    );
}

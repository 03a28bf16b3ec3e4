//! What labels become.

use mesh_config::{ProviderName, Reference, instance::Endpoint};

use super::{With as _, World, instance};
use crate::exposure::{Allow, ExposureSettings};

fn limited(allow: Allow) -> World {
    World::exposing(&ExposureSettings {
        allow,
        ..ExposureSettings::default()
    })
}

#[test]
fn an_instance_without_labels_gets_a_service_and_a_router_of_its_name() {
    let mut world = World::new();
    world.replace("my_app", [instance("my_app", 1)]);
    assert_eq!(world.rule("my-app"), "Host(`my-app`)");
    let router = world.router("my-app").unwrap();
    assert_eq!(router.value.service, Some(Reference::local("my-app")));
    assert_eq!(world.servers("my-app")[0].url.to_string(), "http://10.0.0.1:80");
}

#[test]
fn enable_overrides_the_default_either_way() {
    let private = ExposureSettings {
        exposed_by_default: false,
        ..ExposureSettings::default()
    };
    let mut world = World::exposing(&private);
    world.replace("web", [instance("web", 1)]);
    world.replace("api", [instance("api", 2).labels(&[("mesh.enable", "true")])]);
    assert!(world.router("web").is_none());
    assert!(world.router("api").is_some());
    let mut world = World::new();
    world.replace("api", [instance("api", 2).labels(&[("mesh.enable", "false")])]);
    assert!(world.router("api").is_none());
}

#[test]
fn constraints_shut_out_what_does_not_match() {
    let mut world = World::exposing(&ExposureSettings {
        constraints: "Tag(`public`)".to_owned(),
        ..ExposureSettings::default()
    });
    let mut public = instance("web", 1);
    public.tags = vec!["public".to_owned()];
    world.replace("web", [public]);
    world.replace("api", [instance("api", 2)]);
    assert!(world.router("web").is_some());
    assert!(world.router("api").is_none());
}

#[test]
fn a_router_without_service_among_several_is_set_aside() {
    let mut world = World::new();
    let labels = [
        ("mesh.http.routers.web.rule", "Host(`a.example`)"),
        ("mesh.http.services.a.loadbalancer.server.port", "81"),
        ("mesh.http.services.b.loadbalancer.server.port", "82"),
    ];
    world.replace("web", [instance("web", 1).labels(&labels)]);
    assert!(world.router("web").is_none());
    assert_eq!(world.servers("b")[0].url.port, 82);
    let problem = world.problems()[0].to_string();
    assert!(problem.contains("name one of a, b"), "{problem}");
}

#[test]
fn an_instance_that_declares_a_service_over_others_stays_a_server_of_its_own() {
    let mut world = World::new();
    let labels = [
        ("mesh.http.services.split.weighted.services[0].name", "web"),
        ("mesh.http.services.split.weighted.services[1].name", "next@file"),
        ("mesh.http.routers.split.rule", "Host(`split`)"),
        ("mesh.http.routers.split.service", "split"),
        ("mesh.http.routers.web.rule", "Host(`web`)"),
    ];
    world.replace(
        "web",
        [
            instance("web", 1).labels(&labels),
            instance("web", 2).labels(&labels),
        ],
    );
    assert!(world.problems().is_empty(), "{:?}", world.problems());
    assert_eq!(world.servers("web").len(), 2);
    assert_eq!(
        world.router("web").unwrap().value.service,
        Some(Reference::local("web"))
    );
    let split = world.service("split").unwrap();
    let children = split.value.kind.children();
    assert_eq!(
        children.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["web", "next@file"]
    );
    // Declared by the last instance, it outlives it.
    world.replace("web", []);
    world.replace("web", []);
    assert_eq!(world.service("split").unwrap().value.kind.name(), "weighted");
}

#[test]
fn a_broken_service_over_others_leaves_the_own_one_alone() {
    let mut world = World::new();
    let labels = [("mesh.http.services.copy.mirroring.percent", "7")];
    world.replace("web", [instance("web", 1).labels(&labels)]);
    assert_eq!(
        (world.rule("web").as_str(), world.servers("web").len()),
        ("Host(`web`)", 1)
    );
    assert!(world.service("copy").is_none());
    assert!(
        world.problems()[0].to_string().contains("copy.mirroring"),
        "{:?}",
        world.problems()
    );
}

#[test]
fn services_over_others_name_those_of_allowed_providers_only() {
    let mut world = World::new();
    let labels = |child: &str| {
        let child = child.to_owned();
        move |number| {
            instance("web", number).labels(&[
                ("mesh.http.services.x.failover.service", "web"),
                ("mesh.http.services.x.failover.fallback", &child),
            ])
        }
    };
    world.replace("web", [labels("spare@file")(1)]);
    assert!(world.service("x").is_some());
    let mut world = World::new();
    world.replace("web", [labels("secret@nomad")(1)]);
    assert!(world.service("x").is_none());
    let problem = world.problems()[0].to_string();
    assert!(
        problem.contains("labels may not refer to secret@nomad"),
        "{problem}"
    );
}

#[test]
fn keys_of_middlewares_are_texts_in_labels() {
    let problem = |key: &'static str| {
        let mut world = World::new();
        let labels = instance("web", 1).labels(&[
            ("mesh.http.middlewares.a.forwardauth.address", "http://auth:80/"),
            ("mesh.http.middlewares.r.ratelimit.redis.db", "1"),
            (key, "/etc/mesh/operators.key"),
        ]);
        world.replace("web", [labels]);
        world.problems()[0].to_string()
    };
    for key in [
        "mesh.http.middlewares.a.forwardauth.tls.key",
        "mesh.http.middlewares.a.forwardauth.tls.ca",
        "mesh.http.middlewares.r.ratelimit.redis.tls.cert",
    ] {
        let problem = problem(key);
        assert!(problem.contains("labels may not name files"), "{problem}");
    }
}

#[test]
fn a_port_is_chosen_by_name_by_declared_number_or_taken_literally() {
    let mut web = instance("web", 1);
    web.endpoints = vec![
        Endpoint {
            name: Some("http".to_owned()),
            declared_port: 8080,
            port: 31_000,
        },
        Endpoint {
            name: Some("admin".to_owned()),
            declared_port: 9000,
            port: 31_001,
        },
    ];
    for (choice, port) in [
        (None, 31_000),
        (Some("9000"), 31_001),
        (Some("admin"), 31_001),
        (Some("1234"), 1234),
    ] {
        let mut world = World::new();
        let labels: Vec<_> = choice.map(|port| ("mesh.port", port)).into_iter().collect();
        world.replace("web", [web.clone().labels(&labels)]);
        assert_eq!(world.servers("web")[0].url.port, port, "{choice:?}");
    }
}

#[test]
fn an_instance_without_port_is_no_server_and_its_route_stays() {
    let mut world = World::new();
    let mut web = instance("web", 1);
    web.endpoints.clear();
    world.replace("web", [web]);
    assert!(world.servers("web").is_empty());
    assert!(world.router("web").is_some());
    let problem = world.service("web").unwrap().problems[0].to_string();
    assert!(
        problem.starts_with("consul service web-1: http.services.web: port is missing"),
        "{problem}"
    );
}

#[test]
fn what_a_provider_says_of_an_instance_without_address_is_told() {
    let mut world = World::new();
    let mut web = instance("web", 1);
    web.address = None;
    web.reason = Some("its machine is unknown".to_owned());
    world.replace("web", [web]);
    let problem = world.service("web").unwrap().problems[0].to_string();
    assert!(
        problem.ends_with("its provider gives no address for it: its machine is unknown"),
        "{problem}"
    );
}

#[test]
fn a_label_beats_the_providers_weight_and_zero_is_a_weight() {
    let mut world = World::new();
    let (mut first, mut second) = (instance("web", 1), instance("web", 2));
    (first.weight, second.weight) = (5, 5);
    let second = second.labels(&[("mesh.weight", "0")]);
    world.replace("web", [first, second]);
    let weights: Vec<_> = world.servers("web").iter().map(|server| server.weight).collect();
    assert_eq!(weights, [5, 0]);
}

#[test]
fn a_canary_is_marked_and_its_service_knows_its_share() {
    let mut world = World::new();
    let mut all: Vec<_> = (1..=3).map(|number| instance("web", number)).collect();
    all.push(instance("web", 4).labels(&[("mesh.canary", "true"), ("mesh.canary.weight", "10")]));
    world.replace("web", all);
    let servers = world.servers("web");
    let marked: Vec<_> = servers
        .iter()
        .map(|server| (server.weight, server.canary))
        .collect();
    assert_eq!(marked, [(1, false), (1, false), (1, false), (1, true)]);
    assert_eq!(world.canary("web").unwrap().weight, Some(10));
}

#[test]
fn who_is_strongest_says_each_part_of_what_canaries_get_and_the_service_itself_before_that() {
    let mut world = World::new();
    let stable = [("mesh.canary.stop.margin", "5"), ("mesh.canary.weight", "30")];
    let stop_only = [("mesh.canary.stop.margin", "5")];
    let own = [
        ("mesh.canary.weight", "30"),
        ("mesh.http.services.web.loadbalancer.canary.weight", "40"),
    ];
    let canary = [
        ("mesh.canary", "true"),
        ("mesh.canary.weight", "20"),
        ("mesh.canary.stop", "true"),
    ];
    for (stable, weight, margin) in [
        (&stable[..], 30, 5),
        (&stop_only[..], 20, 5),
        (&own[..], 40, 10),
        (&[][..], 20, 10),
    ] {
        let one = instance("web", 1).labels(stable);
        world.replace("web", [one, instance("web", 2).labels(&canary)]);
        let found = world.canary("web").unwrap();
        let found = (found.weight, found.stop.unwrap().margin);
        assert_eq!(found, (Some(weight), margin), "{stable:?}");
    }
}

#[test]
fn a_canary_does_not_define_what_stable_instances_define() {
    let mut world = World::new();
    let canary = [("mesh.canary", "true"), ("mesh.host", "canary.example")];
    let stable = [("mesh.host", "web.example")];
    world.replace(
        "web",
        [
            instance("web", 1).labels(&stable),
            instance("web", 2).labels(&canary),
        ],
    );
    assert_eq!(world.rule("web"), "Host(`web.example`)");
}

#[test]
fn a_host_outside_the_allowed_ones_sets_the_router_aside_and_names_instance_and_limit() {
    let mut world = limited(Allow {
        hosts: vec!["tenant.example".to_owned()],
        ..Allow::default()
    });
    let labels = [
        ("mesh.http.routers.good.rule", "Host(`a.tenant.example`)"),
        (
            "mesh.http.routers.bad.rule",
            "Host(`a.tenant.example`) || Host(`bank.example`)",
        ),
    ];
    world.replace("web", [instance("web", 1).labels(&labels)]);
    assert!(world.router("good").is_some());
    assert!(world.router("bad").is_none());
    assert_eq!(
        world.problems()[0].to_string(),
        "consul service web-1: http.routers.bad.rule: not every alternative of the rule is bound to an allowed \
         host (allow.hosts of consul: tenant.example)"
    );
}

#[test]
fn entrypoints_and_priorities_stay_within_their_limits() {
    let mut world = limited(Allow {
        entry_points: vec!["web".to_owned()],
        max_priority: Some(10),
        ..Allow::default()
    });
    let labels = [
        ("mesh.http.routers.silent.rule", "Host(`silent.example`)"),
        ("mesh.http.routers.greedy.rule", "Host(`greedy.example`)"),
        ("mesh.http.routers.greedy.priority", "11"),
        ("mesh.http.routers.nosy.rule", "Host(`nosy.example`)"),
        ("mesh.http.routers.nosy.entrypoints", "web,mesh"),
    ];
    world.replace("web", [instance("web", 1).labels(&labels)]);
    let silent = world.router("silent").unwrap();
    assert_eq!(silent.value.entry_points, ["web"]);
    assert_eq!(silent.value.priority, 10);
    assert!(world.router("greedy").is_none());
    assert!(world.router("nosy").is_none());
    assert_eq!(world.problems().len(), 2);
}

#[test]
fn labels_refer_to_their_own_provider_to_files_and_to_what_is_listed() {
    let mut world = World::exposing(&ExposureSettings {
        references: vec![ProviderName::new("nomad")],
        ..ExposureSettings::default()
    });
    let labels = [
        ("mesh.http.routers.own.middlewares", "a,b@consul,c@file,d@nomad"),
        ("mesh.http.routers.other.middlewares", "a@ecs"),
        ("mesh.http.routers.api.service", "api@internal"),
        ("mesh.http.middlewares.all.chain.middlewares", "x@docker"),
    ];
    world.replace("web", [instance("web", 1).labels(&labels)]);
    assert!(world.router("own").is_some());
    assert!(world.router("other").is_none());
    assert!(world.router("api").is_none());
    assert!(world.configuration().middlewares.is_empty());
    let texts: Vec<_> = world.problems().iter().map(ToString::to_string).collect();
    assert!(
        texts
            .iter()
            .any(|text| text.contains("may not refer to api@internal")),
        "{texts:?}"
    );
}

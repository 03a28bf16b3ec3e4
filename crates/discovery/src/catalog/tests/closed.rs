//! Routers that cannot be used keep what they match, as far as they say it.

use mesh_config::{Configuration, model::Router};

use super::{With as _, World, instance, qualified};
use crate::exposure::{Allow, ExposureSettings};

/// `rule on entrypoints at priority` of what is closed under `name`, with a word about TLS.
fn closed(configuration: &Configuration, name: &str) -> Option<String> {
    let Router {
        entry_points,
        rule,
        priority,
        middlewares,
        service,
        tls,
        ..
    } = &configuration.closed.get(&qualified(name))?.value;
    assert!(middlewares.is_empty() && service.is_none());
    let tls = if tls.is_some() { " with tls" } else { "" };
    Some(format!(
        "{} on {:?} at {priority}{tls}",
        rule.as_ref().unwrap().text(),
        entry_points.join(",")
    ))
}

fn of_labels(exposure: &ExposureSettings, labels: &[(&str, &str)]) -> Option<String> {
    let mut world = World::exposing(exposure);
    world.replace("web", [instance("web", 1).labels(labels)]);
    assert!(world.router("web").is_none(), "it serves");
    assert!(!world.problems().is_empty(), "nobody is told");
    closed(&world.configuration(), "web")
}

#[test]
fn a_broken_router_of_labels_is_closed_where_its_rule_can_be_read() {
    let anything = ExposureSettings::default();
    let full = "mesh.http.routers.web";
    for (labels, expected) in [
        (
            vec![(".rule", "Host(`a.test`)"), (".middlewars", "auth")],
            Some("Host(`a.test`) on \"\" at 0"),
        ),
        (
            vec![(".rule", "Host:a.test"), (".priority", "high"), (".tls", "true")],
            Some("Host(`a.test`) on \"\" at 0 with tls"),
        ),
        (
            vec![(".rule", "Host:a.test"), (".tls.optoins", "mtls@file")],
            Some("Host(`a.test`) on \"\" at 0 with tls"),
        ),
        (
            vec![(".priority", "high"), (".entrypoints", "web")],
            Some("Host(`web`) on \"web\" at 0"),
        ),
        (vec![(".rule", "Hots(`a.test`)"), (".priority", "7")], None),
        (vec![(".rule", "Hots:a.test"), (".priority", "7")], None),
    ] {
        let keys: Vec<_> = labels.iter().map(|(key, _)| format!("{full}{key}")).collect();
        let labels = keys
            .iter()
            .zip(&labels)
            .map(|(key, (_, value))| (key.as_str(), *value));
        let labels: Vec<_> = labels.collect();
        assert_eq!(of_labels(&anything, &labels).as_deref(), expected, "{labels:?}");
    }
    let simple = [
        ("mesh.host", "a.test"),
        ("mesh.priority", "high"),
        ("mesh.entrypoints", "web"),
    ];
    assert_eq!(
        of_labels(&anything, &simple).as_deref(),
        Some("Host(`a.test`) on \"web\" at 0")
    );
    let broken = [("mesh.host", "a/test"), ("mesh.priority", "1")];
    assert_eq!(of_labels(&anything, &broken), None);
}

#[test]
fn a_router_that_could_mean_several_services_is_closed() {
    let mut world = World::new();
    let labels = [
        ("mesh.http.routers.web.priority", "7"),
        ("mesh.http.services.a.loadbalancer.server.port", "81"),
        ("mesh.http.services.b.loadbalancer.server.port", "82"),
    ];
    world.replace("web", [instance("web", 1).labels(&labels)]);
    assert_eq!(
        closed(&world.configuration(), "web").as_deref(),
        Some("Host(`web`) on \"\" at 7")
    );
}

#[test]
fn nobody_closes_what_he_was_not_allowed_to_take() {
    let limited = ExposureSettings {
        allow: Allow {
            hosts: vec!["tenant.test".to_owned()],
            entry_points: vec!["web".to_owned()],
            max_priority: Some(9),
        },
        ..ExposureSettings::default()
    };
    let broken = ("mesh.http.routers.web.nonsense", "1");
    let rule = "mesh.http.routers.web.rule";
    let own = (rule, "Host(`a.tenant.test`)");
    for (labels, expected) in [
        (vec![own, broken], Some("Host(`a.tenant.test`) on \"web\" at 9")),
        (
            vec![own, ("mesh.http.routers.web.priority", "100")],
            Some("Host(`a.tenant.test`) on \"web\" at 9"),
        ),
        (
            vec![own, ("mesh.http.routers.web.middlewares", "auth@nomad")],
            Some("Host(`a.tenant.test`) on \"web\" at 9"),
        ),
        (vec![own, ("mesh.http.routers.web.entrypoints", "mesh")], None),
        (vec![(rule, "Host(`other.test`)"), broken], None),
        (vec![(rule, "Host(`other.test`)")], None),
    ] {
        assert_eq!(of_labels(&limited, &labels).as_deref(), expected, "{labels:?}");
    }
}

#[test]
fn an_earlier_good_definition_goes_on_and_nothing_is_closed() {
    let mut world = World::new();
    let good = [("mesh.http.routers.web.rule", "Host(`a.test`)")];
    let bad = [
        ("mesh.http.routers.web.rule", "Host(`b.test`)"),
        ("mesh.http.routers.web.x", "1"),
    ];
    world.replace("web", [instance("web", 1).labels(&good)]);
    world.replace("web", [instance("web", 2).labels(&bad)]);
    assert_eq!(world.rule("web"), "Host(`a.test`)");
    assert!(world.configuration().closed.is_empty());
}

const BROKEN: &str = "
http:
  routers:
    a: {rule: 'Host(`a.test`)', entryPoints: [side], priority: 5, middlewares: auth, servce: s}
    b: {rule: 'Host(`b.test`)', tls: 7, service: s}
    c: {rule: 'Host(`c.test`)'}
    d: {rule: 'Hots(`d.test`)', service: s}
";

#[test]
fn a_broken_router_of_a_document_is_closed_where_its_rule_can_be_read() {
    let mut world = World::new();
    world.document("routes.yml", BROKEN);
    let configuration = world.configuration();
    let found = ["a", "b", "c", "d"].map(|name| closed(&configuration, &format!("{name}@file")));
    let expected = [
        Some("Host(`a.test`) on \"side\" at 5"),
        Some("Host(`b.test`) on \"\" at 0 with tls"),
        Some("Host(`c.test`) on \"\" at 0"),
        None,
    ];
    assert_eq!(found.each_ref().map(Option::as_deref), expected);
    // As soon as there is a good one it serves, and what breaks from then on is no reason to close it.
    let good = BROKEN.replace("servce", "service");
    world.document("routes.yml", &good);
    assert_eq!(world.rule("a@file"), "Host(`a.test`)");
    world.document("routes.yml", BROKEN);
    assert_eq!(world.rule("a@file"), "Host(`a.test`)");
    assert_eq!(world.configuration().closed.len(), 2);
}

#[test]
fn a_closed_router_of_a_document_stays_closed_while_nobody_can_read_what_it_matches() {
    let mut world = World::new();
    let text = "http:\n  routers:\n    a: {rule: 'Host(`a.test`)', nonsense: 1}\n";
    for broken in [
        text.replace("routers", "ruoters"),
        text.replace("http", "htpt"),
        text.replace("Host", "Hots"),
    ] {
        world.document("routes.yml", text);
        world.document("routes.yml", &broken);
        let closed_still = closed(&world.configuration(), "a@file");
        assert_eq!(
            closed_still.as_deref(),
            Some("Host(`a.test`) on \"\" at 0"),
            "{broken}"
        );
    }
    world.document("routes.yml", "http:\n  routers: {}\n");
    assert_eq!(closed(&world.configuration(), "a@file"), None);
}

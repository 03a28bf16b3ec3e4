//! What becomes of the labels of one service.

use proptest::prelude::*;

use super::*;
use crate::migrate::scan::scan;

fn translate(set: Vec<Found>) -> Vec<Judged> {
    super::translate(set, &mut fabio::Names::default())
}

/// What is written for `text`, and the notes.
fn migrated(text: &str) -> (Vec<String>, String) {
    let judged = translate(scan(text, "traefik"));
    let written = judged.iter().flat_map(|judged| match &judged.outcome {
        Outcome::Translated(labels) | Outcome::Closed(labels) => labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect(),
        Outcome::LeftOut | Outcome::Refused | Outcome::Ours(..) => Vec::new(),
    });
    let notes = judged
        .iter()
        .map(|judged| format!("{}: {}\n", judged.found.key, judged.note));
    (written.collect(), notes.collect())
}

#[test]
fn labels_keep_their_names_below_another_prefix() {
    let (written, _) = migrated(
        "traefik.enable=true\ntraefik.http.routers.a.rule=Host(`a.com`,`b.com`)\ntraefik.http.routers.a.rulesyntax=v2\n\
         traefik.http.middlewares.w.ipwhitelist.sourcerange=10.0.0.0/8\n",
    );
    assert_eq!(
        written,
        [
            "mesh.enable=true",
            "mesh.http.routers.a.rule=(Host(`a.com`) || Host(`b.com`))",
            "mesh.http.routers.a.priority=21",
            "mesh.http.middlewares.w.ipallowlist.sourcerange=10.0.0.0/8",
        ]
    );
}

#[test]
fn an_object_with_a_key_that_does_not_translate_is_left_whole() {
    let (written, notes) = migrated(
        "traefik.http.routers.a.rule=Host(`a.com`)\ntraefik.http.middlewares.p.plugin.demo.x=1\n\
         traefik.http.routers.b.rule=Host(`b.com`)\ntraefik.http.routers.b.nonsense=1\n",
    );
    assert_eq!(written, ["mesh.http.routers.a.rule=Host(`a.com`)"], "{notes}");
    assert!(
        notes.contains("traefik.http.routers.b.nonsense: unknown key"),
        "{notes}"
    );
}

#[test]
fn a_service_that_loses_its_last_router_is_closed() {
    let lost = "traefik.http.routers.a.rule=Hots(`a.com`)\n";
    let (written, notes) = migrated(&format!("traefik.enable=true\n{lost}"));
    assert_eq!(written, ["mesh.enable=false"], "{notes}");
    assert!(
        translate(scan(lost, "traefik"))
            .iter()
            .any(|judged| judged.closes)
    );
}

#[test]
fn no_router_is_left_without_its_rule_or_its_middlewares() {
    let (written, notes) = migrated(
        "traefik.http.routers.a.entrypoints=web\ntraefik.http.routers.a.rule=Hots(`a.com`)\ntraefik.http.routers.b.rule=Host(`b.com`)\n",
    );
    assert_eq!(written, ["mesh.http.routers.b.rule=Host(`b.com`)"], "{notes}");
    let (written, notes) = migrated(
        "traefik.http.routers.a.entrypoints=web\ntraefik.http.routers.a.middlewares=auth@docker\ntraefik.http.routers.b.rule=Host(`b.com`)\n",
    );
    assert!(written.is_empty(), "{written:?} {notes}");
}

#[test]
fn what_is_not_served_is_refused_beside_what_is() {
    let (written, notes) = migrated(
        "traefik.http.routers.a.rule=Host(`a.com`)\ntraefik.tcp.routers.t.rule=HostSNI(`*`)\ntraefik.frontend.rule=Host:a\n",
    );
    assert_eq!(written.len(), 1, "{notes}");
    assert!(
        notes.contains("traefik.tcp.routers.t.rule: not served"),
        "{notes}"
    );
}

fn keys() -> impl Strategy<Value = String> {
    let names = [
        "http",
        "tcp",
        "routers",
        "services",
        "middlewares",
        "a",
        "rule",
        "rulesyntax",
        "service",
        "enable",
        "loadbalancer",
        "server",
        "port",
        "stripprefix",
        "prefixes",
        "ipwhitelist",
        "sourcerange",
        "frontend",
        "tls",
        "domains[0]",
        "main",
        "",
        "healthcheck",
        "path",
        "host",
        "canary",
        "weight",
    ];
    prop::collection::vec(prop::sample::select(names.to_vec()), 1..6).prop_map(|names| names.join("."))
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("true".to_owned()),
        Just("8080".to_owned()),
        Just("Host(`a.com`,`b.com`)".to_owned()),
        Just("HostRegexp(`{x:[a-z]+}.com`)".to_owned()),
        "[ -~]{0,12}",
    ]
}

proptest! {
    #[test]
    fn whatever_is_written_is_accepted(labels in prop::collection::vec((keys(), texts()), 0..12)) {
        let text: String = labels.iter().map(|(key, value)| format!("traefik.{key}={value}\n")).collect();
        let judged = translate(scan(&text, "traefik"));
        let declaration = decoded(&judged);
        prop_assert!(declaration.problems.is_empty() && declaration.set_aside.is_empty(), "{declaration:?}");
    }

    #[test]
    fn tags_of_fabio_are_written_so_that_they_are_accepted(tags in prop::collection::vec(
        "urlprefix-[a-z*.:/-]{0,12}( (strip|prepend|proto|host|redirect|allow|deny|weight|auth)=[a-z0-9/:.,$]{0,12}){0,3}", 0..5)) {
        let text = tags.join("\n");
        let declaration = decoded(&translate(scan(&text, "traefik")));
        prop_assert!(declaration.problems.is_empty() && declaration.set_aside.is_empty(), "{declaration:?}");
    }
}

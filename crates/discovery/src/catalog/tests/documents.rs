//! Documents: whole files of objects.

use std::sync::Arc;

use mesh_config::ProviderName;

use super::{World, file};
use crate::provider::{Content, Report, Scope};

const GOOD: &str = "
http:
  routers:
    a: {rule: 'Host(`a.example`)', service: s}
    b: {rule: 'Host(`b.example`)', service: s}
  services:
    s: {loadBalancer: {servers: [{url: 'http://10.0.0.1'}]}}
";

#[test]
fn a_broken_object_keeps_its_good_version_and_leaves_its_neighbours_alone() {
    let mut world = World::new();
    world.document("routes.yml", GOOD);
    let b = world.router("b@file").unwrap();
    world.document(
        "routes.yml",
        &GOOD.replace("Host(`a.example`)", "Host(`a.example`"),
    );
    assert_eq!(world.rule("a@file"), "Host(`a.example`)");
    assert_eq!(world.router("a@file").unwrap().problems.len(), 1);
    assert_eq!(world.router("b@file").unwrap().value, b.value);
    world.document("routes.yml", &GOOD.replace("a.example", "new.example"));
    assert_eq!(world.rule("a@file"), "Host(`new.example`)");
    assert!(world.router("a@file").unwrap().problems.is_empty());
}

#[test]
fn a_good_version_survives_any_number_of_broken_ones() {
    let mut world = World::new();
    world.document("routes.yml", GOOD);
    for broken in ["Host(", "Path(", "&&"] {
        world.document("routes.yml", &GOOD.replace("Host(`a.example`)", broken));
        assert_eq!(world.rule("a@file"), "Host(`a.example`)", "{broken}");
    }
}

#[test]
fn an_object_that_was_removed_is_gone_at_once() {
    let mut world = World::new();
    world.document("routes.yml", GOOD);
    world.document("routes.yml", &GOOD.replace("b: {", "c: {"));
    assert!(world.router("b@file").is_none());
    assert!(world.router("c@file").is_some());
}

#[test]
fn a_file_that_is_no_longer_listed_takes_its_objects_along_and_no_others() {
    let mut world = World::new();
    world.document("a.yml", GOOD);
    world.document("b.yml", &GOOD.replace(" a: ", " c: ").replace(" b: ", " d: "));
    world.files("directory", &["b.yml"]);
    assert!(world.router("a@file").is_none());
    assert!(world.router("c@file").is_some());
    // Both declared the service.
    assert!(world.service("s@file").is_some());
}

#[test]
fn what_moves_from_one_file_to_another_is_always_there() {
    let mut world = World::new();
    world.files("directory", &["a.yml"]);
    world.document("a.yml", GOOD);
    world.files("directory", &["b.yml"]);
    assert_eq!(world.rule("a@file"), "Host(`a.example`)");
    world.document(
        "b.yml",
        &GOOD.replace("a.example", "new.example").replace(" b: ", " c: "),
    );
    assert_eq!(world.rule("a@file"), "Host(`new.example`)");
    assert!(world.router("a@file").unwrap().problems.is_empty());
    assert!(world.router("b@file").is_none());
}

#[test]
fn a_file_that_is_listed_again_before_the_others_were_told_stays() {
    let mut world = World::new();
    world.files("directory", &["a.yml"]);
    world.document("a.yml", GOOD);
    world.files("directory", &["b.yml"]);
    world.files("directory", &["a.yml", "b.yml"]);
    world.document("b.yml", "");
    assert_eq!(world.rule("a@file"), "Host(`a.example`)");
}

#[test]
fn a_file_that_cannot_be_read_keeps_no_other_from_ending() {
    let mut world = World::new();
    world.files("directory", &["a.yml"]);
    world.document("a.yml", GOOD);
    world.files("directory", &["b.yml"]);
    world.fail(&file(), "b.yml");
    assert!(world.router("a@file").is_none());
}

#[test]
fn the_first_of_two_files_keeps_a_name() {
    let mut world = World::new();
    world.document("b.yml", GOOD);
    world.document("a.yml", &GOOD.replace("a.example", "other.example"));
    assert_eq!(world.rule("a@file"), "Host(`a.example`)");
    let problem = world.router("a@file").unwrap().problems[0].to_string();
    assert!(
        problem.contains("a.yml declares it too; it belongs to b.yml"),
        "{problem}"
    );
}

#[test]
fn before_everything_was_read_once_the_order_of_reading_decides_nothing() {
    let other = GOOD.replace("a.example", "other.example");
    for order in [["a.yml", "b.yml"], ["b.yml", "a.yml"]] {
        let mut world = World::new();
        world.files("directory", &order);
        for name in order {
            world.document(name, if name == "a.yml" { GOOD } else { &other });
        }
        assert_eq!(world.rule("a@file"), "Host(`a.example`)", "{order:?}");
    }
}

#[test]
fn what_may_stand_in_a_section_that_cannot_be_read_serves_on_until_it_can() {
    let mut world = World::new();
    for broken in [
        GOOD.replace("http:", "htp:"),
        GOOD.replace("routers:", "ruoters:"),
        "http: 5\n".to_owned(),
        "http:\n  routers: 7\n".to_owned(),
    ] {
        world.document("routes.yml", GOOD);
        world.document("routes.yml", &broken);
        assert!(world.router("a@file").is_some(), "{broken}");
        assert!(!world.configuration().problems.is_empty(), "{broken}");
    }
    world.document("routes.yml", "http:\n  routers: {}\n");
    assert!(world.router("a@file").is_none());
}

#[test]
fn the_same_document_again_changes_nothing() {
    let mut world = World::new();
    world.document("routes.yml", GOOD);
    let revision = world.catalog.revision();
    world.document("routes.yml", GOOD);
    assert_eq!(world.catalog.revision(), revision);
}

#[test]
fn a_provider_nobody_announced_may_deliver_documents() {
    let mut world = World::new();
    let fragment = mesh_config::document::parse("x", GOOD, mesh_config::layer::Format::Yaml).unwrap();
    let report = Report::Replace {
        scope: Scope::new("x"),
        content: Content::Fragment(Arc::new(fragment)),
    };
    world.catalog.apply(&ProviderName::new("http"), report, world.now);
    assert!(world.router("a@http").is_some());
}

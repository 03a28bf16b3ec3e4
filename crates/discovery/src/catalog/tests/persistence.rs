//! What a restart keeps.

use std::sync::Arc;

use mesh_config::{ProviderName, instance::Lifecycle, layer::Format};

use super::{With as _, World, consul, file, instance};
use crate::{
    catalog::{Catalog, CatalogSnapshot, SETTLE},
    exposure::{Allow, ExposureSettings},
    provider::{Content, Scope},
    settings::DiscoverySettings,
    status::ScopeState,
};

/// The same world after a restart, through the text of the file.
fn restart(world: &World) -> World {
    let text = serde_json::to_string(&world.catalog.snapshot()).unwrap();
    let snapshot: CatalogSnapshot = serde_json::from_str(&text).unwrap();
    let mut new = World::new();
    new.now = world.now;
    new.catalog.restore(snapshot, new.now);
    new
}

fn assert_same(old: &World, new: &World) {
    assert_eq!(
        format!("{:#?}", new.configuration()),
        format!("{:#?}", old.configuration())
    );
}

const RULES: &[(&str, &str)] = &[
    ("mesh.http.routers.web.rule", "Host(`web.example`)"),
    ("mesh.http.middlewares.strip.stripprefix.prefixes", "/a"),
];

#[test]
fn everything_known_serves_again_and_is_stale_until_it_is_confirmed() {
    let mut world = World::new();
    world.list(&["web"]);
    world.replace("web", [instance("web", 1).labels(RULES), instance("web", 2)]);
    world.document(
        "routes.yml",
        "http: {routers: {a: {rule: 'Host(`a.example`)', service: web@consul}}}",
    );
    let mut new = restart(&world);
    assert_same(&world, &new);
    assert_eq!(new.state("web"), ScopeState::Stale);
    assert!(new.status(&consul()).synced);
    assert!(new.status(&file()).synced);
    new.replace("web", [instance("web", 1).labels(RULES)]);
    assert_eq!(new.state("web"), ScopeState::Fresh);
    assert_eq!(new.lives("web")[1].1, Lifecycle::Draining);
}

/// What an earlier run knew of a system whose history is shorter now.
fn lost_its_state() -> World {
    let mut world = World::new();
    world.history(20);
    world.list(&["web", "api"]);
    world.replace("web", [instance("web", 1).labels(RULES), instance("web", 2)]);
    world.replace("api", [instance("api", 3)]);
    let mut new = restart(&world);
    new.history(19);
    new
}

#[test]
fn a_system_that_kept_its_state_is_believed_after_a_restart() {
    let mut world = World::new();
    world.history(20);
    world.list(&["web"]);
    world.replace("web", [instance("web", 1)]);
    let mut new = restart(&world);
    new.fail(&consul(), "catalog");
    new.history(20);
    new.list(&[]);
    assert_eq!(new.lives("web")[0].1, Lifecycle::Draining);
}

#[test]
fn a_system_that_lost_its_state_takes_no_server_away_before_it_had_time_to_be_complete() {
    let mut new = lost_its_state();
    let before = format!("{:#?}", new.configuration());
    new.list(&["web"]);
    new.replace("web", []);
    new.pass(SETTLE.as_secs() - 1);
    assert_eq!(format!("{:#?}", new.configuration()), before);
    new.replace("web", [instance("web", 1).labels(RULES)]);
    let ready = |world: &World| {
        let lives = [world.lives("web"), world.lives("api")].concat();
        let ready = lives.into_iter().filter(|(_, life)| *life == Lifecycle::Ready);
        ready.map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(ready(&new).len(), 3);
    new.pass(1);
    assert_eq!(ready(&new).len(), 1, "{:?}", new.lives("web"));
}

#[test]
fn what_came_back_and_is_then_gone_drains_at_once() {
    let mut new = lost_its_state();
    new.list(&["web", "api"]);
    new.replace("web", [instance("web", 1).labels(RULES), instance("web", 2)]);
    new.replace("web", [instance("web", 1).labels(RULES)]);
    assert_eq!(new.lives("web")[1].1, Lifecycle::Draining);
}

#[test]
fn an_address_that_somebody_new_has_is_not_kept_for_one_that_is_missing() {
    let mut new = lost_its_state();
    new.list(&["web", "new"]);
    new.replace("web", [instance("web", 1).labels(RULES)]);
    new.replace("new", [instance("new", 2)]);
    assert_eq!(new.lives("web").len(), 1);
}

/// A document whose router `shop` has this host.
fn shop(host: &str) -> String {
    format!("http: {{routers: {{shop: {{rule: 'Host(`{host}`)', service: s}}}}}}")
}

#[test]
fn a_file_in_place_of_another_or_of_a_directory_has_its_names() {
    for (listing, path) in [
        ("file a.yml", "a.yml"),
        ("file ./b.yml", "./b.yml"),
        ("directory d", "d/a.yml"),
    ] {
        let mut world = World::new();
        world.files(listing, &[path]);
        world.document(path, &shop("old.example"));
        let mut new = restart(&world);
        new.document("b.yml", &shop("new.example"));
        new.files("file b.yml", &["b.yml"]);
        assert_eq!(new.rule("shop@file"), "Host(`new.example`)", "{path}");
        assert!(new.router("shop@file").unwrap().problems.is_empty());
        let scopes: Vec<_> = (new.status(&file()).scopes.into_iter())
            .map(|scope| (scope.scope, scope.state))
            .collect();
        let fresh = |name: &str| (name.to_owned(), ScopeState::Fresh);
        assert_eq!(scopes, [fresh("b.yml"), fresh("file b.yml")]);
        assert_same(&new, &restart(&new));
    }
}

#[test]
fn a_file_that_cannot_be_read_leaves_the_one_it_replaces_in_force() {
    let mut world = World::new();
    world.document("a.yml", &shop("old.example"));
    world.files("file a.yml", &["a.yml"]);
    let mut new = restart(&world);
    new.fail(&file(), "b.yml");
    assert_eq!(new.rule("shop@file"), "Host(`old.example`)");
}

#[test]
fn services_that_only_a_former_list_knows_drain() {
    let mut world = World::new();
    world.list(&["web"]);
    world.replace("web", [instance("web", 1)]);
    let mut new = restart(&world);
    new.apply(
        &consul(),
        "another catalog",
        Content::Scopes([Scope::new("api")].into()),
    );
    assert_eq!(new.lives("web")[0].1, Lifecycle::Draining);
    assert!(
        new.status(&consul())
            .scopes
            .iter()
            .all(|scope| scope.scope != "catalog")
    );
}

#[test]
fn drains_and_retentions_go_on_where_they_were() {
    let mut world = World::new();
    world.replace("web", [instance("web", 1).labels(RULES)]);
    world.replace("api", [instance("api", 2)]);
    world.replace("web", []);
    world.pass(10);
    world.replace("api", []);
    world.pass(5);
    let mut new = restart(&world);
    assert_same(&world, &new);
    new.pass(5);
    assert!(new.servers("api").is_empty());
    new.pass(589);
    assert!(new.router("web").is_some());
    new.pass(1);
    assert!(new.router("web").is_none());
    assert!(new.router("api").is_some());
}

#[test]
fn what_is_left_of_a_service_keeps_to_the_limits_of_now() {
    let limits = |hosts: &[&str], references: &[&str]| ExposureSettings {
        allow: Allow {
            hosts: hosts.iter().map(ToString::to_string).collect(),
            ..Allow::default()
        },
        references: references.iter().copied().map(ProviderName::new).collect(),
        ..ExposureSettings::default()
    };
    let mut world = World::exposing(&limits(&[], &["nomad"]));
    let guarded = [("mesh.host", "web.example"), ("mesh.middlewares", "auth@nomad")];
    world.replace("web", [instance("web", 1).labels(&guarded)]);
    world.replace("api", [instance("api", 2).labels(&[("mesh.host", "api.test")])]);
    world.replace("web", []);
    world.replace("api", []);
    world.pass(10);
    for (limits, web, api) in [
        (limits(&[], &["nomad"]), true, true),
        (limits(&[], &[]), false, true),
        (limits(&["example"], &["nomad"]), true, false),
    ] {
        let mut new = World::exposing(&limits);
        new.catalog.restore(world.catalog.snapshot(), world.now);
        assert_eq!(new.router("web").is_some(), web, "{limits:?}");
        assert_eq!(new.router("api").is_some(), api, "{limits:?}");
        assert!(new.servers("api").is_empty());
    }
}

#[test]
fn a_last_good_version_survives() {
    let mut world = World::new();
    world.replace("web", [instance("web", 1).labels(RULES)]);
    world.replace(
        "web",
        [instance("web", 1).labels(&[("mesh.http.routers.web.rule", "Host(")])],
    );
    let text = "http: {routers: {a: {rule: 'Host(`a.example`)', service: s}}}";
    world.document("routes.yml", text);
    world.document("routes.yml", &text.replace("Host(`a.example`)", "Host("));
    let new = restart(&world);
    assert_eq!(new.rule("web"), "Host(`web.example`)");
    assert_eq!(new.rule("a@file"), "Host(`a.example`)");
    assert_same(&world, &new);
}

#[test]
fn a_definition_stays_with_the_instance_that_owned_it() {
    let mut world = World::new();
    let (old, new) = (
        &[("mesh.host", "old.example")][..],
        &[("mesh.host", "new.example")][..],
    );
    world.replace(
        "web",
        [instance("web", 1).labels(old), instance("web", 2).labels(new)],
    );
    world.replace(
        "web",
        [
            instance("web", 1).labels(old),
            instance("web", 2).labels(new).life(Lifecycle::Unhealthy),
        ],
    );
    assert_eq!(restart(&world).rule("web"), "Host(`new.example`)");
}

#[test]
fn a_contested_name_stays_with_its_first_owner() {
    let mut world = World::new();
    world.list(&["a", "b"]);
    world.replace("b", []);
    world.replace("a", [instance("a", 5).labels(RULES)]);
    world.replace(
        "b",
        [instance("b", 1).labels(&[("mesh.http.routers.web.rule", "Host(`evil`)")])],
    );
    let new = restart(&world);
    assert_eq!(new.rule("web"), "Host(`web.example`)");
    assert_same(&world, &new);
}

#[test]
fn what_follows_from_settings_is_not_kept() {
    let mut world = World::new();
    let fragment = mesh_config::document::parse("settings", &shop("a.example"), Format::Yaml).unwrap();
    let internal = ProviderName::internal();
    world.catalog.register(internal.clone(), false, None);
    world.apply(&internal, "settings", Content::Fragment(Arc::new(fragment)));
    assert!(world.router("shop@internal").is_some());
    // Nor is what an earlier version wrote of it taken over.
    let text = serde_json::to_string(&world.catalog.snapshot()).unwrap();
    assert!(!text.contains("internal"), "{text}");
    world.document("a.yml", &shop("a.example"));
    let text = serde_json::to_string(&world.catalog.snapshot()).unwrap();
    let text = text.replace("\"file\":", "\"internal\":");
    let mut catalog = Catalog::new(&DiscoverySettings::default());
    catalog.register(internal, false, None);
    catalog.restore(serde_json::from_str(&text).unwrap(), world.now);
    assert!(catalog.configuration().routers.is_empty());
}

#[test]
fn what_belongs_to_a_provider_that_is_no_longer_configured_is_dropped() {
    let mut world = World::new();
    world.replace("web", [instance("web", 1)]);
    let mut catalog = Catalog::new(&DiscoverySettings::default());
    catalog.register(file(), true, None);
    catalog.restore(world.catalog.snapshot(), world.now);
    assert!(catalog.configuration().routers.is_empty());
    assert_eq!(catalog.status().len(), 1);
}

//! Instances come, fail, drain and go; routes outlive them.

use std::time::Duration;

use mesh_config::{
    ProviderName,
    instance::{Instance, Lifecycle},
};

use super::{With as _, World, consul, file, instance};
use crate::{exposure::ExposureSettings, provider::Content, settings::DiscoverySettings, status::ScopeState};

fn at(mut instance: Instance, number: u8) -> Instance {
    instance.address = Some(mesh_config::instance::Address::Ip([10, 0, 0, number].into()));
    instance
}

#[test]
fn a_failed_read_changes_nothing_but_the_state() {
    let mut world = World::new();
    world.replace("web", [instance("web", 1)]);
    let before = world.configuration();
    world.fail(&consul(), "web");
    world.pass(100_000);
    assert_eq!(format!("{:?}", world.configuration()), format!("{before:?}"));
    assert_eq!(world.state("web"), ScopeState::Failed);
    let scope = world.status(&consul()).scopes.remove(0);
    assert_eq!(
        scope.last_error.as_deref(),
        Some("cannot reach 127.0.0.1:8500: refused")
    );
    assert!(scope.last_success.is_some());
    world.replace("web", [instance("web", 1)]);
    assert_eq!(world.state("web"), ScopeState::Fresh);
    assert_eq!(world.status(&consul()).errors, 1, "what failed stays counted");
}

#[test]
fn an_instance_that_is_no_longer_listed_drains_and_is_then_forgotten() {
    let mut world = World::new();
    world.replace("web", [instance("web", 1), instance("web", 2)]);
    world.replace("web", [instance("web", 2)]);
    assert_eq!(
        world.lives("web"),
        [
            ("10.0.0.1:80".to_owned(), Lifecycle::Draining),
            ("10.0.0.2:80".to_owned(), Lifecycle::Ready),
        ]
    );
    assert_eq!(
        world.servers("web")[0].reason.as_deref(),
        Some("no longer listed by its provider")
    );
    world.pass(9);
    assert_eq!(world.servers("web").len(), 2);
    world.pass(1);
    assert_eq!(world.lives("web"), [("10.0.0.2:80".to_owned(), Lifecycle::Ready)]);
}

#[test]
fn an_instance_that_comes_back_while_it_drains_is_ready_again() {
    let mut world = World::new();
    world.replace("web", [instance("web", 1)]);
    world.replace("web", []);
    world.pass(5);
    world.replace("web", [instance("web", 1)]);
    world.pass(60);
    assert_eq!(world.lives("web"), [("10.0.0.1:80".to_owned(), Lifecycle::Ready)]);
}

#[test]
fn routes_outlive_the_last_instance_by_the_retention_and_then_end() {
    let mut world = World::new();
    world.replace("web", [instance("web", 1)]);
    world.replace("web", []);
    world.pass(10);
    assert!(world.router("web").is_some());
    assert!(world.servers("web").is_empty());
    world.pass(599);
    assert!(world.router("web").is_some());
    world.pass(1);
    assert!(world.router("web").is_none());
    assert!(world.service("web").is_none());
}

#[test]
fn without_retention_routes_end_with_the_last_instance() {
    let settings = DiscoverySettings {
        route_retention: Duration::ZERO,
        drain: Duration::ZERO,
        ..DiscoverySettings::default()
    };
    let mut world = World::with(&settings, &ExposureSettings::default());
    world.replace("web", [instance("web", 1)]);
    world.replace("web", []);
    assert!(world.router("web").is_none());
}

#[test]
fn a_service_that_comes_back_during_the_retention_goes_on_as_before() {
    let mut world = World::new();
    world.replace("web", [instance("web", 1)]);
    let router = world.router("web").unwrap();
    world.replace("web", []);
    world.pass(300);
    world.replace("web", [instance("web", 1)]);
    world.pass(3000);
    assert_eq!(world.servers("web").len(), 1);
    assert!(std::sync::Arc::ptr_eq(&router, &world.router("web").unwrap()));
}

#[test]
fn a_scope_that_is_no_longer_listed_is_replaced_by_nothing() {
    let mut world = World::new();
    world.list(&["web", "api"]);
    world.replace("web", [instance("web", 1)]);
    world.replace("api", [instance("api", 2)]);
    world.list(&["api"]);
    assert_eq!(world.lives("web")[0].1, Lifecycle::Draining);
    assert_eq!(world.lives("api")[0].1, Lifecycle::Ready);
    let scopes: Vec<_> = world.status(&consul()).scopes;
    assert_eq!(scopes.len(), 2, "{scopes:?}");
    world.pass(10);
    assert!(world.servers("web").is_empty());
}

#[test]
fn a_file_that_cannot_be_read_keeps_no_provider_out_of_sync_unless_nothing_can() {
    let mut world = World::new();
    world.fail_to_read(&file(), "a.yml");
    assert!(!world.status(&file()).synced);
    world.files("directory", &["a.yml", "b.yml"]);
    assert!(!world.status(&file()).synced, "of one file nothing was heard");
    world.fail_to_read(&file(), "b.yml");
    assert!(world.status(&file()).synced);
}

#[test]
fn a_provider_is_in_sync_once_every_listed_scope_was_read_and_stays_so() {
    let mut world = World::new();
    assert!(!world.status(&consul()).synced);
    world.list(&["web", "api"]);
    world.replace("web", [instance("web", 1)]);
    assert!(!world.status(&consul()).synced);
    world.fail(&consul(), "api");
    assert!(!world.status(&consul()).synced);
    world.replace("api", []);
    assert!(world.status(&consul()).synced);
    world.list(&["web", "api", "new"]);
    world.fail(&consul(), "web");
    assert!(world.status(&consul()).synced);
    assert_eq!(world.state("new"), ScopeState::Starting);
}

#[test]
fn an_address_that_somebody_else_has_come_to_is_taken_from_a_draining_instance_at_once() {
    let mut world = World::new();
    world.replace("web", [instance("web", 1)]);
    world.replace("web", []);
    world.replace("api", [at(instance("api", 2), 1)]);
    assert!(world.servers("web").is_empty());
    assert_eq!(world.servers("api").len(), 1);
}

#[test]
fn an_address_that_somebody_else_has_come_to_is_taken_from_a_stale_instance_at_once() {
    let mut world = World::new();
    world.replace("web", [instance("web", 1)]);
    world.fail(&consul(), "web");
    let nomad = ProviderName::new("nomad");
    let newcomer = at(instance("api", 2), 1);
    world.apply(&nomad, "default", Content::Instances(vec![newcomer]));
    assert!(world.servers("web").is_empty());
    assert_eq!(world.servers("api@nomad").len(), 1);
    assert!(world.router("web").is_some());
}

#[test]
fn two_that_share_an_address_go_on_sharing_it_when_one_cannot_be_read() {
    let mut world = World::new();
    world.replace("web", [instance("web", 1)]);
    world.replace("admin", [at(instance("admin", 2), 1)]);
    world.fail(&consul(), "web");
    world.replace("admin", [at(instance("admin", 2), 1).clone()]);
    let mut changed = at(instance("admin", 2), 1);
    changed.weight = 7;
    world.replace("admin", [changed]);
    assert_eq!(world.servers("web").len(), 1);
    assert_eq!(world.servers("admin").len(), 1);
}

#[test]
fn one_address_is_one_server_however_often_it_is_listed() {
    let mut world = World::new();
    let twin = at(instance("web", 2), 1);
    world.replace("web", [instance("web", 1).life(Lifecycle::Unhealthy), twin]);
    assert_eq!(world.lives("web"), [("10.0.0.1:80".to_owned(), Lifecycle::Ready)]);
}

#[test]
fn a_change_of_one_service_leaves_the_identity_of_all_others() {
    let mut world = World::new();
    world.replace("web", [instance("web", 1)]);
    world.replace("api", [instance("api", 2)]);
    let (router, service) = (world.router("web").unwrap(), world.service("web").unwrap());
    let (api_router, api_service) = (world.router("api").unwrap(), world.service("api").unwrap());
    world.replace("api", [instance("api", 2), instance("api", 3)]);
    assert!(std::sync::Arc::ptr_eq(&router, &world.router("web").unwrap()));
    assert!(std::sync::Arc::ptr_eq(&service, &world.service("web").unwrap()));
    assert!(std::sync::Arc::ptr_eq(&api_router, &world.router("api").unwrap()));
    assert!(!std::sync::Arc::ptr_eq(
        &api_service,
        &world.service("api").unwrap()
    ));
}

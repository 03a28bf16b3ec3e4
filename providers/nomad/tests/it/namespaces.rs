//! Namespaces, and what a token may see of them.

use std::{collections::BTreeSet, time::Duration};

use mesh_config::{ProviderName, instance::Lifecycle::Ready};
use mesh_discovery::{Content, ProviderError, Report};
use mesh_provider_nomad::{Settings, with_client};

use crate::{
    reports::{Reports, provider},
    world::{Rights, Service, World},
};

fn named(namespaces: &[&str]) -> Settings {
    Settings {
        namespaces: namespaces.iter().map(ToString::to_string).collect(),
        ..Settings::default()
    }
}

fn api_of_team() -> Service {
    Service {
        namespace: "team",
        ..Service::new("api", "t1", 9001)
    }
}

fn two() -> World {
    World::new([Service::new("web", "a1", 8001), api_of_team()])
}

#[test]
fn one_namespace_is_nomad_and_several_are_named() {
    let names = |namespaces: &[&str]| -> Vec<String> {
        let name = ProviderName::new("nomad");
        let all = with_client(&name, &named(namespaces), two()).unwrap();
        all.iter().map(|one| one.provider.name().to_string()).collect()
    };
    assert_eq!(names(&[]), ["nomad"]);
    assert_eq!(names(&["team"]), ["nomad"]);
    assert_eq!(names(&["default", "team"]), ["nomad-default", "nomad-team"]);
    assert_eq!(names(&["*"]), ["nomad"]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_reads_its_own_namespace() {
    let provider = provider(&two(), &named(&["team"]));
    let mut reports = Reports::of(&*provider);
    reports.until_scopes(&["allocations", "service api"]).await;
    reports.until("api", &[("t1", Ready)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_does_not_exist_is_a_failure_that_names_it() {
    let provider = provider(&two(), &named(&["taem"]));
    let (scope, error) = Reports::of(&*provider).failure().await;
    assert_eq!(scope, "services");
    let ProviderError::Unauthorized { reason, .. } = error else {
        panic!("{error}")
    };
    assert!(
        reason.contains("no namespace taem") && reason.contains("read-job"),
        "{reason}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_namespace_without_services_is_well() {
    let world = two();
    world.add_namespace("empty");
    let provider = provider(&world, &named(&["empty"]));
    let mut reports = Reports::of(&*provider);
    reports.until_scopes(&["allocations"]).await;
    assert!(reports.well_for(Duration::from_secs(300)).await);
}

#[tokio::test(start_paused = true)]
async fn to_a_tasks_own_token_without_a_policy_an_empty_namespace_is_a_failure_that_names_the_right() {
    let world = two();
    world.add_namespace("empty");
    world.set_rights(Rights::Task);
    let provider = provider(&world, &named(&["empty"]));
    let mut reports = Reports::of(&*provider);
    let (scope, error) = reports.failure().await;
    assert_eq!(scope, "services");
    assert!(error.to_string().contains("read-job"), "{error}");
    world.set_rights(Rights::JobsOf("empty"));
    reports.until_scopes(&["allocations"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_loses_its_rights_loses_no_service() {
    for rights in [
        Rights::Nothing,
        Rights::NamesOf("default"),
        Rights::JobsOf("team"),
    ] {
        let world = two();
        let provider = provider(&world, &Settings::default());
        let mut reports = Reports::of(&*provider);
        reports.until("web", &[("a1", Ready)]).await;
        world.set_rights(rights);
        let mut failed = BTreeSet::new();
        while failed.len() < 3 {
            failed.insert(reports.failure().await.0);
        }
        assert_eq!(reports.states("web"), [("a1".to_owned(), Ready)], "{rights:?}");
        assert!(reports.scopes.contains("service web"));
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_star_namespaces_are_found_as_they_come_and_each_is_a_provider() {
    let world = two();
    let finder = provider(&world, &named(&["*"]));
    let mut reports = Reports::of(&*finder);
    let Report::Replace {
        content: Content::Members(found),
        ..
    } = reports.next().await
    else {
        panic!("no members")
    };
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| ProviderName::new(*name))
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(found, names(&["nomad-default", "nomad-team"]));
    let team = finder.member(&ProviderName::new("nomad-team")).unwrap().provider;
    Reports::of(&*team).until("api", &[("t1", Ready)]).await;
    assert!(finder.member(&ProviderName::new("consulcatalog")).is_none());

    world.add_namespace("new");
    let Report::Replace {
        content: Content::Members(found),
        ..
    } = reports.next().await
    else {
        panic!("no members")
    };
    assert_eq!(found, names(&["nomad-default", "nomad-new", "nomad-team"]));
}

#[tokio::test(start_paused = true)]
async fn with_a_star_a_token_that_sees_no_namespace_is_a_failure_that_names_the_right() {
    let world = two();
    world.set_rights(Rights::Nothing);
    let finder = provider(&world, &named(&["*"]));
    let (scope, error) = Reports::of(&*finder).failure().await;
    assert_eq!(scope, "namespaces");
    assert!(
        matches!(&error, ProviderError::Unauthorized { reason, .. } if reason.contains("read-job")),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn with_a_star_a_namespace_that_was_never_readable_holds_nobody_up() {
    let world = two();
    world.set_rights(Rights::NamesOf("team"));
    let finder = provider(&world, &named(&["*"]));
    let team = finder.member(&ProviderName::new("nomad-team")).unwrap().provider;
    let mut reports = Reports::of(&*team);
    assert!(reports.well_for(Duration::from_secs(100)).await);
    assert!(reports.known.contains_key("not readable"));
    world.set_rights(Rights::Everything);
    reports.until("api", &[("t1", Ready)]).await;
    reports.until_scopes(&["allocations", "service api"]).await;
}

//! A service that moves from one version to another: which tasks are its canaries.

use std::time::Duration;

use mesh_provider_ecs::{Placed, Service, Task, Translation};
use serde_json::{Value, json};

use crate::{
    recorded,
    tasks::{declared, definition, from, task, wire},
    watch::{Watch, provider, settings},
    world::World,
};

const WEIGHT: &[(&str, &str)] = &[("mesh.canary.weight", "10")];

/// The tasks, by the deployment that started them, which become canaries.
fn canaries(service: Value, tags: &[(&str, &str)], tasks: &[Value]) -> Vec<String> {
    let mut service: Service = from(service);
    service.tags = from(wire(tags));
    let revision = definition(json!({}));
    let tasks: Vec<Task> = tasks.iter().map(|over| task(over.clone())).collect();
    let placed: Vec<_> = tasks
        .iter()
        .map(|task| Placed {
            task,
            definition: &revision,
            host: None,
            created: 1,
        })
        .collect();
    let found = Translation::default().instances("web", Some(&service), &placed);
    assert_eq!(found.len(), tasks.len());
    let canaries = found
        .iter()
        .zip(&tasks)
        .filter(|(instance, _)| declared(instance).canary);
    canaries.map(|(_, task)| task.started_by.clone()).collect()
}

/// A rolling update from `old` to `new`.
fn rolling() -> Value {
    json!({"deployments": [
        {"id": "new", "status": "PRIMARY", "rolloutState": "IN_PROGRESS", "createdAt": 2000.0},
        {"id": "old", "status": "ACTIVE", "rolloutState": "COMPLETED", "createdAt": 1000.0},
    ]})
}

fn by(deployment: &str) -> Value {
    json!({"startedBy": deployment, "taskArn": format!("task/shop/{deployment}")})
}

#[test]
fn tasks_of_the_primary_deployment_are_canaries_while_an_older_one_has_ready_tasks() {
    let both = [by("old"), by("new")];
    assert_eq!(canaries(rolling(), WEIGHT, &both), ["new"]);
    assert_eq!(
        canaries(rolling(), &[("mesh.canary.stop", "true")], &both),
        ["new"]
    );
    let full = [("mesh.http.services.web.loadbalancer.canary.weight", "10")];
    assert_eq!(canaries(rolling(), &full, &both), ["new"]);
    let mut leaving = by("old");
    leaving["desiredStatus"] = json!("STOPPED");
    assert!(canaries(rolling(), WEIGHT, &[leaving, by("new")]).is_empty());
    assert!(canaries(rolling(), WEIGHT, &[by("new")]).is_empty());
}

#[test]
fn a_service_whose_tags_do_not_speak_of_canaries_has_none() {
    let both = [by("old"), by("new")];
    assert!(canaries(rolling(), &[], &both).is_empty());
    assert!(canaries(rolling(), &[("mesh.weight", "3")], &both).is_empty());
}

#[test]
fn tags_have_the_last_word() {
    let both = [by("old"), by("new")];
    let none = [("mesh.canary", "false"), ("mesh.canary.weight", "10")];
    assert!(canaries(rolling(), &none, &both).is_empty());
    let all = [("mesh.canary", "true"), ("mesh.canary.weight", "10")];
    assert_eq!(canaries(rolling(), &all, &both), ["old", "new"]);
}

#[test]
fn of_a_rollback_the_deployment_that_failed_is_the_canary() {
    let rollback = json!({"deployments": [
        {"id": "again", "status": "PRIMARY", "rolloutState": "IN_PROGRESS", "createdAt": 3000.0},
        {"id": "failed", "status": "ACTIVE", "rolloutState": "FAILED", "createdAt": 2000.0},
        {"id": "old", "status": "ACTIVE", "rolloutState": "COMPLETED", "createdAt": 1000.0},
    ]});
    let all = ["old", "failed", "again"].map(by);
    assert_eq!(canaries(rollback, WEIGHT, &all), ["failed"]);
}

#[test]
fn of_task_sets_the_younger_one_is_the_canary_until_the_traffic_is_moved_to_it() {
    let sets = |blue: &str, green: &str| {
        json!({"taskSets": [
            {"id": "blue", "status": blue, "createdAt": 1000.0},
            {"id": "green", "status": green, "createdAt": 2000.0},
        ]})
    };
    let both = ["blue", "green"].map(by);
    assert_eq!(canaries(sets("PRIMARY", "ACTIVE"), WEIGHT, &both), ["green"]);
    assert!(canaries(sets("ACTIVE", "PRIMARY"), WEIGHT, &both).is_empty());
    assert!(canaries(sets("DRAINING", "PRIMARY"), WEIGHT, &both).is_empty());
}

#[test]
fn recorded_answers_have_a_canary_once_there_is_a_second_deployment() {
    let found = |change: fn(&mut Value, &mut Value)| {
        let (mut services, mut tasks) = (
            recorded::fixture("describe-services.json"),
            recorded::fixture("describe-tasks.json"),
        );
        let web = services["services"].as_array_mut().unwrap();
        let web = web.iter_mut().find(|one| one["serviceName"] == "web").unwrap();
        web["tags"]
            .as_array_mut()
            .unwrap()
            .push(json!({"key": "mesh.canary.weight", "value": "10"}));
        change(web, &mut tasks["tasks"][0]);
        let instances = recorded::translate_from(&services, &tasks, "web");
        let flags = instances.iter().map(|instance| declared(instance).canary);
        flags.collect::<Vec<_>>()
    };
    assert_eq!(found(|_, _| {}), [false, false]);
    let with_older = found(|service, task| {
        let mut older = service["deployments"][0].clone();
        older["id"] = json!("ecs-svc/1");
        older["status"] = json!("ACTIVE");
        service["deployments"].as_array_mut().unwrap().push(older);
        task["startedBy"] = json!("ecs-svc/1");
    });
    assert_eq!(with_older, [false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_canary_is_an_ordinary_task_once_its_deployment_is_through() {
    let world = World::new();
    world.service("web", "awsvpc", WEIGHT);
    let old = world.run("web");
    let provider = provider(&world, &settings());
    let mut watch = Watch::new(&provider);
    watch.pass(Duration::from_secs(1)).await;
    let canaries = |watch: &Watch<'_>| {
        let all = watch.of("web").iter();
        all.filter(|instance| declared(instance).canary).count()
    };
    assert_eq!(canaries(&watch), 0);
    world.state().services.get_mut("web").unwrap()["deployments"] = json!([
        {"id": "ecs-svc/web-2", "status": "PRIMARY", "createdAt": 2000.0},
        {"id": "ecs-svc/web-1", "status": "ACTIVE", "createdAt": 1000.0},
    ]);
    world.state().run("web", "web:1", 2);
    watch.pass(Duration::from_secs(20)).await;
    assert_eq!((watch.of("web").len(), canaries(&watch)), (2, 1));
    world.stop(&old);
    watch.pass(Duration::from_secs(20)).await;
    assert_eq!(canaries(&watch), 0);
}

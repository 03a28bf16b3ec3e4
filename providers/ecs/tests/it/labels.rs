//! Which labels count, of which container, and where they were written.

use mesh_config::instance::Lifecycle;
use mesh_provider_ecs::{Placed, Service, Translation};
use serde_json::{Value, json};

use crate::tasks::{REVISION, SERVICE, TASK, declared, definition, from, service, task, translate, wire};

fn labelled(labels: Value) -> mesh_provider_ecs::TaskDefinition {
    let container = json!({"name": "app", "dockerLabels": labels, "portMappings": [{"containerPort": 8080}]});
    definition(json!({"containerDefinitions": [container]}))
}

#[test]
fn for_one_key_the_service_beats_the_task_beats_the_definition_beats_docker() {
    let mut revision = labelled(json!({"mesh.priority": "1", "mesh.entrypoints": "docker"}));
    revision.tags = from(wire(&[
        ("mesh.priority", "2"),
        ("mesh.middlewares", "definition"),
    ]));
    let tags = wire(&[("mesh.priority", "3"), ("mesh.path", "/task")]);
    let task = task(json!({"tags": tags}));
    let service = service(&[("mesh.priority", "4"), ("mesh.host", "service.example")]);
    let found = translate(&task, &revision, Some(&service), None).remove(0);
    let router = &declared(&found).routers[""].value;
    assert_eq!(router.priority, 4);
    assert_eq!(router.entry_points, ["docker"]);
    assert_eq!(router.middlewares[0].to_string(), "definition");
    let rule = router.rule.as_ref().unwrap().to_string();
    assert!(
        rule.contains("service.example") && rule.contains("/task"),
        "{rule}"
    );
}

#[test]
fn what_is_wrong_names_the_resource_where_it_was_written() {
    let docker = format!("docker labels of container app of {REVISION}");
    for (place, origin) in [
        ("docker", docker.as_str()),
        ("definition", REVISION),
        ("task", TASK),
        ("service", SERVICE),
    ] {
        let wrong = |here: &str| match here == place {
            true => vec![("mesh.hots", "x")],
            false => Vec::new(),
        };
        let labels = if place == "docker" {
            json!({"mesh.hots": "x"})
        } else {
            json!({})
        };
        let mut revision = labelled(labels);
        revision.tags = from(wire(&wrong("definition")));
        let task = task(json!({"tags": wire(&wrong("task"))}));
        let found = translate(&task, &revision, Some(&service(&wrong("service"))), None).remove(0);
        let problems = declared(&found).problems;
        assert!(problems[0].to_string().contains(origin), "{problems:?}");
    }
}

#[test]
fn locked_out_stays_out_whatever_a_stronger_tag_says() {
    let revision = labelled(json!({"mesh.enable": "false", "mesh.lock": "true"}));
    let service = service(&[("mesh.enable", "true")]);
    let found = translate(&task(json!({})), &revision, Some(&service), None).remove(0);
    assert_eq!(declared(&found).enable, Some(false));
    let unlocked = labelled(json!({"mesh.enable": "false"}));
    let found = translate(&task(json!({})), &unlocked, Some(&service), None).remove(0);
    assert_eq!(declared(&found).enable, Some(true));
}

/// The names of the instances of a task with these containers, and the lifecycle of the first.
fn containers(containers: Value, service: &Service) -> (Vec<String>, Lifecycle) {
    let running: Vec<Value> = containers
        .as_array()
        .unwrap()
        .iter()
        .map(|container| {
            json!({"name": container["name"], "lastStatus": "RUNNING",
                "networkInterfaces": [{"privateIpv4Address": "10.0.0.7"}]})
        })
        .collect();
    let task = task(json!({"containers": running}));
    let found = translate(
        &task,
        &definition(json!({"containerDefinitions": containers})),
        Some(service),
        None,
    );
    let names = found.iter().map(|instance| {
        let port = instance.endpoints.first().map_or(0, |endpoint| endpoint.port);
        format!("{} {port}", instance.service)
    });
    (names.collect(), found[0].lifecycle)
}

#[test]
fn tags_speak_of_the_essential_container_with_a_port_or_of_the_one_they_name() {
    let both = json!([
        {"name": "log", "essential": false, "portMappings": [{"containerPort": 1}]},
        {"name": "init", "essential": true},
        {"name": "app", "essential": true, "portMappings": [{"containerPort": 2}]},
    ]);
    assert_eq!(containers(both.clone(), &service(&[])).0, ["web 2"]);
    let named = service(&[("mesh.container", "log")]);
    assert_eq!(containers(both.clone(), &named).0, ["web 1"]);
    let wrong = containers(both, &service(&[("mesh.container", "lgo")]));
    assert_eq!(wrong, (vec!["web 0".to_owned()], Lifecycle::Unhealthy));
}

#[test]
fn a_container_with_labels_of_its_own_comes_first_and_one_that_says_no_comes_last() {
    let label = |labels: Value, essential: bool, port: u16| {
        json!({"name": format!("c{port}"), "essential": essential, "dockerLabels": labels,
            "portMappings": [{"containerPort": port}]})
    };
    let found = containers(
        json!([
            label(json!({}), true, 1),
            label(json!({"mesh.host": "a.example"}), false, 2)
        ]),
        &service(&[]),
    );
    assert_eq!(found.0, ["web 2"]);
    let found = containers(
        json!([
            label(json!({"mesh.enable": "false"}), true, 1),
            label(json!({}), true, 2)
        ]),
        &service(&[]),
    );
    assert_eq!(found.0, ["web 2"]);
}

#[test]
fn further_containers_with_labels_are_services_of_their_own_without_the_tags_of_the_task() {
    let label = |name: &str, port: u16| {
        json!({"name": name, "dockerLabels": {"mesh.host": format!("{name}.example")},
            "portMappings": [{"containerPort": port}]})
    };
    let tags = service(&[("mesh.path", "/x")]);
    let found = containers(json!([label("app", 1), label("admin", 2)]), &tags);
    assert_eq!(found.0, ["web 1", "web-admin 2"]);
}

#[test]
fn what_has_neither_port_nor_label_is_none_of_our_business() {
    let worker = definition(json!({"containerDefinitions": [{"name": "app"}]}));
    assert!(translate(&task(json!({})), &worker, None, None).is_empty());
    let asked = translate(
        &task(json!({})),
        &worker,
        Some(&service(&[("mesh.enable", "true")])),
        None,
    );
    assert_eq!(asked[0].reason.as_deref(), Some("container app has no TCP port"));
}

#[test]
fn a_port_by_number_or_by_name_is_left_to_the_labels() {
    let container = json!({"name": "app", "portMappings": [
        {"containerPort": 80}, {"containerPort": 9090, "name": "admin"}]});
    let revision = definition(json!({"containerDefinitions": [container]}));
    let service = service(&[("mesh.port", "admin")]);
    let found = translate(&task(json!({})), &revision, Some(&service), None).remove(0);
    assert_eq!(found.lifecycle, Lifecycle::Ready);
    assert_eq!(found.endpoints[1].name.as_deref(), Some("admin"));
}

/// The weights of the tasks of a service with `tags`, `count` of them ready.
fn weights(tags: &[(&str, &str)], own: &[(&str, &str)], count: usize) -> Vec<u32> {
    let revision = definition(json!({}));
    let tasks: Vec<_> = (0..count)
        .map(|number| task(json!({"taskArn": format!("task/shop/{number}"), "tags": wire(own)})))
        .collect();
    let placed: Vec<_> = tasks
        .iter()
        .map(|task| Placed {
            task,
            definition: &revision,
            host: None,
            created: 1,
        })
        .collect();
    let found = Translation::default().instances("web", Some(&service(tags)), &placed);
    found
        .iter()
        .map(|instance| {
            let declared = declared(instance);
            let own = declared
                .services
                .get("")
                .and_then(|service| service.value.server.weight);
            own.unwrap_or(instance.weight)
        })
        .collect()
}

#[test]
fn a_weight_of_a_service_in_a_group_is_shared_by_its_tasks() {
    let group = |weight| [("mesh.service", "shop"), ("mesh.weight", weight)];
    let (stable, canary) = (weights(&group("90"), &[], 3), weights(&group("10"), &[], 2));
    let (stable, canary): (u32, u32) = (stable.iter().sum(), canary.iter().sum());
    assert_eq!(stable, canary * 9);
    assert_eq!(weights(&group("0"), &[], 2), [0, 0]);
}

#[test]
fn a_weight_of_a_task_is_its_own_and_a_frozen_copy_of_its_services_is_not() {
    let group = [("mesh.service", "shop")];
    let (one, own) = (
        weights(&group, &[], 1),
        weights(&group, &[("mesh.weight", "3")], 2),
    );
    assert_eq!(own, [one[0] * 3; 2]);
    let share = [("mesh.service", "shop"), ("mesh.weight", "4")];
    assert_eq!(weights(&share, &[("mesh.weight", "3")], 2), [one[0] * 2; 2]);
}

#[test]
fn outside_a_group_a_weight_of_the_service_changes_nothing_but_none() {
    assert_eq!(weights(&[("mesh.weight", "90")], &[], 2), [1, 1]);
    assert_eq!(weights(&[("mesh.weight", "0")], &[], 2), [0, 0]);
    assert_eq!(weights(&[], &[("mesh.weight", "7")], 1), [7]);
}

//! Recorded answers, translated whole.

use std::{collections::BTreeMap, path::Path};

use mesh_config::instance::{Address, Instance};
use mesh_provider_ecs::{Host, Placed, Service, Task, TaskDefinition, Translation};
use serde_json::Value;

use crate::tasks::from;

pub(crate) fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/fixtures")
        .join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn definitions() -> BTreeMap<String, TaskDefinition> {
    let read = |name: &str| {
        let mut answer = fixture(&format!("describe-task-definition-{name}.json"));
        let mut definition: TaskDefinition = from(answer["taskDefinition"].take());
        definition.tags = from(answer["tags"].take());
        (definition.task_definition_arn.clone(), definition)
    };
    ["web", "api", "edge"].map(read).into()
}

/// Every machine of the fixture has an address by its place.
fn hosts() -> BTreeMap<String, Host> {
    let answer = fixture("describe-container-instances.json");
    let arns = answer["containerInstances"].as_array().unwrap().iter();
    arns.zip(4_u8..)
        .map(|(instance, last)| {
            let host = Host {
                address: Ok(Address::Ip([10, 20, 1, last].into())),
                draining: false,
            };
            (
                instance["containerInstanceArn"].as_str().unwrap().to_owned(),
                host,
            )
        })
        .collect()
}

fn translate(file: &str, service: &str) -> Vec<Instance> {
    translate_from(&fixture("describe-services.json"), &fixture(file), service)
}

/// The instances of `service` in answers to descriptions of services and tasks.
pub(crate) fn translate_from(services: &Value, tasks: &Value, service: &str) -> Vec<Instance> {
    let (definitions, hosts) = (definitions(), hosts());
    let services: Vec<Service> = from(services["services"].clone());
    let tasks: Vec<Task> = from(tasks["tasks"].clone());
    let of_service = tasks
        .iter()
        .filter(|task| task.group == format!("service:{service}"));
    let placed: Vec<_> = of_service
        .map(|task| Placed {
            task,
            definition: &definitions[&task.task_definition_arn],
            host: hosts.get(&task.container_instance_arn),
            created: task.created_at,
        })
        .collect();
    assert!(!placed.is_empty());
    let service_data = services.iter().find(|known| known.service_name == service);
    Translation::default().instances(service, service_data, &placed)
}

#[test]
fn an_awsvpc_service_with_a_sidecar_becomes_one_instance_for_each_task() {
    insta::assert_json_snapshot!(translate("describe-tasks.json", "web"));
}

#[test]
fn a_bridge_service_is_at_the_ports_of_its_machines() {
    insta::assert_json_snapshot!(translate("describe-tasks.json", "api"));
}

#[test]
fn a_host_service_is_at_its_machine() {
    insta::assert_json_snapshot!(translate("describe-tasks.json", "edge"));
}

#[test]
fn an_answer_without_interfaces_of_containers_has_the_address_in_its_attachment() {
    let instances = translate("plain-moto-describe-tasks.json", "web");
    let address = instances[0].address.as_ref().map(ToString::to_string);
    assert_eq!(address.as_deref(), Some("10.73.85.209"));
}

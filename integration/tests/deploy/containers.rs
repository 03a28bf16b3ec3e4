//! The task definition and the stack of Compose.

use std::process::Command;

use mesh_integration::skip;
use serde_json::{Value, json};

use crate::{root, runs, said, text};

fn task() -> Value {
    serde_json::from_str(&text("deploy/ecs/task-definition.json")).unwrap()
}

/// The value of a variable of the container.
fn setting(container: &Value, name: &str) -> String {
    let variables = container["environment"].as_array().unwrap();
    let found = variables.iter().find(|variable| variable["name"] == name);
    found.expect("the variable is there")["value"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn the_task_definition_is_one_that_fargate_takes() {
    let task = task();
    assert_eq!(task["requiresCompatibilities"], json!(["FARGATE"]));
    assert_eq!(task["networkMode"], "awsvpc");
    // Sizes of a task are text, and of those that Fargate has.
    assert_eq!((&task["cpu"], &task["memory"]), (&json!("1024"), &json!("2048")));
    for role in ["executionRoleArn", "taskRoleArn"] {
        assert!(
            task[role]
                .as_str()
                .unwrap()
                .starts_with("arn:aws:iam::123456789012:role/"),
            "{role}"
        );
    }
    assert_ne!(task["executionRoleArn"], task["taskRoleArn"]);
    let known = [
        "family",
        "requiresCompatibilities",
        "networkMode",
        "cpu",
        "memory",
        "runtimePlatform",
        "executionRoleArn",
        "taskRoleArn",
        "containerDefinitions",
        "volumes",
    ];
    for (key, _) in task.as_object().unwrap() {
        assert!(
            known.contains(&key.as_str()),
            "{key} is nothing that a task definition has"
        );
    }
}

#[test]
fn its_container_can_change_nothing_and_is_asked_whether_it_lives() {
    let container = &task()["containerDefinitions"][0];
    assert_eq!(container["readonlyRootFilesystem"], true);
    assert_eq!(container["user"], "65532:65532");
    assert_eq!(
        container["linuxParameters"]["capabilities"]["drop"],
        json!(["ALL"])
    );
    assert_eq!(
        container["healthCheck"]["command"],
        json!(["CMD", "/usr/local/bin/mesh", "healthcheck"])
    );
    assert_eq!(setting(container, "MESH_PING"), "true");
    let grace = setting(container, "MESH_ENTRYPOINTS_WEB_TRANSPORT_LIFECYCLE_GRACETIMEOUT");
    let grace: u64 = grace.trim_end_matches('s').parse().unwrap();
    assert!(
        container["stopTimeout"].as_u64().unwrap() > grace,
        "ECS would kill it before it is done"
    );
}

#[test]
fn every_port_of_the_task_is_an_entrypoint_that_believes_the_load_balancer() {
    let container = &task()["containerDefinitions"][0];
    let mut ports: Vec<_> = container["portMappings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mapping| format!(":{}", mapping["containerPort"]))
        .collect();
    ports.sort();
    let addresses = ["WEB", "MESH"].map(|name| {
        let trusted = setting(
            container,
            &format!("MESH_ENTRYPOINTS_{name}_PROXYPROTOCOL_TRUSTEDIPS"),
        );
        assert_eq!(trusted, "10.20.0.0/24,10.20.1.0/24", "{name}");
        setting(container, &format!("MESH_ENTRYPOINTS_{name}_ADDRESS"))
    });
    assert_eq!(ports, addresses);
}

#[test]
fn its_snapshot_is_on_a_volume_that_outlives_it() {
    let task = task();
    let container = &task["containerDefinitions"][0];
    let mount = &container["mountPoints"][0];
    assert_eq!(mount["containerPath"], "/state");
    assert_eq!(setting(container, "MESH_SNAPSHOT_PATH"), "/state/snapshot.json");
    assert_eq!(mount["sourceVolume"], task["volumes"][0]["name"]);
    let volume = &task["volumes"][0]["efsVolumeConfiguration"];
    assert_eq!(volume["transitEncryption"], "ENABLED");
}

#[test]
fn compose_understands_the_stack() {
    if !runs("docker", &["compose", "version"]) {
        return skip::say("docker compose", "install the plugin of Docker");
    }
    let output = Command::new("docker")
        .args(["compose", "-f", "deploy/compose/compose.yml", "config", "--quiet"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn consul_understands_the_services_of_the_stack() {
    let Some(consul) = skip::consul() else { return };
    let output = Command::new(consul)
        .args(["validate", "-config-format=json", "deploy/compose/services.json"])
        .current_dir(root())
        .output()
        .unwrap();
    // On their own they name no directory for data, which `-dev` does not need: all else is right then.
    let said = said(&output);
    assert!(
        output.status.success() || said.contains("data_dir cannot be empty"),
        "{said}"
    );
}

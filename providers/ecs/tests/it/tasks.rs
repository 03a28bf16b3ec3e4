//! Tasks and what belongs to them, in a line each.

use mesh_config::{
    instance::{Address, Instance},
    labels::{Declaration, decode},
};
use mesh_provider_ecs::{Host, Placed, Service, Task, TaskDefinition, Translation};
use serde_json::{Value, json};

pub(crate) const TASK: &str = "arn:aws:ecs:eu-central-1:123456789012:task/shop/0123456789ab";
pub(crate) const REVISION: &str = "arn:aws:ecs:eu-central-1:123456789012:task-definition/web:3";
pub(crate) const SERVICE: &str = "arn:aws:ecs:eu-central-1:123456789012:service/shop/web";

pub(crate) fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// Lays `over` over `base`, key by key.
pub(crate) fn merge(mut base: Value, over: Value) -> Value {
    if let (Some(base), Value::Object(over)) = (base.as_object_mut(), over) {
        base.extend(over);
    }
    base
}

/// A task on Fargate that runs, but for what `over` says.
pub(crate) fn task(over: Value) -> Task {
    from(merge(
        json!({
            "taskArn": TASK, "group": "service:web", "startedBy": "ecs-svc/1", "taskDefinitionArn": REVISION,
            "lastStatus": "RUNNING", "desiredStatus": "RUNNING", "connectivity": "CONNECTED", "createdAt": 100.5,
            "containers": [{
                "name": "app", "lastStatus": "RUNNING", "healthStatus": "UNKNOWN",
                "networkInterfaces": [{"privateIpv4Address": "10.0.0.7"}],
            }],
        }),
        over,
    ))
}

/// Its revision.
pub(crate) fn definition(over: Value) -> TaskDefinition {
    from(merge(
        json!({
            "taskDefinitionArn": REVISION, "networkMode": "awsvpc",
            "containerDefinitions": [{
                "name": "app", "essential": true, "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
            }],
        }),
        over,
    ))
}

/// Its service, with `tags`.
pub(crate) fn service(tags: &[(&str, &str)]) -> Service {
    from(json!({"serviceArn": SERVICE, "serviceName": "web", "tags": wire(tags)}))
}

/// Tags as ECS writes them.
pub(crate) fn wire(tags: &[(&str, &str)]) -> Value {
    tags.iter()
        .map(|(key, value)| json!({"key": key, "value": value}))
        .collect()
}

pub(crate) fn host(address: &str) -> Host {
    Host {
        address: Ok(Address::Ip(address.parse().unwrap())),
        draining: false,
    }
}

/// The instances that one task becomes.
pub(crate) fn translate(
    task: &Task,
    definition: &TaskDefinition,
    service: Option<&Service>,
    host: Option<&Host>,
) -> Vec<Instance> {
    let placed = Placed {
        task,
        definition,
        host,
        created: task.created_at,
    };
    Translation::default().instances("web", service, &[placed])
}

/// The one instance that a task of `over` becomes.
pub(crate) fn instance(over: Value) -> Instance {
    translate(&task(over), &definition(json!({})), None, None).remove(0)
}

/// What the labels of `instance` declare.
pub(crate) fn declared(instance: &Instance) -> Declaration {
    decode(&instance.labels, &["mesh".to_owned()])
}

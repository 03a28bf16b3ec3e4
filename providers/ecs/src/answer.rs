//! What ECS, EC2 and SSM answer, as far as Mesh reads it. The fields of ECS carry the names of its JSON, so that
//! recorded answers read as they are; what an answer leaves out is empty.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// A tag of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Tag {
    /// Unique in its resource.
    pub key: String,
    /// Often empty.
    pub value: String,
}

/// What a description found, and what it was asked for in vain.
#[derive(Debug, Clone)]
pub struct Described<T> {
    /// Those that are there.
    pub found: Vec<T>,
    /// The ARNs or names of those that ECS does not know (`MISSING`).
    pub missing: Vec<String>,
}

impl<T> Default for Described<T> {
    fn default() -> Self {
        Self {
            found: Vec::new(),
            missing: Vec::new(),
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Asks for the next one; `None` on the last page.
    pub next: Option<String>,
}

/// A cluster, by its own count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Cluster {
    /// `arn:aws:ecs:eu-central-1:123456789012:cluster/shop`
    pub cluster_arn: String,
    /// `ACTIVE`, `INACTIVE`, …
    pub status: String,
    /// Tasks that run.
    pub running_tasks_count: i32,
    /// Tasks about to run.
    pub pending_tasks_count: i32,
}

/// A service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Service {
    /// Names it in messages.
    pub service_arn: String,
    /// Its name in the cluster.
    pub service_name: String,
    /// Its own tags.
    pub tags: Vec<Tag>,
    /// The rolling updates under way.
    pub deployments: Vec<Deployment>,
    /// The same for blue/green and external deployments.
    pub task_sets: Vec<Deployment>,
}

/// A deployment or a task set of a service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Deployment {
    /// `startedBy` of its tasks.
    pub id: String,
    /// `PRIMARY`, `ACTIVE`, …
    pub status: String,
    /// `IN_PROGRESS`, `COMPLETED` or `FAILED`; empty for a task set.
    pub rollout_state: String,
    /// When it began, in milliseconds.
    #[serde(deserialize_with = "millis")]
    pub created_at: u64,
}

/// A task.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Task {
    /// `arn:aws:ecs:eu-central-1:123456789012:task/shop/0123…`
    pub task_arn: String,
    /// `service:web`, `family:web`, or any text of whoever ran it.
    pub group: String,
    /// The deployment or task set, for a task of a service.
    pub started_by: String,
    /// Its revision of a task definition.
    pub task_definition_arn: String,
    /// Where it runs; empty on Fargate.
    pub container_instance_arn: String,
    /// `PENDING`, `RUNNING`, …
    pub last_status: String,
    /// `RUNNING` or `STOPPED`.
    pub desired_status: String,
    /// Counts its changes.
    pub version: u64,
    /// Whether ECS hears of it: `CONNECTED` or `DISCONNECTED`.
    pub connectivity: String,
    /// `eu-central-1a`
    pub availability_zone: String,
    /// When it was made, in milliseconds.
    #[serde(deserialize_with = "millis")]
    pub created_at: u64,
    /// Its network interfaces.
    pub attachments: Vec<Attachment>,
    /// Its containers.
    pub containers: Vec<Container>,
    /// Its own tags.
    pub tags: Vec<Tag>,
}

/// Something that belongs to a task: here, network interfaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Attachment {
    /// `ElasticNetworkInterface`
    #[serde(rename = "type")]
    pub kind: String,
    /// Names and values.
    pub details: Vec<Detail>,
}

/// A property of an attachment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Detail {
    /// `privateIPv4Address`
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A container of a task, as it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Container {
    /// As in the task definition.
    pub name: String,
    /// `PENDING`, `RUNNING`, `STOPPED`.
    pub last_status: String,
    /// `HEALTHY`, `UNHEALTHY` or `UNKNOWN`.
    pub health_status: String,
    /// Ports of its host, in bridge and host mode.
    pub network_bindings: Vec<Binding>,
    /// Addresses, in awsvpc mode.
    pub network_interfaces: Vec<Interface>,
}

/// A port of the host that leads to a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Binding {
    /// The port in the container.
    pub container_port: Option<u16>,
    /// The port of the host.
    pub host_port: Option<u16>,
    /// `8000-8009`, in place of the port.
    pub container_port_range: String,
    /// The ports of the host for that range.
    pub host_port_range: String,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// An interface of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Interface {
    /// Empty where there is only IPv6.
    pub private_ipv4_address: String,
    /// Often empty.
    pub ipv6_address: String,
}

/// A revision of a task definition. It never changes, but for its tags.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TaskDefinition {
    /// `…:task-definition/web:3`
    pub task_definition_arn: String,
    /// `awsvpc`, `bridge`, `host`, `none`; empty means bridge.
    pub network_mode: String,
    /// Its containers.
    pub container_definitions: Vec<ContainerDefinition>,
    /// Its tags, which stand beside it in the answer.
    #[serde(skip)]
    pub tags: Vec<Tag>,
}

/// A container as it is defined.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerDefinition {
    /// Unique in its task definition.
    pub name: String,
    /// The task ends with it. ECS says so where nobody did.
    pub essential: Option<bool>,
    /// Labels, without the limits of tags.
    pub docker_labels: BTreeMap<String, String>,
    /// Its ports.
    pub port_mappings: Vec<PortMapping>,
    /// The check of ECS, of which only matters whether there is one.
    #[serde(deserialize_with = "is_there")]
    pub health_check: bool,
}

/// A port of a container as it is defined.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PortMapping {
    /// Its name; often empty.
    pub name: String,
    /// The port in the container.
    pub container_port: Option<u16>,
    /// `8000-8009`, in place of the port.
    pub container_port_range: String,
    /// `tcp` (also when empty) or `udp`.
    pub protocol: String,
    /// `http`, `http2`, `grpc`; empty means just TCP.
    pub app_protocol: String,
}

/// A machine of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerInstance {
    /// What tasks refer to.
    pub container_instance_arn: String,
    /// `i-0123…` of EC2, `mi-0123…` of ECS Anywhere.
    pub ec2_instance_id: String,
    /// `ACTIVE`, `DRAINING`, …
    pub status: String,
}

/// A machine's address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// `i-0123…` or `mi-0123…`
    pub id: String,
    /// Its private address; empty when there is none.
    pub address: String,
}

/// ECS writes times as seconds with a fraction.
fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let seconds = Option::<f64>::deserialize(deserializer)?.unwrap_or_default();
    Ok(std::time::Duration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|time| u64::try_from(time.as_millis()).ok())
        .unwrap_or_default())
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<serde::de::IgnoredAny>::deserialize(deserializer)?.is_some())
}

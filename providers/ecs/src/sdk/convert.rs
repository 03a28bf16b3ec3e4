//! The SDK's answers to ours.

use aws_sdk_ecs::{primitives::DateTime, types};

use crate::answer::{
    Attachment, Binding, Cluster, Container, ContainerDefinition, ContainerInstance, Deployment, Detail,
    Interface, Machine, PortMapping, Service, Tag, Task, TaskDefinition,
};

/// Those that ECS does not know. Other failures are none that it documents for describing.
pub(super) fn missing(failures: Option<Vec<types::Failure>>) -> Vec<String> {
    let failures = failures.unwrap_or_default().into_iter();
    failures.filter_map(|failure| failure.arn).collect()
}

pub(super) fn cluster(cluster: types::Cluster) -> Cluster {
    Cluster {
        cluster_arn: cluster.cluster_arn.unwrap_or_default(),
        status: cluster.status.unwrap_or_default(),
        running_tasks_count: cluster.running_tasks_count,
        pending_tasks_count: cluster.pending_tasks_count,
    }
}

pub(super) fn service(service: types::Service) -> Service {
    let deployments = service.deployments.unwrap_or_default().into_iter();
    let task_sets = service.task_sets.unwrap_or_default().into_iter();
    Service {
        service_arn: service.service_arn.unwrap_or_default(),
        service_name: service.service_name.unwrap_or_default(),
        tags: tags(service.tags),
        deployments: deployments
            .map(|deployment| Deployment {
                id: deployment.id.unwrap_or_default(),
                status: deployment.status.unwrap_or_default(),
                rollout_state: deployment
                    .rollout_state
                    .map(|state| state.as_str().to_owned())
                    .unwrap_or_default(),
                created_at: millis(deployment.created_at),
            })
            .collect(),
        task_sets: task_sets
            .map(|set| Deployment {
                id: set.id.unwrap_or_default(),
                status: set.status.unwrap_or_default(),
                rollout_state: String::new(),
                created_at: millis(set.created_at),
            })
            .collect(),
    }
}

pub(super) fn task(task: types::Task) -> Task {
    let attachments = task.attachments.unwrap_or_default().into_iter();
    let containers = task.containers.unwrap_or_default().into_iter();
    Task {
        task_arn: task.task_arn.unwrap_or_default(),
        group: task.group.unwrap_or_default(),
        started_by: task.started_by.unwrap_or_default(),
        task_definition_arn: task.task_definition_arn.unwrap_or_default(),
        container_instance_arn: task.container_instance_arn.unwrap_or_default(),
        last_status: task.last_status.unwrap_or_default(),
        desired_status: task.desired_status.unwrap_or_default(),
        availability_zone: task.availability_zone.unwrap_or_default(),
        version: task.version.try_into().unwrap_or(0),
        connectivity: text(task.connectivity.as_ref().map(types::Connectivity::as_str)),
        created_at: millis(task.created_at),
        attachments: attachments.map(attachment).collect(),
        containers: containers.map(container).collect(),
        tags: tags(task.tags),
    }
}

fn attachment(attachment: types::Attachment) -> Attachment {
    let details = attachment.details.unwrap_or_default().into_iter();
    Attachment {
        kind: attachment.r#type.unwrap_or_default(),
        details: details
            .map(|pair| Detail {
                name: pair.name.unwrap_or_default(),
                value: pair.value.unwrap_or_default(),
            })
            .collect(),
    }
}

fn container(container: types::Container) -> Container {
    let bindings = container.network_bindings.unwrap_or_default().into_iter();
    let interfaces = container.network_interfaces.unwrap_or_default().into_iter();
    Container {
        name: container.name.unwrap_or_default(),
        last_status: container.last_status.unwrap_or_default(),
        health_status: text(container.health_status.as_ref().map(types::HealthStatus::as_str)),
        network_bindings: bindings
            .map(|binding| Binding {
                container_port: port(binding.container_port),
                host_port: port(binding.host_port),
                container_port_range: binding.container_port_range.unwrap_or_default(),
                host_port_range: binding.host_port_range.unwrap_or_default(),
                protocol: text(binding.protocol.as_ref().map(types::TransportProtocol::as_str)),
            })
            .collect(),
        network_interfaces: interfaces
            .map(|interface| Interface {
                private_ipv4_address: interface.private_ipv4_address.unwrap_or_default(),
                ipv6_address: interface.ipv6_address.unwrap_or_default(),
            })
            .collect(),
    }
}

pub(super) fn task_definition(
    definition: types::TaskDefinition,
    its_tags: Option<Vec<types::Tag>>,
) -> TaskDefinition {
    let containers = definition.container_definitions.unwrap_or_default().into_iter();
    TaskDefinition {
        task_definition_arn: definition.task_definition_arn.unwrap_or_default(),
        network_mode: text(definition.network_mode.as_ref().map(types::NetworkMode::as_str)),
        container_definitions: containers.map(container_definition).collect(),
        tags: tags(its_tags),
    }
}

fn container_definition(definition: types::ContainerDefinition) -> ContainerDefinition {
    let mappings = definition.port_mappings.unwrap_or_default().into_iter();
    ContainerDefinition {
        name: definition.name.unwrap_or_default(),
        essential: definition.essential,
        docker_labels: definition.docker_labels.unwrap_or_default().into_iter().collect(),
        port_mappings: mappings
            .map(|mapping| PortMapping {
                name: mapping.name.unwrap_or_default(),
                container_port: port(mapping.container_port),
                container_port_range: mapping.container_port_range.unwrap_or_default(),
                protocol: text(mapping.protocol.as_ref().map(types::TransportProtocol::as_str)),
                app_protocol: text(
                    mapping
                        .app_protocol
                        .as_ref()
                        .map(types::ApplicationProtocol::as_str),
                ),
            })
            .collect(),
        health_check: definition.health_check.is_some(),
    }
}

pub(super) fn container_instance(instance: types::ContainerInstance) -> ContainerInstance {
    ContainerInstance {
        container_instance_arn: instance.container_instance_arn.unwrap_or_default(),
        ec2_instance_id: instance.ec2_instance_id.unwrap_or_default(),
        status: instance.status.unwrap_or_default(),
    }
}

pub(super) fn machine(instance: aws_sdk_ec2::types::Instance) -> Machine {
    let address = instance.private_ip_address.filter(|address| !address.is_empty());
    Machine {
        id: instance.instance_id.unwrap_or_default(),
        address: address.or(instance.ipv6_address).unwrap_or_default(),
    }
}

pub(super) fn managed(instance: aws_sdk_ssm::types::InstanceInformation) -> Machine {
    Machine {
        id: instance.instance_id.unwrap_or_default(),
        address: instance.ip_address.unwrap_or_default(),
    }
}

fn tags(tags: Option<Vec<types::Tag>>) -> Vec<Tag> {
    let tags = tags.unwrap_or_default().into_iter();
    tags.map(|tag| Tag {
        key: tag.key.unwrap_or_default(),
        value: tag.value.unwrap_or_default(),
    })
    .collect()
}

fn text(name: Option<&str>) -> String {
    name.unwrap_or_default().to_owned()
}

fn port(port: Option<i32>) -> Option<u16> {
    port.and_then(|port| u16::try_from(port).ok())
}

fn millis(time: Option<DateTime>) -> u64 {
    let millis = time.and_then(|time| time.to_millis().ok());
    millis
        .and_then(|millis| u64::try_from(millis).ok())
        .unwrap_or_default()
}

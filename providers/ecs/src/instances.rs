//! From ECS's answers to instances. Pure and total: a task that cannot serve keeps its place with the reason, its
//! neighbours live on.

use mesh_config::{
    Origin,
    instance::{Address, Instance, LabelSet, Lifecycle},
};

use crate::{
    answer::{Container, ContainerDefinition, Service, Task, TaskDefinition},
    calls::short,
    endpoints::{Mode, endpoints, has_tcp, own_address},
    labels::{self, Labels},
    rollout::{Version, version},
};

/// How to read answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// First parts of the keys of ours.
    pub prefixes: Vec<String>,
    /// Only containers that pass a health check get requests.
    pub healthy_only: bool,
}

/// A machine that tasks run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its address, or why it has none.
    pub address: Result<Address, String>,
    /// Its tasks are moved elsewhere.
    pub draining: bool,
}

/// A task and all that is needed to read it.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'a> {
    /// The task.
    pub task: &'a Task,
    /// Its revision.
    pub definition: &'a TaskDefinition,
    /// Its machine, where its address is the machine's.
    pub host: Option<&'a Host>,
    /// When its deployment began, so that all its tasks are of one age; else the task itself.
    pub created: u64,
}

/// An instance in the making.
struct Draft<'a> {
    instance: Instance,
    labels: Labels<'a>,
    /// Its machine drains.
    moving: bool,
    /// While its service changes from one version to another.
    version: Option<Version>,
}

impl Translation {
    /// Translates all tasks of one service, or of one group of tasks that have none.
    pub fn instances(&self, name: &str, service: Option<&Service>, tasks: &[Placed<'_>]) -> Vec<Instance> {
        let mut drafts: Vec<Draft<'_>> = tasks
            .iter()
            .flat_map(|placed| self.drafts(name, service, *placed))
            .collect();
        // A machine that drains is left as soon as there is somewhere else to go, not before.
        let stays = |draft: &Draft<'_>| draft.instance.lifecycle == Lifecycle::Ready && !draft.moving;
        if drafts.iter().any(stays) {
            for draft in drafts.iter_mut().filter(|draft| draft.moving) {
                draft.instance.lifecycle = Lifecycle::Draining;
                draft.instance.reason = Some("its container instance is DRAINING".to_owned());
            }
        }
        // Once nothing of the old version is left, the new one is no canary any more.
        let is_old = |draft: &Draft<'_>| {
            draft.version == Some(Version::Old) && draft.instance.lifecycle == Lifecycle::Ready
        };
        let has_old = drafts.iter().any(is_old);
        let ready = drafts
            .iter()
            .filter(|draft| draft.instance.lifecycle == Lifecycle::Ready)
            .count();
        let ready = u32::try_from(ready).unwrap_or(u32::MAX);
        let finish = |draft: Draft<'_>| {
            let Draft {
                mut instance,
                mut labels,
                version,
                ..
            } = draft;
            if has_old && version == Some(Version::New) {
                labels.take_as_canary(&instance.origin);
            }
            instance.weight = labels.weight(ready);
            labels.hand_over(&mut instance);
            instance
        };
        drafts.into_iter().map(finish).collect()
    }

    /// The containers of a task that requests may go to.
    fn drafts(&self, name: &str, service: Option<&Service>, placed: Placed<'_>) -> Vec<Draft<'_>> {
        let Placed { task, definition, .. } = placed;
        let prefixes = &self.prefixes;
        let version = service.and_then(|service| version(service, task));
        let tags = labels::of_task(task, definition, service);
        let containers: Vec<(&ContainerDefinition, LabelSet)> = definition
            .container_definitions
            .iter()
            .map(|container| (container, labels::docker(container, definition)))
            .collect();
        let mut strongest = tags.iter().rev();
        let named = strongest.find_map(|set| labels::value(set, prefixes, "container"));
        let chosen = match named {
            Some(named) => containers
                .iter()
                .position(|(container, _)| container.name == named),
            None => self.choose(&containers),
        };
        let mut drafts = Vec::new();
        for (place, (container, docker)) in containers.iter().enumerate() {
            let is_chosen = Some(place) == chosen;
            let speaks = labels::speaks(docker, prefixes) && !labels::closed(docker, prefixes);
            if !is_chosen && !speaks {
                continue;
            }
            let (docker, tags) = (docker.clone(), tags.clone());
            let labels = match is_chosen {
                true => {
                    let mut labels = Labels::of_chosen(Some(docker), tags, prefixes);
                    labels.take_share(service);
                    labels
                }
                false => Labels::of_other(docker, tags, prefixes),
            };
            // Nothing to route to, and nobody asked for it.
            if labels.speak() || has_tcp(container) {
                let draft = self.draft(name, placed, container, is_chosen, labels);
                drafts.extend(draft.map(|draft| Draft { version, ..draft }));
            }
        }
        if let (Some(named), None) = (named, chosen) {
            let named = named.to_owned();
            drafts.push(self.stray(name, placed, &named, tags));
        }
        drafts
    }

    /// A task whose tags name a container that it does not have.
    fn stray(&self, name: &str, placed: Placed<'_>, named: &str, tags: Vec<LabelSet>) -> Draft<'_> {
        let definition = placed.definition;
        let containers = definition.container_definitions.iter();
        let names: Vec<_> = containers.map(|container| container.name.as_str()).collect();
        let mut instance = blank(name, placed, None);
        instance.reason = Some(format!(
            "mesh.container is {named:?}, which {} does not have: there are {}",
            definition.task_definition_arn,
            names.join(", ")
        ));
        Draft {
            instance,
            labels: Labels::of_chosen(None, tags, &self.prefixes),
            moving: false,
            version: None,
        }
    }

    /// The container that the tags of a task speak of when they do not name it: one with labels of its own before
    /// one without, essential before not, and with a TCP port before without.
    fn choose(&self, containers: &[(&ContainerDefinition, LabelSet)]) -> Option<usize> {
        let rank = |(container, docker): &(&ContainerDefinition, LabelSet)| {
            (
                labels::closed(docker, &self.prefixes),
                !labels::speaks(docker, &self.prefixes),
                !has_tcp(container),
                !container.essential.unwrap_or(true),
            )
        };
        let ranked = containers.iter().enumerate();
        ranked
            .min_by_key(|(_, container)| rank(container))
            .map(|(place, _)| place)
    }

    /// `None` for a task that has not come up, or is gone.
    fn draft<'a>(
        &self,
        name: &str,
        placed: Placed<'_>,
        definition: &ContainerDefinition,
        is_chosen: bool,
        labels: Labels<'a>,
    ) -> Option<Draft<'a>> {
        let task = placed.task;
        let container = task
            .containers
            .iter()
            .find(|container| container.name == definition.name);
        let (lifecycle, reason) = self.lifecycle(task, definition, container)?;
        let other = (!is_chosen).then_some(definition.name.as_str());
        let mut instance = blank(name, placed, other);
        (instance.lifecycle, instance.reason) = (lifecycle, reason);
        let mode = Mode::of(placed.definition);
        match address(mode, task, container, placed.host) {
            Ok(address) => instance.address = Some(address),
            Err(reason) => withdraw(&mut instance, reason),
        }
        match endpoints(mode, definition, container, labels.name_a_port()) {
            Ok(endpoints) => instance.endpoints = endpoints,
            Err(reason) => withdraw(&mut instance, reason),
        }
        let moving = placed.host.is_some_and(|host| host.draining) && instance.lifecycle == Lifecycle::Ready;
        Some(Draft {
            instance,
            labels,
            moving,
            version: None,
        })
    }

    /// How far the container is in its life, by its task's and its own state.
    fn lifecycle(
        &self,
        task: &Task,
        definition: &ContainerDefinition,
        container: Option<&Container>,
    ) -> Option<(Lifecycle, Option<String>)> {
        let say = |lifecycle, reason: String| Some((lifecycle, Some(reason)));
        let runs = container.is_some_and(|container| container.last_status == "RUNNING");
        match task.last_status.as_str() {
            "STOPPED" | "DELETED" => return None,
            _ if task.desired_status == "STOPPED" => {
                return say(
                    Lifecycle::Draining,
                    format!("task is {} and to be stopped", task.last_status),
                );
            }
            "RUNNING" => {}
            "DEACTIVATING" | "STOPPING" | "DEPROVISIONING" => {
                return say(Lifecycle::Draining, format!("task is {}", task.last_status));
            }
            // It has come up and is not registered everywhere yet.
            "ACTIVATING" if runs => {
                return say(Lifecycle::Starting, "task is ACTIVATING".to_owned());
            }
            _ => return None,
        }
        let (name, health) = (
            &definition.name,
            container.map_or("", |container| container.health_status.as_str()),
        );
        match health {
            _ if !runs => {
                let status = container.map_or("missing", |container| container.last_status.as_str());
                say(Lifecycle::Unhealthy, format!("container {name} is {status}"))
            }
            "UNHEALTHY" => say(
                Lifecycle::Unhealthy,
                format!("container {name} fails its health check"),
            ),
            "HEALTHY" => Some((Lifecycle::Ready, None)),
            _ if self.healthy_only => {
                let why = match definition.health_check {
                    true => "has not passed its health check yet",
                    false => "has no health check, and healthyTasksOnly is on",
                };
                say(Lifecycle::Unhealthy, format!("container {name} {why}"))
            }
            // A task that ECS lost sight of most likely still does what it did.
            _ if definition.health_check && task.connectivity != "DISCONNECTED" => say(
                Lifecycle::Starting,
                format!("container {name} has not passed its health check yet"),
            ),
            _ => Some((Lifecycle::Ready, None)),
        }
    }
}

impl Default for Translation {
    fn default() -> Self {
        Self {
            prefixes: vec!["mesh".to_owned()],
            healthy_only: false,
        }
    }
}

/// It cannot be reached: nothing is sent to it, and it says why.
fn withdraw(instance: &mut Instance, reason: String) {
    if instance.lifecycle != Lifecycle::Draining {
        instance.lifecycle = Lifecycle::Unhealthy;
    }
    instance.reason = Some(reason);
}

/// An instance of which nothing but its names is known. `container` is one beside the chosen one.
fn blank(name: &str, placed: Placed<'_>, container: Option<&str>) -> Instance {
    let arn = &placed.task.task_arn;
    let id = short(arn);
    let with = |text: &str, between: &str| match container {
        Some(container) => format!("{text}{between}{container}"),
        None => text.to_owned(),
    };
    Instance {
        id: with(id, "/").into(),
        service: with(name, "-").into(),
        address: None,
        endpoints: Vec::new(),
        lifecycle: Lifecycle::Unhealthy,
        reason: None,
        weight: 1,
        zone: (!placed.task.availability_zone.is_empty())
            .then(|| placed.task.availability_zone.as_str().into()),
        created: placed.created,
        labels: Vec::new(),
        tags: Vec::new(),
        origin: Origin::new(match container {
            Some(container) => format!("ecs container {container} of {arn}"),
            None => format!("ecs task {arn}"),
        }),
    }
}

fn address(
    mode: Mode,
    task: &Task,
    container: Option<&Container>,
    host: Option<&Host>,
) -> Result<Address, String> {
    match (mode, host) {
        (Mode::Awsvpc, _) => {
            own_address(task, container).ok_or_else(|| "its network interface has no address".to_owned())
        }
        (Mode::None, _) => Err("its network mode is none".to_owned()),
        (Mode::Bridge | Mode::Host, Some(host)) => host.address.clone(),
        (Mode::Bridge | Mode::Host, None) => Err("ECS does not say on which machine it runs".to_owned()),
    }
}

//! The labels of one container: docker labels, then the tags of its task definition, its task and its service,
//! each stronger than the one before.

use mesh_config::{
    Origin,
    instance::{Instance, LabelSet},
};

use crate::answer::{ContainerDefinition, Service, Tag, Task, TaskDefinition};

/// Largest weight a tag may name.
const MAX_WEIGHT: u32 = 1000;

/// A weight of 1 among services that share a group: enough to divide a share among tasks and stay whole.
const UNIT: u32 = 2520;

/// Keys of tags that count for every container of a task.
const FOR_ALL: [&str; 2] = ["enable", "lock"];

/// Label sets of one container, weakest first.
#[derive(Debug, Clone)]
pub(crate) struct Labels<'a> {
    pub(crate) sets: Vec<LabelSet>,
    prefixes: &'a [String],
    /// The weight that the service's own tags name: a share, for all its tasks together.
    share: Option<u32>,
}

/// Docker labels of a container.
pub(crate) fn docker(container: &ContainerDefinition, definition: &TaskDefinition) -> LabelSet {
    let labels = container.docker_labels.iter();
    LabelSet {
        origin: Origin::new(format!(
            "docker labels of container {} of {}",
            container.name, definition.task_definition_arn
        )),
        labels: labels.map(|(key, value)| (key.clone(), value.clone())).collect(),
    }
}

fn tags(tags: &[Tag], owner: &str) -> LabelSet {
    let labels = tags.iter().map(|tag| (tag.key.clone(), tag.value.clone()));
    LabelSet {
        origin: Origin::new(format!("tags of {owner}")),
        labels: labels.collect(),
    }
}

/// The tags that belong to a task as a whole, weakest first. A task's tags were copied when it started; what its
/// service says now counts more.
pub(crate) fn of_task(task: &Task, definition: &TaskDefinition, service: Option<&Service>) -> Vec<LabelSet> {
    let mut sets = vec![
        tags(&definition.tags, &definition.task_definition_arn),
        tags(&task.tags, &task.task_arn),
    ];
    sets.extend(service.map(|service| tags(&service.tags, &service.service_arn)));
    sets
}

/// The value of `key` in `set`; the first prefix wins.
pub(crate) fn value<'a>(set: &'a LabelSet, prefixes: &[String], key: &str) -> Option<&'a str> {
    prefixes.iter().find_map(|prefix| {
        let mut labels = set.labels.iter();
        let found =
            labels.find(|(name, _)| below(name, prefix).is_some_and(|path| path.eq_ignore_ascii_case(key)));
        found.map(|(_, value)| value.trim())
    })
}

/// True if `set` holds a label of ours.
pub(crate) fn speaks(set: &LabelSet, prefixes: &[String]) -> bool {
    let mut names = set.labels.iter().map(|(name, _)| name);
    names.any(|name| prefixes.iter().any(|prefix| below(name, prefix).is_some()))
}

/// True if `set` says `enable=false`.
pub(crate) fn closed(set: &LabelSet, prefixes: &[String]) -> bool {
    let value = value(set, prefixes, "enable").map(str::to_ascii_lowercase);
    value.is_some_and(|value| matches!(value.as_str(), "0" | "f" | "false"))
}

fn below<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = name.split_at_checked(prefix.len())?;
    rest.strip_prefix('.')
        .filter(|_| start.eq_ignore_ascii_case(prefix))
}

impl<'a> Labels<'a> {
    /// Labels of a container that `tags` speak of.
    pub(crate) fn of_chosen(docker: Option<LabelSet>, tags: Vec<LabelSet>, prefixes: &'a [String]) -> Self {
        let mut sets: Vec<LabelSet> = docker.into_iter().chain(tags).collect();
        sets.retain(|set| !set.labels.is_empty());
        Self {
            sets,
            prefixes,
            share: None,
        }
    }

    /// Labels of another container of the same task: `tags` only say whether it may be exposed.
    pub(crate) fn of_other(docker: LabelSet, tags: Vec<LabelSet>, prefixes: &'a [String]) -> Self {
        let restrict = |mut set: LabelSet| {
            set.labels.retain(|(name, _)| {
                let mut paths = prefixes.iter().filter_map(|prefix| below(name, prefix));
                paths.any(|path| FOR_ALL.iter().any(|key| path.eq_ignore_ascii_case(key)))
            });
            set
        };
        Self::of_chosen(Some(docker), tags.into_iter().map(restrict).collect(), prefixes)
    }

    /// The strongest value of `key`.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        let mut sets = self.sets.iter().rev();
        sets.find_map(|set| value(set, self.prefixes, key))
    }

    /// True if any set holds a label of ours.
    pub(crate) fn speak(&self) -> bool {
        self.sets.iter().any(|set| speaks(set, self.prefixes))
    }

    /// True if a label says which port, or the whole address.
    pub(crate) fn name_a_port(&self) -> bool {
        let mut names = self.sets.iter().flat_map(|set| &set.labels);
        names.any(|(name, _)| {
            self.prefixes.iter().any(|prefix| {
                let path = below(name, prefix).map(str::to_ascii_lowercase);
                path.is_some_and(|path| {
                    path == "port" || path.ends_with("server.port") || path.ends_with("server.url")
                })
            })
        })
    }

    /// Takes a weight that `service` names out of the labels: it is no weight of each task.
    pub(crate) fn take_share(&mut self, service: Option<&Service>) {
        let of_service = service.map(|service| tags(&service.tags, &service.service_arn));
        let share = of_service
            .as_ref()
            .and_then(|set| weight(value(set, self.prefixes, "weight")?));
        if share.is_some() {
            self.share = share;
            self.forget("weight");
        }
    }

    /// The weight of a task whose service has `ready` of them, where services that share a group divide requests
    /// among each other. A task without group has the weight that its labels name.
    pub(crate) fn weight(&mut self, ready: u32) -> u32 {
        let grouped = self.value("service").is_some();
        match (self.share, grouped) {
            (Some(0), _) => 0,
            (Some(_), false) | (None, false) => 1,
            (Some(share), true) => (share * UNIT).div_ceil(ready.max(1)),
            (None, true) => match self.value("weight").map(weight) {
                Some(Some(own)) => {
                    self.forget("weight");
                    own * UNIT
                }
                // What is no weight is left for the decoder to complain about.
                Some(None) | None => UNIT,
            },
        }
    }

    /// Makes the container a canary if its labels say what those get, and not whether it is one: ECS knows that.
    pub(crate) fn take_as_canary(&mut self, task: &Origin) {
        let mut names = self.sets.iter().flat_map(|set| &set.labels);
        let is_wanted = names.any(|(name, _)| {
            self.prefixes.iter().any(|prefix| {
                let path = below(name, prefix).map(str::to_ascii_lowercase);
                path.is_some_and(|path| path.starts_with("canary.") || path.contains(".loadbalancer.canary."))
            })
        });
        if let Some(prefix) = self.prefixes.first().filter(|_| is_wanted) {
            // The weakest: whoever says that it is none has the last word.
            let said = LabelSet {
                origin: Origin::new(format!("deployment of {task}")),
                labels: vec![(format!("{prefix}.canary"), "true".to_owned())],
            };
            self.sets.insert(0, said);
        }
    }

    fn forget(&mut self, key: &str) {
        for set in &mut self.sets {
            set.labels.retain(|(name, _)| {
                let mut paths = self.prefixes.iter().filter_map(|prefix| below(name, prefix));
                !paths.any(|path| path.eq_ignore_ascii_case(key))
            });
        }
    }

    /// Gives them to the instance they belong to.
    pub(crate) fn hand_over(self, instance: &mut Instance) {
        instance.labels = self.sets;
        instance.labels.retain(|set| !set.labels.is_empty());
    }
}

fn weight(text: &str) -> Option<u32> {
    text.parse().ok().filter(|weight| *weight <= MAX_WEIGHT)
}

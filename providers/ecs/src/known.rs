//! What is known of the tasks and services of one cluster, and what of it is to be read again.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use tokio::time::Instant;

use crate::answer::{Deployment, Described, Service, Task};

/// A task that runs is described again every so many reads, for its health.
const ROTATION: u64 = 4;

/// Up to this many tasks are described at each read: it is one call all the same.
const FEW_TASKS: usize = 100;

/// Up to this many services are described at each read: their tags reach routing with it.
const FEW_SERVICES: usize = 100;

/// Above, a service is described again after this time.
const MAX_AGE: Duration = Duration::from_secs(60);

/// Descriptions that are older than what is known come soon, if they come: after this time nothing is held against them.
const MEMORY: Duration = Duration::from_secs(600);

/// Most tasks whose end is remembered.
const MAX_ENDED: usize = 10_000;

/// One cluster.
#[derive(Debug, Default)]
pub(crate) struct Known {
    tasks: BTreeMap<String, KnownTask>,
    services: BTreeMap<String, KnownService>,
    /// Tasks that were described as stopped: the version that said so, and when.
    ended: BTreeMap<String, (u64, Instant)>,
    round: u64,
}

/// A task.
#[derive(Debug)]
pub(crate) struct KnownTask {
    pub(crate) task: Task,
    /// Where it stands among the deployments of its service; set once, so that it does not grow younger when
    /// its deployment is forgotten.
    created: Option<u64>,
    /// The read in which it was described last.
    round: u64,
    /// It is said to have changed since.
    doubted: bool,
}

#[derive(Debug)]
struct KnownService {
    service: Service,
    read: Instant,
    /// It is said to have changed since.
    doubted: bool,
}

impl Known {
    /// A read begins: the tasks to describe, out of those that are listed now and those that were before. Those
    /// of which news is expected are always among them.
    pub(crate) fn due(
        &mut self,
        listed: &BTreeSet<String>,
        expects_news: impl Fn(&Task) -> bool,
    ) -> Vec<String> {
        self.round += 1;
        let few = listed.len() <= FEW_TASKS;
        let gone = self.tasks.keys().filter(|arn| !listed.contains(*arn));
        let is_due = |arn: &&String| match self.tasks.get(*arn) {
            Some(_) if few => true,
            Some(known) => known.doubted || expects_news(&known.task) || turn(arn) == self.round % ROTATION,
            None => true,
        };
        gone.chain(listed.iter().filter(is_due)).cloned().collect()
    }

    /// Takes in what was described in a read of everything. A task that is not listed is gone when it is described as
    /// stopped, or not known any more.
    pub(crate) fn described(&mut self, listed: &BTreeSet<String>, described: Described<Task>) {
        for task in described.found {
            self.take(task, |arn| listed.contains(arn));
        }
        for arn in described.missing.iter().filter(|arn| !listed.contains(*arn)) {
            self.tasks.remove(arn);
        }
    }

    /// Takes in what a look described, without a list to hold it against: a task that is described as stopped is gone.
    /// One that ECS says it does not know is left as it is, for that may come of an answer that lags behind.
    pub(crate) fn looked_at(&mut self, described: Described<Task>) {
        for task in described.found {
            self.take(task, |_| false);
        }
    }

    /// Takes in a description, unless a later one is known: answers of ECS may lag behind those before them.
    fn take(&mut self, task: Task, is_listed: impl Fn(&str) -> bool) {
        let arn = task.task_arn.clone();
        if task.version > 0 && task.version < self.version(&arn) {
            return;
        }
        let goes = task.desired_status == "STOPPED" || task.last_status == "STOPPED";
        let ended = self.ended.get(&arn).map(|(version, _)| *version);
        if goes && (!is_listed(&arn) || ended == Some(task.version)) {
            self.tasks.remove(&arn);
            self.remember_end(arn, task.version);
            return;
        }
        let created = self.tasks.get(&arn).and_then(|known| known.created);
        let known = KnownTask {
            task,
            created,
            round: self.round,
            doubted: false,
        };
        self.tasks.insert(arn, known);
    }

    fn remember_end(&mut self, arn: String, version: u64) {
        let now = Instant::now();
        if self.ended.len() >= MAX_ENDED {
            self.ended.clear();
        }
        self.ended
            .retain(|_, (_, since)| now.duration_since(*since) < MEMORY);
        // Without a version nothing can be told to be older.
        if version > 0 {
            self.ended.insert(arn, (version, now));
        }
    }

    /// The version by which a task was described last; 0 where there is none.
    pub(crate) fn version(&self, arn: &str) -> u64 {
        let ended = self.ended.get(arn).map_or(0, |(version, _)| *version);
        self.tasks.get(arn).map_or(ended, |known| known.task.version)
    }

    /// The services to describe: those with a deployment that is not known yet, and those not read for a while.
    pub(crate) fn due_services(&self) -> Vec<String> {
        let now = Instant::now();
        let mut names: BTreeMap<&str, bool> = BTreeMap::new();
        for known in self.tasks.values() {
            let Some(name) = service_of(&known.task) else {
                continue;
            };
            let is_new = known.created.is_none() && known.round == self.round;
            *names.entry(name).or_default() |= is_new && self.deployment(&known.task).is_none();
        }
        let few = names.len() <= FEW_SERVICES;
        let is_due = |(name, is_news): &(&str, bool)| {
            let known = self.services.get(*name);
            let is_old = |known: &KnownService| known.doubted || now.duration_since(known.read) >= MAX_AGE;
            few || *is_news || known.is_none_or(is_old)
        };
        let due = names.into_iter().filter(is_due);
        due.map(|(name, _)| name.to_owned()).collect()
    }

    /// A look at some tasks begins, between two reads of everything. The rotation stays where it is.
    pub(crate) fn look(&mut self) {
        self.round += ROTATION;
    }

    /// Of the services of `tasks`, those that are not known well enough to tell of them.
    pub(crate) fn unknown_services(&self, tasks: &[String]) -> BTreeSet<String> {
        let tasks = tasks.iter().filter_map(|arn| self.tasks.get(arn));
        let unknown = tasks.filter_map(|known| {
            let name = service_of(&known.task)?;
            let is_new = known.created.is_none() && self.deployment(&known.task).is_none();
            (is_new || self.service(name).is_none()).then(|| name.to_owned())
        });
        unknown.collect()
    }

    /// A task is said to have changed: the next read has a look.
    pub(crate) fn doubt_task(&mut self, arn: &str) {
        if let Some(known) = self.tasks.get_mut(arn) {
            known.doubted = true;
        }
    }

    /// The same for a service.
    pub(crate) fn doubt_service(&mut self, name: &str) {
        if let Some(known) = self.services.get_mut(name) {
            known.doubted = true;
        }
    }

    /// The groups of those tasks that `belongs` picks.
    pub(crate) fn groups_of(&self, belongs: impl Fn(&Task) -> bool) -> BTreeSet<String> {
        let tasks = self.tasks().filter(|task| belongs(task));
        tasks.map(group).collect()
    }

    /// Takes in what was described. Tasks of services whose deployments changed have to be described too: the
    /// change may be about them.
    pub(crate) fn services_described(&mut self, services: Vec<Service>) -> Vec<String> {
        let mut changed = BTreeSet::new();
        for service in services {
            let name = service.service_name.clone();
            let known = KnownService {
                service,
                read: Instant::now(),
                doubted: false,
            };
            let old = self.services.get(&name);
            if old.is_some_and(|old| stages(&old.service) != stages(&known.service)) {
                changed.insert(name.clone());
            }
            self.services.insert(name, known);
        }
        let of_changed = self.tasks.values().filter(|known| {
            known.round != self.round && service_of(&known.task).is_some_and(|name| changed.contains(name))
        });
        of_changed.map(|known| known.task.task_arn.clone()).collect()
    }

    /// Gives tasks their place, and forgets services without tasks.
    pub(crate) fn settle(&mut self) {
        let mut used = BTreeSet::new();
        for known in self.tasks.values_mut() {
            let service = match service_of(&known.task) {
                Some(name) => self.services.get(name).map(|known| &known.service),
                None => None,
            };
            used.extend(service_of(&known.task).map(str::to_owned));
            if known.created.is_none() {
                let begun = service.and_then(|service| deployment(service, &known.task));
                let begun = begun.map(|deployment| deployment.created_at);
                known.created = begun.filter(|time| *time > 0).or(Some(known.task.created_at));
            }
        }
        self.services.retain(|name, _| used.contains(name));
    }

    /// Every group of tasks, with the ARNs of its tasks.
    pub(crate) fn groups(&self) -> BTreeMap<String, Vec<String>> {
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (arn, known) in &self.tasks {
            groups.entry(group(&known.task)).or_default().push(arn.clone());
        }
        groups
    }

    pub(crate) fn task(&self, arn: &str) -> Option<(&Task, u64)> {
        let known = self.tasks.get(arn)?;
        Some((&known.task, known.created.unwrap_or(known.task.created_at)))
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values().map(|known| &known.task)
    }

    pub(crate) fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name).map(|known| &known.service)
    }

    /// How many tasks there are.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    fn deployment(&self, task: &Task) -> Option<&Deployment> {
        deployment(self.service(service_of(task)?)?, task)
    }
}

/// The group of a task. ECS names the family where nobody named another.
fn group(task: &Task) -> String {
    if !task.group.is_empty() {
        return task.group.clone();
    }
    let revision = crate::calls::short(&task.task_definition_arn);
    let family = revision.split(':').next().unwrap_or_default();
    format!("family:{family}")
}

/// The name of the service in `group`.
pub(crate) fn service_name(group: &str) -> Option<&str> {
    group.strip_prefix("service:")
}

fn service_of(task: &Task) -> Option<&str> {
    service_name(&task.group)
}

fn deployment<'a>(service: &'a Service, task: &Task) -> Option<&'a Deployment> {
    let mut all = service.deployments.iter().chain(&service.task_sets);
    all.find(|deployment| deployment.id == task.started_by)
}

/// What tells that a deployment began, moved on or ended.
fn stages(service: &Service) -> Vec<(&str, &str)> {
    let all = service.deployments.iter().chain(&service.task_sets);
    all.map(|deployment| (deployment.id.as_str(), deployment.status.as_str()))
        .collect()
}

/// In which of the reads of a rotation a task is described.
fn turn(arn: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    arn.hash(&mut hasher);
    hasher.finish() % ROTATION
}

//! Reads one cluster again and again: its lists first, then each service by itself.

mod look;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::{Stream, stream};
use mesh_config::instance::Instance;
use mesh_discovery::{Content, ProviderError, Report, Scope, retry::Backoff};

use look::Looks;
use tokio::time::Instant;

use crate::{
    Followed,
    answer::{Container, Task, TaskDefinition},
    calls::short,
    client::{Action, Client},
    definitions::Renewals,
    endpoints::Mode,
    instances::Placed,
    known::{Known, service_name},
    machines::Machines,
};

/// Revisions whose tags may be read again in one read of a cluster.
const RENEWALS: usize = 10;

/// How often a first list that is shorter than the cluster's count is read again, and after which time.
const FIRST_LOOKS: usize = 3;
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a cluster has to say.
#[derive(Debug)]
pub(crate) enum News {
    /// Its lists were read: these are all its scopes.
    Listed(BTreeSet<Scope>),
    /// A word about one of them.
    Report(Report),
}

/// Where the reader of one cluster stands.
struct Reader<'a, C> {
    followed: &'a Followed<C>,
    cluster: String,
    known: Known,
    machines: Machines,
    /// Scopes of the last successful read.
    scopes: BTreeSet<Scope>,
    /// Groups of tasks that are still to be told of.
    groups: VecDeque<(String, Vec<String>)>,
    turn: Turn,
    backoff: Backoff,
    /// When the lists are read next.
    due: Instant,
    looks: Looks,
}

/// What happened since the lists were read, or a look began.
struct Turn {
    /// It is a look at what events spoke of, and leaves the next read when it is.
    is_look: bool,
    renewals: Renewals,
    /// The first failure.
    failed: Option<ProviderError>,
    /// Why no more revisions are asked for: the next answer would be the same.
    no_definitions: Option<ProviderError>,
    /// The same for machines.
    no_machines: Option<ProviderError>,
}

impl Turn {
    fn new(is_look: bool) -> Self {
        Self {
            is_look,
            renewals: Renewals(RENEWALS),
            failed: None,
            no_definitions: None,
            no_machines: None,
        }
    }
}

/// Everything about `cluster`, without end.
pub(crate) fn news<C: Client>(
    followed: &Followed<C>,
    cluster: String,
) -> impl Stream<Item = Vec<News>> + Send + '_ {
    let events = followed.events.as_ref();
    let reader = Reader {
        followed,
        looks: Looks::new(events.map(|events| events.of(short(&cluster)))),
        cluster,
        known: Known::default(),
        machines: Machines::default(),
        scopes: BTreeSet::new(),
        groups: VecDeque::new(),
        turn: Turn::new(false),
        backoff: Backoff::new(),
        due: Instant::now(),
    };
    stream::unfold(reader, async |mut reader| {
        let news = match reader.groups.pop_front() {
            Some((group, tasks)) => vec![reader.tell(&group, &tasks).await],
            None => match reader.wake().await {
                Some(told) => reader.look(told).await,
                None => reader.begin().await,
            },
        };
        if reader.groups.is_empty() {
            reader.finish();
        }
        Some((news, reader))
    })
}

impl<C: Client> Reader<'_, C> {
    /// Reads the lists.
    async fn begin(&mut self) -> Vec<News> {
        self.turn = Turn::new(false);
        if let Err(error) = self.lists().await {
            self.turn.failed = Some(error.clone());
            let scopes = std::iter::once(self.scope()).chain(self.scopes.iter().cloned());
            let scopes: BTreeSet<Scope> = scopes.collect();
            let failed = scopes.into_iter().map(|scope| {
                let error = error.clone();
                News::Report(Report::Failed { scope, error })
            });
            return failed.collect();
        }
        let groups = self.known.groups();
        let mut scopes: BTreeSet<Scope> = groups.keys().map(|group| self.scope_of(group)).collect();
        scopes.insert(self.scope());
        let gone = self.scopes.difference(&scopes).cloned();
        let mut news: Vec<News> = gone.map(|scope| whole(scope, Vec::new())).collect();
        news.push(News::Listed(scopes.clone()));
        // It holds nothing itself; its age and errors tell how blind Mesh is.
        news.push(whole(self.scope(), Vec::new()));
        self.scopes = scopes;
        self.groups = groups.into_iter().collect();
        news
    }

    /// Which tasks there are, what became of those that were, and their services.
    async fn lists(&mut self) -> Result<(), ProviderError> {
        let calls = &self.followed.calls;
        let listed = self.tasks().await?;
        let cache = &self.followed.definitions;
        let due = self.known.due(&listed, |task| {
            expects_news(task, cache.known(&task.task_definition_arn).as_deref())
        });
        let described = calls.describe_tasks(&self.cluster, &due).await?;
        self.known.described(&listed, described);
        let due = self.known.due_services();
        let services = calls.describe_services(&self.cluster, &due).await?;
        let due = self.known.services_described(services);
        let described = calls.describe_tasks(&self.cluster, &due).await?;
        self.known.described(&listed, described);
        self.known.settle();
        Ok(())
    }

    /// The tasks that there are. A first list cannot be held against an earlier one, only against the cluster's own
    /// count, which may lag behind: a list that is shorter is not believed at once.
    async fn tasks(&self) -> Result<BTreeSet<String>, ProviderError> {
        let calls = &self.followed.calls;
        let mut listed = calls.list_tasks(&self.cluster).await?;
        if listed.is_empty() {
            return match self.count().await? {
                0 => Ok(listed),
                count => Err(self.hides(format!(
                    "cluster {} counts {count} tasks and lists none: ecs:ListTasks has to be allowed for all of it",
                    self.cluster
                ))),
            };
        }
        let mut looks = if self.scopes.is_empty() { FIRST_LOOKS } else { 0 };
        while looks > 0 && listed.len() < self.count().await? {
            tokio::time::sleep(LOOK_AGAIN).await;
            listed = calls.list_tasks(&self.cluster).await?;
            looks -= 1;
        }
        Ok(listed)
    }

    fn hides(&self, reason: String) -> ProviderError {
        ProviderError::Unauthorized {
            endpoint: self.followed.calls.endpoint(),
            reason,
        }
    }

    /// How many tasks the cluster counts.
    async fn count(&self) -> Result<usize, ProviderError> {
        let calls = &self.followed.calls;
        let Some(cluster) = calls.describe_cluster(&self.cluster).await? else {
            return Err(self.hides(format!("there is no cluster {}", self.cluster)));
        };
        let count = cluster
            .running_tasks_count
            .saturating_add(cluster.pending_tasks_count);
        Ok(count.try_into().unwrap_or(0))
    }

    /// The word about one group of tasks.
    async fn tell(&mut self, group: &str, tasks: &[String]) -> News {
        let scope = self.scope_of(group);
        match self.instances(group, tasks).await {
            Ok(instances) => whole(scope, instances),
            Err(error) => {
                self.turn.failed.get_or_insert(error.clone());
                News::Report(Report::Failed { scope, error })
            }
        }
    }

    async fn instances(&mut self, group: &str, arns: &[String]) -> Result<Vec<Instance>, ProviderError> {
        let service = match service_name(group) {
            Some(name) => Some(self.known.service(name).cloned().ok_or_else(|| {
                let calls = &self.followed.calls;
                calls.malformed(
                    Action::DescribeServices,
                    &format!("it does not know service {name}"),
                )
            })?),
            None => None,
        };
        let definitions = self.definitions(arns).await?;
        self.read_machines(arns, &definitions).await?;
        let placed = arns.iter().filter_map(|arn| {
            let (task, created) = self.known.task(arn)?;
            Some(Placed {
                task,
                definition: definitions.get(&task.task_definition_arn)?,
                host: self.machines.get(&task.container_instance_arn),
                created,
            })
        });
        let placed: Vec<Placed<'_>> = placed.collect();
        let name = self.followed.name_of(&self.cluster, group);
        let translation = &self.followed.translation;
        Ok(translation.instances(&name, service.as_ref(), &placed))
    }

    /// The revisions of `tasks`.
    async fn definitions(
        &mut self,
        tasks: &[String],
    ) -> Result<BTreeMap<String, Arc<TaskDefinition>>, ProviderError> {
        let revisions = tasks.iter().filter_map(|arn| self.known.task(arn));
        let revisions: BTreeSet<&String> = revisions.map(|(task, _)| &task.task_definition_arn).collect();
        let mut found = BTreeMap::new();
        for revision in revisions {
            let cache = &self.followed.definitions;
            if let Some(error) = &self.turn.no_definitions {
                let known = cache.known(revision).ok_or_else(|| error.clone())?;
                found.insert(revision.clone(), known);
                continue;
            }
            let definition = cache.get(&self.followed.calls, revision, &mut self.turn.renewals);
            let definition = definition.await.inspect_err(|error| {
                // A revision that cannot be described says nothing of the others.
                if error.is_throttle() || matches!(error, ProviderError::Unreachable { .. }) {
                    self.turn.no_definitions = Some(error.clone());
                }
            })?;
            found.insert(revision.clone(), definition);
        }
        Ok(found)
    }

    /// Reads the machines of `tasks`, together with those of all others that may need theirs.
    async fn read_machines(
        &mut self,
        tasks: &[String],
        definitions: &BTreeMap<String, Arc<TaskDefinition>>,
    ) -> Result<(), ProviderError> {
        let needs = |definition: &TaskDefinition| Mode::of(definition).needs_machine();
        let needed = tasks.iter().filter_map(|arn| {
            let (task, _) = self.known.task(arn)?;
            let definition = definitions.get(&task.task_definition_arn)?;
            let arn = Some(task.container_instance_arn.as_str()).filter(|arn| !arn.is_empty());
            arn.filter(|_| needs(definition))
        });
        if !self.machines.lacks(needed) {
            return Ok(());
        }
        if let Some(error) = &self.turn.no_machines {
            return Err(error.clone());
        }
        let cache = &self.followed.definitions;
        let may_need = |revision: &str| cache.known(revision).is_none_or(|definition| needs(&definition));
        let all = self
            .known
            .tasks()
            .filter(|task| !task.container_instance_arn.is_empty());
        let all = all.filter(|task| may_need(&task.task_definition_arn));
        let all: BTreeSet<String> = all.map(|task| task.container_instance_arn.clone()).collect();
        self.machines.retain(&all.iter().map(String::as_str).collect());
        let read = self
            .machines
            .read(&self.followed.calls, &self.cluster, &all, self.followed.anywhere);
        read.await
            .inspect_err(|error| self.turn.no_machines = Some(error.clone()))
    }

    /// All has been said: when is the next read.
    fn finish(&mut self) {
        let pace = &self.followed.pace;
        let Turn { is_look, failed, .. } = &self.turn;
        self.looks.finished(*is_look, failed.as_ref());
        let wait = match failed {
            Some(error) if error.is_throttle() => {
                pace.throttled();
                pace.pause(self.known.len()) + self.backoff.wait_after(error)
            }
            Some(error) => self.backoff.wait_after(error),
            None if *is_look => return,
            None => {
                pace.well();
                self.backoff.reset();
                pace.pause(self.known.len())
            }
        };
        let due = Instant::now() + wait;
        // What a look could not tell the next read does, and soon.
        self.due = match is_look {
            true => self.due.min(due.max(self.looks.read_again())),
            false => due,
        };
    }

    /// The scope of the lists.
    fn scope(&self) -> Scope {
        Scope::new(format!("cluster {}", short(&self.cluster)))
    }

    fn scope_of(&self, group: &str) -> Scope {
        let cluster = short(&self.cluster);
        Scope::new(match service_name(group) {
            Some(service) => format!("service {cluster}/{service}"),
            None => format!("group {cluster}/{group}"),
        })
    }
}

/// True for a task that is on its way up or down, or whose health is about to be known or to change.
fn expects_news(task: &Task, definition: Option<&TaskDefinition>) -> bool {
    let runs = task.last_status == "RUNNING" && task.desired_status == "RUNNING";
    let is_checked = |name: &str| {
        let mut containers = definition
            .iter()
            .flat_map(|definition| &definition.container_definitions);
        containers.any(|container| container.name == name && container.health_check)
    };
    let unsettled =
        |container: &Container| match (container.last_status.as_str(), container.health_status.as_str()) {
            ("RUNNING", "UNHEALTHY") => true,
            ("RUNNING", "HEALTHY") => false,
            ("RUNNING", _) => is_checked(&container.name),
            ("STOPPED", _) => false,
            _ => true,
        };
    !runs || task.containers.iter().any(unsettled)
}

/// The whole of a scope.
fn whole(scope: Scope, instances: Vec<Instance>) -> News {
    let content = Content::Instances(instances);
    News::Report(Report::Replace { scope, content })
}

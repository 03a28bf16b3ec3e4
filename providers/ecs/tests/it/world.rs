//! An AWS in memory, with pages, batches and refusals as the real one has them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use mesh_discovery::ProviderError;
use mesh_provider_ecs::{
    Action, Client, Cluster, ContainerInstance, Described, Machine, Page, Service, Task, TaskDefinition,
};
use serde_json::{Value, json};

use crate::{
    queues::Mail,
    tasks::{from, wire},
};

const ACCOUNT: &str = "arn:aws:ecs:eu-central-1:123456789012";

/// What a call comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is answered.
    Answered,
    /// AWS asks for fewer.
    Throttled,
    /// The role may not.
    Denied,
    /// A list is shorter than it should be, a description silent about half of what was asked.
    Halved,
}

/// The calls of one read: from a first page of tasks to the next one.
pub(crate) type Read = BTreeMap<Action, usize>;

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Objects by the ARN or name they are asked for, of the only cluster that has any.
    pub(crate) services: BTreeMap<String, Value>,
    pub(crate) tasks: BTreeMap<String, Value>,
    pub(crate) definitions: BTreeMap<String, Value>,
    pub(crate) instances: BTreeMap<String, Value>,
    pub(crate) machines: BTreeMap<String, String>,
    pub(crate) clusters: Vec<String>,
    /// What comes of the next calls; then of all others.
    pub(crate) fates: VecDeque<Fate>,
    pub(crate) always: BTreeMap<Action, Fate>,
    /// A task that is asked for alone is refused.
    pub(crate) refused_alone: bool,
    pub(crate) reads: Vec<Read>,
    /// Tasks that are replaced before each read but the first.
    pub(crate) churn: usize,
    born: usize,
    /// Its queues and subscriptions.
    pub(crate) mail: Mail,
}

/// AWS.
#[derive(Debug, Clone, Default)]
pub(crate) struct World(Arc<Mutex<State>>);

/// A refusal: status and code.
pub(crate) type Refusal = (u16, &'static str);

impl World {
    /// One cluster, `shop`, without anything.
    pub(crate) fn new() -> Self {
        let world = Self::default();
        world.state().clusters.push(format!("{ACCOUNT}:cluster/shop"));
        world
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Calls so far, by action.
    pub(crate) fn calls(&self) -> Read {
        let mut all = Read::new();
        for (action, count) in self.state().reads.iter().flatten() {
            *all.entry(*action).or_default() += count;
        }
        all
    }

    /// A service on revision `<name>:1`, and the revision.
    pub(crate) fn service(&self, name: &str, mode: &str, tags: &[(&str, &str)]) {
        let mut state = self.state();
        let service = json!({
            "serviceArn": format!("{ACCOUNT}:service/shop/{name}"), "serviceName": name, "tags": wire(tags),
            "deployments": [{"id": format!("ecs-svc/{name}-1"), "status": "PRIMARY", "createdAt": 1000.0}],
        });
        state.services.insert(name.to_owned(), service);
        let revision = format!("{ACCOUNT}:task-definition/{name}:1");
        state.define(&revision, mode);
    }

    /// Starts a task of `service`, and gives its ARN.
    pub(crate) fn run(&self, service: &str) -> String {
        self.state().run(service, &format!("{service}:1"), 1)
    }

    pub(crate) fn set(&self, task: &str, key: &str, value: Value) {
        self.state().tasks.get_mut(task).unwrap()[key] = value;
    }

    /// The task is to be stopped: lists leave it out at once.
    pub(crate) fn stop(&self, task: &str) {
        self.set(task, "desiredStatus", json!("STOPPED"));
    }

    pub(crate) fn tag(&self, service: &str, tags: &[(&str, &str)]) {
        self.state().services.get_mut(service).unwrap()["tags"] = wire(tags);
    }

    pub(crate) fn always(&self, action: Action, fate: Fate) {
        self.state().always.insert(action, fate);
    }

    /// Answers as AWS does over HTTP.
    pub(crate) fn answer(&self, action: Action, body: &Value) -> Result<Value, Refusal> {
        let mut state = self.state();
        if state.reads.is_empty() || (action == Action::ListTasks && body["nextToken"].is_null()) {
            state.turn();
        }
        *state.reads.last_mut().unwrap().entry(action).or_default() += 1;
        if state.refused_alone && action == Action::DescribeTasks && body["tasks"][1].is_null() {
            return Err((400, "InvalidParameterException"));
        }
        let next = state.fates.pop_front();
        let fate = next.or_else(|| state.always.get(&action).copied());
        match fate {
            Some(Fate::Throttled) => Err((400, "ThrottlingException")),
            Some(Fate::Denied) => Err((400, "AccessDeniedException")),
            Some(Fate::Halved) => state.answer(action, body, true),
            Some(Fate::Answered) | None => state.answer(action, body, false),
        }
    }

    fn ask(&self, action: Action, body: &Value) -> Result<Value, ProviderError> {
        self.answer(action, body)
            .map_err(|(status, code)| ProviderError::Refused {
                endpoint: "aws.test".to_owned(),
                status,
                reason: format!("{code} to {}", action.as_str()),
                retry_after: (code == "ThrottlingException").then_some(Duration::ZERO),
            })
    }

    fn described<T: serde::de::DeserializeOwned>(
        &self,
        action: Action,
        body: &Value,
        key: &str,
    ) -> Result<Described<T>, ProviderError> {
        let mut answer = self.ask(action, body)?;
        let failures = answer["failures"].as_array().unwrap().iter();
        let missing = failures.map(|failure| failure["arn"].as_str().unwrap().to_owned());
        let missing = missing.collect();
        Ok(Described {
            found: from(answer[key].take()),
            missing,
        })
    }
}

impl State {
    /// A read begins.
    fn turn(&mut self) {
        let first = self.reads.is_empty();
        self.reads.push(Read::new());
        if first {
            return;
        }
        // Spread over all services.
        let step = self.tasks.len().checked_div(self.churn).unwrap_or(1).max(1);
        let goes: Vec<String> = self
            .tasks
            .keys()
            .step_by(step)
            .take(self.churn)
            .cloned()
            .collect();
        for arn in goes {
            let task = self.tasks.remove(&arn).unwrap();
            let service = task["group"]
                .as_str()
                .unwrap()
                .strip_prefix("service:")
                .unwrap()
                .to_owned();
            let revision = task["taskDefinitionArn"]
                .as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_owned();
            self.run(&service, &revision, 1);
        }
    }

    pub(crate) fn define(&mut self, revision: &str, mode: &str) {
        let port = json!([{"containerPort": 8080, "protocol": "tcp"}]);
        let definition = json!({
            "taskDefinitionArn": revision, "networkMode": mode,
            "containerDefinitions": [{"name": "app", "essential": true, "portMappings": port}],
        });
        self.definitions.insert(revision.to_owned(), definition);
    }

    pub(crate) fn run(&mut self, service: &str, revision: &str, deployment: usize) -> String {
        self.born += 1;
        // Names are spread as real ones are.
        let name = format!(
            "{:032x}",
            (self.born as u128).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
        );
        let arn = format!("{ACCOUNT}:task/shop/{name}");
        let revision = format!("{ACCOUNT}:task-definition/{revision}");
        let (high, low) = (self.born / 250 % 250, self.born % 250 + 1);
        let mut task = json!({
            "taskArn": arn, "group": format!("service:{service}"),
            "startedBy": format!("ecs-svc/{service}-{deployment}"), "taskDefinitionArn": revision,
            "lastStatus": "RUNNING", "desiredStatus": "RUNNING", "createdAt": 1000.0 + self.born as f64,
        });
        let mut container = json!({"name": "app", "lastStatus": "RUNNING"});
        if self.definitions[&revision]["networkMode"] == "awsvpc" {
            container["networkInterfaces"] = json!([{"privateIpv4Address": format!("10.0.{high}.{low}")}]);
        } else if !self.instances.is_empty() {
            let place = self.born % self.instances.len();
            task["containerInstanceArn"] = json!(self.instances.keys().nth(place).unwrap());
            let port = 32768 + self.born % 20000;
            container["networkBindings"] =
                json!([{"containerPort": 8080, "hostPort": port, "protocol": "tcp"}]);
        }
        task["containers"] = json!([container]);
        self.tasks.insert(arn.clone(), task);
        arn
    }

    /// A machine of the cluster.
    pub(crate) fn machine(&mut self, id: &str, address: &str) {
        let arn = format!("{ACCOUNT}:container-instance/shop/{id}");
        let instance = json!({"containerInstanceArn": arn, "ec2InstanceId": id, "status": "ACTIVE"});
        self.instances.insert(arn, instance);
        self.machines.insert(id.to_owned(), address.to_owned());
    }

    fn clusters(&self, names: &[&str]) -> Value {
        let cluster = json!({
            "clusterArn": format!("{ACCOUNT}:cluster/shop"), "status": "ACTIVE",
            "runningTasksCount": self.tasks.len(), "pendingTasksCount": 0,
        });
        let shop = names
            .iter()
            .any(|name| *name == "shop" || name.ends_with("/shop"));
        let found: Vec<_> = std::iter::repeat_n(cluster, usize::from(shop)).collect();
        let missing = names.iter().filter(|_| !shop);
        let missing: Vec<_> = missing
            .map(|name| json!({"arn": name, "reason": "MISSING"}))
            .collect();
        json!({"clusters": found, "failures": missing})
    }

    fn answer(&self, action: Action, body: &Value, halved: bool) -> Result<Value, Refusal> {
        let is_shop = body["cluster"]
            .as_str()
            .is_none_or(|name| name == "shop" || name.ends_with("/shop"));
        let texts = |key: &str| -> Vec<&str> {
            let texts = body[key].as_array().into_iter().flatten();
            texts.map(|text| text.as_str().unwrap()).collect()
        };
        let describe = |all: &BTreeMap<String, Value>, asked: &str, key: &str| {
            let mut asked = texts(asked);
            assert!(
                asked.len() <= action.batch() && !asked.is_empty(),
                "{action:?} of {}",
                asked.len()
            );
            if halved {
                asked.truncate(asked.len() / 2);
            }
            let (found, missing): (Vec<_>, Vec<_>) =
                asked.into_iter().partition(|name| all.contains_key(*name));
            let found: Vec<_> = found.into_iter().map(|name| &all[name]).collect();
            let missing: Vec<_> = missing
                .into_iter()
                .map(|name| match name.starts_with("arn:") {
                    true => json!({"arn": name, "reason": "MISSING"}),
                    false => json!({"arn": format!("{ACCOUNT}:service/shop/{name}"), "reason": "MISSING"}),
                })
                .collect();
            Ok(json!({key: found, "failures": missing}))
        };
        match action {
            Action::ListClusters => Ok(page(&self.clusters, body, "clusterArns", halved)),
            Action::ListTasks => {
                let runs = |task: &&Value| task["desiredStatus"] == "RUNNING";
                let running = self.tasks.values().filter(runs);
                let arns: Vec<String> = running
                    .filter(|_| is_shop)
                    .map(|task| task["taskArn"].as_str().unwrap().to_owned())
                    .collect();
                Ok(page(&arns, body, "taskArns", halved))
            }
            Action::DescribeClusters => Ok(self.clusters(&texts("clusters"))),
            Action::DescribeTasks => describe(&self.tasks, "tasks", "tasks"),
            Action::DescribeServices => describe(&self.services, "services", "services"),
            Action::DescribeContainerInstances => {
                describe(&self.instances, "containerInstances", "containerInstances")
            }
            Action::DescribeTaskDefinition => match self.definitions.get(texts_of(&body["taskDefinition"])) {
                Some(definition) => Ok(json!({"taskDefinition": definition, "tags": []})),
                None => Err((400, "ClientException")),
            },
            Action::DescribeInstances | Action::DescribeInstanceInformation => {
                let known = texts("ids")
                    .into_iter()
                    .filter_map(|id| Some((id, self.machines.get(id)?)));
                let found: Vec<_> = known
                    .map(|(id, address)| json!({"id": id, "address": address}))
                    .collect();
                Ok(json!({"machines": found}))
            }
        }
    }
}

fn texts_of(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A page of a hundred.
fn page(all: &[String], body: &Value, key: &str, halved: bool) -> Value {
    let all = if halved { &all[..all.len() / 2] } else { all };
    let at: usize = body["nextToken"]
        .as_str()
        .map_or(0, |token| token.parse().unwrap());
    let at = at.min(all.len());
    let end = (at + 100).min(all.len());
    let next = (end < all.len()).then(|| end.to_string());
    let mut page = json!({key: all[at..end]});
    if let Some(next) = next {
        page["nextToken"] = json!(next);
    }
    page
}

impl Client for World {
    fn endpoint(&self) -> String {
        "aws.test".to_owned()
    }

    async fn list_clusters(&self, page: Option<String>) -> Result<Page<String>, ProviderError> {
        let mut answer = self.ask(Action::ListClusters, &json!({"nextToken": page}))?;
        Ok(Page {
            next: from(answer["nextToken"].take()),
            items: from(answer["clusterArns"].take()),
        })
    }

    async fn describe_clusters(&self, clusters: &[String]) -> Result<Described<Cluster>, ProviderError> {
        self.described(
            Action::DescribeClusters,
            &json!({"clusters": clusters}),
            "clusters",
        )
    }

    async fn list_tasks(&self, cluster: &str, page: Option<String>) -> Result<Page<String>, ProviderError> {
        let mut answer = self.ask(Action::ListTasks, &json!({"cluster": cluster, "nextToken": page}))?;
        Ok(Page {
            next: from(answer["nextToken"].take()),
            items: from(answer["taskArns"].take()),
        })
    }

    async fn describe_tasks(
        &self,
        cluster: &str,
        tasks: &[String],
    ) -> Result<Described<Task>, ProviderError> {
        let body = json!({"cluster": cluster, "tasks": tasks});
        self.described(Action::DescribeTasks, &body, "tasks")
    }

    async fn describe_services(
        &self,
        cluster: &str,
        services: &[String],
    ) -> Result<Described<Service>, ProviderError> {
        let body = json!({"cluster": cluster, "services": services});
        self.described(Action::DescribeServices, &body, "services")
    }

    async fn describe_task_definition(&self, revision: &str) -> Result<TaskDefinition, ProviderError> {
        let body = json!({"taskDefinition": revision});
        Ok(from(
            self.ask(Action::DescribeTaskDefinition, &body)?["taskDefinition"].take(),
        ))
    }

    async fn describe_container_instances(
        &self,
        cluster: &str,
        instances: &[String],
    ) -> Result<Described<ContainerInstance>, ProviderError> {
        let body = json!({"cluster": cluster, "containerInstances": instances});
        self.described(Action::DescribeContainerInstances, &body, "containerInstances")
    }

    async fn describe_instances(
        &self,
        ids: &[String],
        _: Option<String>,
    ) -> Result<Page<Machine>, ProviderError> {
        machines(self.ask(Action::DescribeInstances, &json!({"ids": ids})))
    }

    async fn describe_instance_information(
        &self,
        ids: &[String],
        _: Option<String>,
    ) -> Result<Page<Machine>, ProviderError> {
        machines(self.ask(Action::DescribeInstanceInformation, &json!({"ids": ids})))
    }
}

fn machines(answer: Result<Value, ProviderError>) -> Result<Page<Machine>, ProviderError> {
    let answer = answer?;
    let machines = answer["machines"].as_array().unwrap().iter();
    let machine = |machine: &Value| Machine {
        id: machine["id"].as_str().unwrap().to_owned(),
        address: machine["address"].as_str().unwrap().to_owned(),
    };
    Ok(Page {
        items: machines.map(machine).collect(),
        next: None,
    })
}

//! A Nomad in memory: answers as the real one does (`fixtures/`), blocking queries, jitter and rights included.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use mesh_discovery::ProviderError;
use mesh_provider_nomad::{Allocation, Client, Registered, Services};
use mesh_remote::{Answer, Index};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// What the token may, by what a real Nomad with ACLs was seen to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Rights {
    /// `read-job` everywhere, or no ACLs.
    #[default]
    Everything,
    /// `read-job` in one namespace.
    JobsOf(&'static str),
    /// `list-jobs` in one namespace, which is not enough for anything.
    NamesOf(&'static str),
    /// A task's own token without a policy: services of any namespace, and nothing else; no namespace is listed.
    Task,
    /// No token.
    Nothing,
}

impl Rights {
    fn services(self, namespace: &str) -> bool {
        self == Self::Task || self.allocations(namespace)
    }

    fn allocations(self, namespace: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::JobsOf(allowed) => allowed == namespace,
            Self::NamesOf(_) | Self::Task | Self::Nothing => false,
        }
    }

    fn sees(self, namespace: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::JobsOf(allowed) | Self::NamesOf(allowed) => allowed == namespace,
            Self::Nothing | Self::Task => false,
        }
    }
}

/// One registration and where it belongs.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) namespace: &'static str,
    pub(crate) name: &'static str,
    pub(crate) allocation: &'static str,
    pub(crate) port: u16,
    pub(crate) tags: Vec<&'static str>,
}

impl Service {
    pub(crate) fn new(name: &'static str, allocation: &'static str, port: u16) -> Self {
        Self {
            namespace: "default",
            name,
            allocation,
            port,
            tags: Vec::new(),
        }
    }

    pub(crate) fn id(&self) -> String {
        format!("_nomad-task-{}-group-g-{}-http", self.allocation, self.name)
    }
}

/// An allocation as the servers know it.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) namespace: &'static str,
    pub(crate) client_status: &'static str,
    pub(crate) desired_status: &'static str,
    pub(crate) healthy: Option<bool>,
    pub(crate) canary: bool,
    pub(crate) migrate: bool,
}

impl Default for Placed {
    fn default() -> Self {
        Self {
            namespace: "default",
            client_status: "running",
            desired_status: "run",
            healthy: Some(true),
            canary: false,
            migrate: false,
        }
    }
}

#[derive(Debug, Clone, Default)]
struct State {
    index: u64,
    services: BTreeMap<String, (Service, u64)>,
    allocations: BTreeMap<&'static str, Placed>,
    namespaces: BTreeSet<&'static str>,
    rights: Rights,
    /// Every query fails.
    down: bool,
    /// Queries for allocations fail.
    no_allocations: bool,
}

/// Nomad.
#[derive(Debug, Clone)]
pub(crate) struct World {
    state: watch::Sender<State>,
    calls: Arc<AtomicUsize>,
    blocked: Arc<AtomicUsize>,
    most_blocked: Arc<AtomicUsize>,
}

impl World {
    /// Services that run and are healthy.
    pub(crate) fn new(services: impl IntoIterator<Item = Service>) -> Self {
        let (state, _) = watch::channel(State {
            index: 10,
            namespaces: BTreeSet::from(["default"]),
            ..State::default()
        });
        let world = Self {
            state,
            calls: Arc::default(),
            blocked: Arc::default(),
            most_blocked: Arc::default(),
        };
        services.into_iter().for_each(|service| world.run(service));
        world
    }

    /// An allocation that runs and is healthy, and its service.
    pub(crate) fn run(&self, service: Service) {
        let namespace = service.namespace;
        self.place(
            service.allocation,
            Placed {
                namespace,
                ..Placed::default()
            },
        );
        self.register(service);
    }

    pub(crate) fn place(&self, allocation: &'static str, placed: Placed) {
        self.change(|state| {
            state.allocations.insert(allocation, placed);
        });
    }

    pub(crate) fn allocation(&self, allocation: &str, change: impl FnOnce(&mut Placed)) {
        self.change(|state| change(state.allocations.get_mut(allocation).unwrap()));
    }

    pub(crate) fn register(&self, service: Service) {
        self.change(|state| {
            state.namespaces.insert(service.namespace);
            let created = state.services.get(&service.id());
            let created = created.map_or(state.index, |(_, created)| *created);
            state.services.insert(service.id(), (service, created));
        });
    }

    /// Takes the services of an allocation out.
    pub(crate) fn deregister(&self, allocation: &str) {
        self.change(|state| {
            state
                .services
                .retain(|_, (service, _)| service.allocation != allocation);
        });
    }

    /// Takes its services out and ends it.
    pub(crate) fn end(&self, allocation: &str) {
        self.allocation(allocation, |placed| placed.desired_status = "stop");
        self.deregister(allocation);
        self.allocation(allocation, |placed| placed.client_status = "complete");
    }

    pub(crate) fn set_rights(&self, rights: Rights) {
        self.change(|state| state.rights = rights);
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.change(|state| state.down = down);
    }

    pub(crate) fn set_no_allocations(&self, no_allocations: bool) {
        self.change(|state| state.no_allocations = no_allocations);
    }

    /// All is lost, and history begins anew.
    pub(crate) fn lose_state(&self) {
        self.state.send_replace(State {
            index: 5,
            namespaces: BTreeSet::from(["default"]),
            ..State::default()
        });
    }

    pub(crate) fn add_namespace(&self, namespace: &'static str) {
        self.change(|state| {
            state.namespaces.insert(namespace);
        });
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Most queries that hung at one time.
    pub(crate) fn most_blocked(&self) -> usize {
        self.most_blocked.load(Ordering::Relaxed)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(|state| {
            state.index += 1;
            change(state);
        });
    }

    /// Answers when the index has passed `after`, or when `wait` and its jitter are over.
    async fn ask(&self, path: &str, namespace: &str, after: u64, wait: Duration) -> (u16, u64, Value) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut receiver = self.state.subscribe();
        if after > 0 {
            let blocked = self.blocked.fetch_add(1, Ordering::Relaxed) + 1;
            self.most_blocked.fetch_max(blocked, Ordering::Relaxed);
            let news = receiver.wait_for(|state| state.index > after || state.down);
            let _ = tokio::time::timeout(wait * 17 / 16, news).await;
            self.blocked.fetch_sub(1, Ordering::Relaxed);
        }
        let state = self.state.borrow().clone();
        let refused = (403, 0, json!("Permission denied"));
        let allowed = match path {
            "/v1/allocations" if state.no_allocations => return (500, 0, json!("rpc error")),
            "/v1/allocations" => state.rights.allocations(namespace),
            "/v1/namespaces" => true,
            _ => state.rights.services(namespace),
        };
        match (state.down, allowed) {
            (true, _) => (500, 0, json!("No cluster leader")),
            (_, false) => refused,
            _ => (200, state.index, value(&state, path, namespace)),
        }
    }

    async fn answer<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        namespace: &str,
        after: Index,
        wait: Duration,
    ) -> Result<Answer<T>, ProviderError> {
        let (status, index, value) = self.ask(path, namespace, after.value(), wait).await;
        if status != 200 {
            return Err(ProviderError::Refused {
                endpoint: self.endpoint().to_owned(),
                status,
                reason: value.as_str().unwrap().to_owned(),
                retry_after: None,
            });
        }
        let value = serde_json::from_value(value).unwrap();
        Ok(Answer { index, value })
    }

    /// Serves the same over HTTP.
    pub(crate) async fn serve(&self) -> (SocketAddr, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, world) = (listener.local_addr().unwrap(), self.clone());
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let world = world.clone();
                let answer = service_fn(move |request| {
                    let world = world.clone();
                    async move { Ok::<_, Infallible>(world.over_http(request).await) }
                });
                let server = hyper::server::conn::http1::Builder::new();
                connections.spawn(server.serve_connection(TokioIo::new(stream), answer));
            }
        });
        (address, task)
    }

    async fn over_http(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let query = request.uri().query().unwrap_or_default();
        let parameter = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let namespace = parameter("namespace").unwrap_or("default");
        let after = parameter("index").unwrap_or("0").parse().unwrap();
        let wait = Duration::from_secs(55);
        let (status, index, value) = self.ask(request.uri().path(), namespace, after, wait).await;
        let (body, response) = match status {
            200 => (
                value.to_string(),
                Response::builder().header("x-nomad-index", index),
            ),
            _ => (
                value.as_str().unwrap().to_owned(),
                Response::builder().status(status),
            ),
        };
        response.body(Full::new(body.into())).unwrap()
    }
}

impl Client for World {
    fn endpoint(&self) -> &str {
        "http://nomad.test"
    }

    async fn services(
        &self,
        namespace: &str,
        after: Index,
        wait: Duration,
    ) -> Result<Answer<Services>, ProviderError> {
        let answer: Answer<Vec<mesh_provider_nomad::NamespaceServices>> =
            self.answer("/v1/services", namespace, after, wait).await?;
        let services = answer.value.into_iter().flat_map(|found| found.services);
        let value = services
            .map(|service| (service.service_name, service.tags))
            .collect();
        let index = answer.index;
        Ok(Answer { index, value })
    }

    async fn service(
        &self,
        namespace: &str,
        service: &str,
        after: Index,
        wait: Duration,
    ) -> Result<Answer<Vec<Registered>>, ProviderError> {
        let path = format!("/v1/service/{service}");
        self.answer(&path, namespace, after, wait).await
    }

    async fn allocations(
        &self,
        namespace: &str,
        after: Index,
        wait: Duration,
    ) -> Result<Answer<Vec<Allocation>>, ProviderError> {
        self.answer("/v1/allocations", namespace, after, wait).await
    }

    async fn namespaces(&self, after: Index, wait: Duration) -> Result<Answer<Vec<String>>, ProviderError> {
        let answer: Answer<Vec<mesh_provider_nomad::Namespace>> =
            self.answer("/v1/namespaces", "", after, wait).await?;
        let value = answer.value.into_iter().map(|namespace| namespace.name);
        let index = answer.index;
        Ok(Answer {
            index,
            value: value.collect(),
        })
    }
}

fn value(state: &State, path: &str, namespace: &str) -> Value {
    match path.strip_prefix("/v1/service/") {
        Some(service) => registrations(state, namespace, service),
        None if path == "/v1/services" => services(state, namespace),
        None if path == "/v1/allocations" => allocations(state, namespace),
        None => namespaces(state),
    }
}

/// A namespace without services is not in the list, known or not.
fn services(state: &State, namespace: &str) -> Value {
    let mut services: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (service, _) in state.services.values() {
        if service.namespace == namespace {
            services.entry(service.name).or_default().extend(&service.tags);
        }
    }
    if services.is_empty() {
        return json!([]);
    }
    let stubs: Vec<_> = services
        .iter()
        .map(|(name, tags)| json!({"ServiceName": name, "Tags": tags}))
        .collect();
    json!([{"Namespace": namespace, "Services": stubs}])
}

fn registrations(state: &State, namespace: &str, name: &str) -> Value {
    let found = state
        .services
        .values()
        .filter(|(service, _)| service.namespace == namespace && service.name == name);
    found
        .map(|(service, created)| {
            json!({
                "Address": "10.0.0.1", "AllocID": service.allocation, "CreateIndex": created, "Datacenter": "dc1",
                "ID": service.id(), "JobID": service.name, "ModifyIndex": created, "Namespace": namespace,
                "NodeID": "2fc2cce9", "Port": service.port, "ServiceName": name, "Tags": service.tags,
            })
        })
        .collect()
}

/// As the filter of the client has it: without those that are complete.
fn allocations(state: &State, namespace: &str) -> Value {
    let found = state
        .allocations
        .iter()
        .filter(|(_, placed)| placed.namespace == namespace && placed.client_status != "complete");
    found
        .map(|(id, placed)| {
            let status = match (placed.healthy, placed.canary) {
                (None, false) => Value::Null,
                (healthy, canary) => json!({"Healthy": healthy, "Canary": canary, "ModifyIndex": 1}),
            };
            json!({
                "ID": id, "Namespace": namespace, "JobType": "service", "ClientStatus": placed.client_status,
                "ClientDescription": "", "DesiredStatus": placed.desired_status, "DeploymentStatus": status,
                "DesiredTransition": {"Migrate": placed.migrate.then_some(true)}, "TaskStates": null,
            })
        })
        .collect()
}

fn namespaces(state: &State) -> Value {
    let seen = state.namespaces.iter().filter(|name| state.rights.sees(name));
    seen.map(|name| json!({"Name": name, "Description": ""}))
        .collect()
}

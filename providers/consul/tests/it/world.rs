//! A Consul in memory: answers as the real one does (`fixtures/`), blocking queries included.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use mesh_discovery::ProviderError;
use mesh_provider_consul::{CheckResult, Client, Entry, Registered, Services};
use mesh_remote::{Answer, Index};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// One registration.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub(crate) service: &'static str,
    pub(crate) id: &'static str,
    pub(crate) address: &'static str,
    pub(crate) port: u16,
    pub(crate) tags: Vec<&'static str>,
    pub(crate) status: &'static str,
}

impl Registration {
    pub(crate) fn new(service: &'static str, id: &'static str, port: u16) -> Self {
        Self {
            service,
            id,
            address: "10.0.0.1",
            port,
            tags: Vec::new(),
            status: "passing",
        }
    }
}

/// A registration with the indices of its changes.
#[derive(Debug, Clone)]
struct Instance {
    registration: Registration,
    created: u64,
    modified: u64,
    /// Of its check, which a new port or address does not touch.
    checked: u64,
}

#[derive(Debug, Clone, Default)]
struct State {
    index: u64,
    instances: BTreeMap<&'static str, Instance>,
    /// The token may not read nodes: services are listed, and show no instance.
    blind: bool,
    /// The token may not read services.
    locked: bool,
    /// Every query fails.
    down: bool,
    /// Queries for nodes fail.
    nodes_down: bool,
    /// Blocking queries beyond this number fail.
    connections: Option<usize>,
}

/// A blocking query under way.
struct Blocking {
    all: Arc<AtomicUsize>,
    number: usize,
}

impl Blocking {
    fn new(all: &Arc<AtomicUsize>) -> Self {
        let number = all.fetch_add(1, Ordering::Relaxed) + 1;
        let all = all.clone();
        Self { all, number }
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Consul.
#[derive(Debug, Clone)]
pub(crate) struct World {
    state: watch::Sender<State>,
    /// A server that lags: what it holds, and how many of the next answers are its own.
    lagging: Arc<Mutex<(State, usize)>>,
    calls: Arc<AtomicUsize>,
    /// How many blocking queries are under way.
    blocking: Arc<AtomicUsize>,
    /// Services whose instances were asked for.
    asked: Arc<Mutex<BTreeSet<String>>>,
}

impl World {
    pub(crate) fn new(registrations: impl IntoIterator<Item = Registration>) -> Self {
        let (state, _) = watch::channel(State {
            index: 10,
            ..State::default()
        });
        let world = Self {
            state,
            lagging: Arc::default(),
            calls: Arc::default(),
            blocking: Arc::default(),
            asked: Arc::default(),
        };
        registrations
            .into_iter()
            .for_each(|registration| world.register(registration));
        world
    }

    pub(crate) fn register(&self, registration: Registration) {
        self.change(|state| {
            let index = state.index;
            let old = state.instances.get(registration.id);
            let same_check = |old: &&Instance| {
                old.registration.status == registration.status && old.registration.tags == registration.tags
            };
            let instance = Instance {
                created: old.map_or(index, |old| old.created),
                modified: index,
                checked: old.filter(same_check).map_or(index, |old| old.checked),
                registration,
            };
            state.instances.insert(instance.registration.id, instance);
        });
    }

    pub(crate) fn deregister(&self, id: &str) {
        self.change(|state| drop(state.instances.remove(id)));
    }

    pub(crate) fn set_status(&self, id: &str, status: &'static str) {
        self.change(|state| {
            if let Some(instance) = state.instances.get_mut(id) {
                instance.registration.status = status;
                instance.checked = state.index;
            }
        });
    }

    pub(crate) fn set_blind(&self, blind: bool) {
        self.change(|state| state.blind = blind);
    }

    pub(crate) fn set_locked(&self, locked: bool) {
        self.change(|state| state.locked = locked);
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.change(|state| state.down = down);
    }

    pub(crate) fn set_nodes_down(&self, down: bool) {
        self.change(|state| state.nodes_down = down);
    }

    pub(crate) fn set_connections(&self, limit: usize) {
        self.change(|state| state.connections = Some(limit));
    }

    /// How many blocking queries are under way.
    pub(crate) fn blocking(&self) -> usize {
        self.blocking.load(Ordering::Relaxed)
    }

    /// All is lost, and history begins anew.
    pub(crate) fn lose_state(&self) {
        self.state.send_replace(State {
            index: 5,
            ..State::default()
        });
    }

    /// One server stays where all are now.
    pub(crate) fn leave_one_behind(&self) {
        self.lagging.lock().unwrap().0 = self.state.borrow().clone();
    }

    /// The next `answers` are those of the server that was left behind.
    pub(crate) fn ask_the_one_behind(&self, answers: usize) {
        self.lagging.lock().unwrap().1 = answers;
    }

    /// The services whose instances were asked for since the last call.
    pub(crate) fn take_asked(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(|state| {
            state.index += 1;
            change(state);
        });
    }

    /// Answers when the index has passed `after`, or when `wait` is over.
    async fn ask<T>(
        &self,
        after: u64,
        wait: Duration,
        read: impl Fn(&State) -> T,
    ) -> Result<Answer<T>, ProviderError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut receiver = self.state.subscribe();
        if after > 0 {
            let blocking = Blocking::new(&self.blocking);
            if self
                .state
                .borrow()
                .connections
                .is_some_and(|limit| blocking.number > limit)
            {
                return Err(self.refused());
            }
            let news = receiver.wait_for(|state| state.index > after || state.down);
            let _ = tokio::time::timeout(wait, news).await;
        }
        let state = self.answering();
        if state.down {
            return Err(self.refused());
        }
        Ok(Answer {
            index: state.index,
            value: read(&state),
        })
    }

    fn refused(&self) -> ProviderError {
        let (endpoint, reason) = (self.endpoint().to_owned(), "connection refused".to_owned());
        ProviderError::Unreachable { endpoint, reason }
    }

    /// The state of the server that answers.
    fn answering(&self) -> State {
        let mut lagging = self.lagging.lock().unwrap();
        match &mut *lagging {
            (_, 0) => self.state.borrow().clone(),
            (state, left) => {
                *left -= 1;
                state.clone()
            }
        }
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
                    async move { Ok::<_, Infallible>(world.answer(request).await) }
                });
                let server = hyper::server::conn::http1::Builder::new();
                connections.spawn(server.serve_connection(TokioIo::new(stream), answer));
            }
        });
        (address, task)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let query = request.uri().query().unwrap_or_default();
        let index = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("index="))
            .unwrap_or("0");
        let wait = Duration::from_secs(55);
        let path = request.uri().path().to_owned();
        let answer = self.ask(index.parse().unwrap(), wait, |state| {
            match path.strip_prefix("/v1/health/service/") {
                Some(service) => serde_json::to_vec(&health(state, service)).unwrap(),
                None if path == "/v1/health/state/any" => serde_json::to_vec(&checks(state)).unwrap(),
                None if path == "/v1/catalog/nodes" => br#"[{"Node":"vm"}]"#.to_vec(),
                None if path == "/v1/catalog/node/vm" => serde_json::to_vec(&registered(state)).unwrap(),
                None => serde_json::to_vec(&services(state)).unwrap(),
            }
        });
        let answer = answer.await.unwrap();
        let response = Response::builder().header("x-consul-index", answer.index);
        response.body(Full::new(answer.value.into())).unwrap()
    }
}

impl Client for World {
    fn endpoint(&self) -> &str {
        "http://consul.test"
    }

    async fn services(&self, after: Index, wait: Duration) -> Result<Answer<Services>, ProviderError> {
        self.ask(after.value(), wait, services).await
    }

    async fn health(
        &self,
        service: &str,
        after: Index,
        wait: Duration,
    ) -> Result<Answer<Vec<Entry>>, ProviderError> {
        self.asked.lock().unwrap().insert(service.to_owned());
        let read = |state: &State| serde_json::from_value(health(state, service).into()).unwrap();
        self.ask(after.value(), wait, read).await
    }

    async fn checks(&self, after: Index, wait: Duration) -> Result<Answer<Vec<CheckResult>>, ProviderError> {
        let read = |state: &State| serde_json::from_value(checks(state).into()).unwrap();
        self.ask(after.value(), wait, read).await
    }

    async fn nodes(&self) -> Result<Vec<String>, ProviderError> {
        let read = |state: &State| (!state.nodes_down).then(|| vec!["vm".to_owned()]);
        let answer = self.ask(0, Duration::ZERO, read).await?;
        answer.value.ok_or_else(|| self.refused())
    }

    async fn node(&self, name: &str) -> Result<Registered, ProviderError> {
        assert_eq!(name, "vm");
        let read = |state: &State| serde_json::from_value(registered(state)).unwrap();
        self.ask(0, Duration::ZERO, read).await.map(|answer| answer.value)
    }
}

fn services(state: &State) -> Services {
    if state.locked {
        return Services::new();
    }
    let mut services = BTreeMap::from([("consul".to_owned(), BTreeSet::new())]);
    for Instance { registration, .. } in state.instances.values() {
        let tags = services.entry(registration.service.to_owned()).or_default();
        tags.extend(registration.tags.iter().map(|tag| (*tag).to_owned()));
    }
    services
        .into_iter()
        .map(|(name, tags)| (name, tags.into_iter().collect()))
        .collect()
}

fn health(state: &State, service: &str) -> Vec<serde_json::Value> {
    let visible = state.instances.values().filter(|_| !state.blind && !state.locked);
    let of_service = visible.filter(|instance| instance.registration.service == service);
    let entry = |instance: &Instance| {
        let registration = &instance.registration;
        serde_json::json!({
            "Node": {"ID": "4ae7fcbc", "Node": "vm", "Address": "127.0.0.1", "Datacenter": "dc1", "Meta": null},
            "Service": {
                "ID": registration.id, "Service": registration.service, "Address": registration.address,
                "Port": registration.port, "Tags": registration.tags, "Meta": {}, "Weights": {"Passing": 1, "Warning": 1},
                "EnableTagOverride": false, "CreateIndex": instance.created, "ModifyIndex": instance.modified,
            },
            "Checks": [check(instance)],
        })
    };
    of_service.map(entry).collect()
}

fn checks(state: &State) -> Vec<serde_json::Value> {
    state.instances.values().map(check).collect()
}

fn registered(state: &State) -> serde_json::Value {
    let entry = |(id, instance): (&&str, &Instance)| {
        let entry = serde_json::json!({
            "ID": id, "Service": instance.registration.service, "ModifyIndex": instance.modified,
        });
        ((*id).to_owned(), entry)
    };
    let services: serde_json::Map<_, _> = state.instances.iter().map(entry).collect();
    serde_json::json!({"Node": {"Node": "vm", "Address": "127.0.0.1"}, "Services": services})
}

fn check(instance: &Instance) -> serde_json::Value {
    let registration = &instance.registration;
    serde_json::json!({
        "Node": "vm", "CheckID": format!("c-{}", registration.id), "Name": "the check", "Status": registration.status,
        "Notes": "", "Output": "", "ServiceID": registration.id, "ServiceName": registration.service,
        "ServiceTags": registration.tags, "ModifyIndex": instance.checked, "CreateIndex": 1, "Definition": {},
    })
}

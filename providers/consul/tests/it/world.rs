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
use mesh_provider_consul::{CheckResult, Client, Entry, Services};
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

#[derive(Debug, Clone, Default)]
struct State {
    index: u64,
    instances: BTreeMap<&'static str, (Registration, u64)>,
    /// The token may not read nodes: services are listed, and show no instance.
    blind: bool,
    /// The token may not read services.
    locked: bool,
    /// Every query fails.
    down: bool,
}

/// Consul.
#[derive(Debug, Clone)]
pub(crate) struct World {
    state: watch::Sender<State>,
    /// A server that lags: what it holds, and how many of the next answers are its own.
    lagging: Arc<Mutex<(State, usize)>>,
    calls: Arc<AtomicUsize>,
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
        };
        registrations
            .into_iter()
            .for_each(|registration| world.register(registration));
        world
    }

    pub(crate) fn register(&self, registration: Registration) {
        self.change(|state| {
            let created = state
                .instances
                .get(registration.id)
                .map_or(state.index, |(_, created)| *created);
            state.instances.insert(registration.id, (registration, created));
        });
    }

    pub(crate) fn deregister(&self, id: &str) {
        self.change(|state| drop(state.instances.remove(id)));
    }

    pub(crate) fn set_status(&self, id: &str, status: &'static str) {
        self.change(|state| {
            if let Some((registration, _)) = state.instances.get_mut(id) {
                registration.status = status;
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
            let news = receiver.wait_for(|state| state.index > after || state.down);
            let _ = tokio::time::timeout(wait, news).await;
        }
        let state = self.answering();
        if state.down {
            let (endpoint, reason) = (self.endpoint().to_owned(), "connection refused".to_owned());
            return Err(ProviderError::Unreachable { endpoint, reason });
        }
        Ok(Answer {
            index: state.index,
            value: read(&state),
        })
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
        let read = |state: &State| serde_json::from_value(health(state, service).into()).unwrap();
        self.ask(after.value(), wait, read).await
    }

    async fn checks(&self, after: Index, wait: Duration) -> Result<Answer<Vec<CheckResult>>, ProviderError> {
        let read = |state: &State| serde_json::from_value(checks(state).into()).unwrap();
        self.ask(after.value(), wait, read).await
    }
}

fn services(state: &State) -> Services {
    if state.locked {
        return Services::new();
    }
    let mut services = BTreeMap::from([("consul".to_owned(), BTreeSet::new())]);
    for (registration, _) in state.instances.values() {
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
    let of_service = visible.filter(|(registration, _)| registration.service == service);
    let entry = |(registration, created): &(Registration, u64)| {
        serde_json::json!({
            "Node": {"ID": "4ae7fcbc", "Node": "vm", "Address": "127.0.0.1", "Datacenter": "dc1", "Meta": null},
            "Service": {
                "ID": registration.id, "Service": registration.service, "Address": registration.address,
                "Port": registration.port, "Tags": registration.tags, "Meta": {}, "Weights": {"Passing": 1, "Warning": 1},
                "EnableTagOverride": false, "CreateIndex": created, "ModifyIndex": created,
            },
            "Checks": [check(registration, state.index)],
        })
    };
    of_service.map(entry).collect()
}

fn checks(state: &State) -> Vec<serde_json::Value> {
    state
        .instances
        .values()
        .map(|(registration, created)| check(registration, *created))
        .collect()
}

fn check(registration: &Registration, modified: u64) -> serde_json::Value {
    serde_json::json!({
        "Node": "vm", "CheckID": format!("c-{}", registration.id), "Name": "the check", "Status": registration.status,
        "Notes": "", "Output": "", "ServiceID": registration.id, "ServiceName": registration.service,
        "ServiceTags": registration.tags, "ModifyIndex": modified, "CreateIndex": 1, "Definition": {},
    })
}

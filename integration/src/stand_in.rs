//! A Nomad that holds one service, for machines without the real one.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// Answers as the real one does, blocking queries included. Dropping it closes it.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone)]
struct State {
    name: String,
    tags: Vec<String>,
    index: u64,
    allocations: Vec<Allocation>,
}

#[derive(Debug, Clone)]
struct Allocation {
    server: SocketAddr,
    created: u64,
    registered: bool,
    client: &'static str,
    desired: &'static str,
}

impl Allocation {
    fn id(&self) -> String {
        format!("a{}", self.created)
    }
}

impl StandIn {
    /// A Nomad with the service `name`, which has no instance.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start(name: &str, tags: Vec<String>) -> Self {
        Self::at("127.0.0.1:0", name, tags).await
    }

    /// The same at `address`.
    ///
    /// # Panics
    /// When it is taken.
    pub async fn at(address: &str, name: &str, tags: Vec<String>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free address");
        let address = listener.local_addr().expect("a bound socket");
        let (state, current) = watch::channel(State {
            name: name.to_owned(),
            tags,
            index: 10,
            allocations: Vec::new(),
        });
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let current = current.clone();
                let answer = service_fn(move |request| answer(request, current.clone()));
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Self { address, state, task }
    }

    /// `http://127.0.0.1:port` of its API.
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// A new allocation runs, is healthy and registered.
    pub fn run(&self, server: SocketAddr) {
        self.change(|state| {
            state.allocations.push(Allocation {
                server,
                created: state.index,
                registered: true,
                client: "running",
                desired: "run",
            });
        });
    }

    /// An allocation is told to stop: Nomad takes it out at once, and it runs on for its `shutdown_delay`.
    pub fn stop(&self, server: SocketAddr) {
        self.set(server, "running", "stop");
    }

    /// An allocation has ended: `complete` or `failed`.
    pub fn end(&self, server: SocketAddr, status: &'static str) {
        self.set(server, status, "stop");
    }

    fn set(&self, server: SocketAddr, client: &'static str, desired: &'static str) {
        self.change(|state| {
            let found = state
                .allocations
                .iter_mut()
                .find(|allocation| allocation.server == server);
            let allocation = found.expect("an allocation of this server");
            (allocation.registered, allocation.client, allocation.desired) = (false, client, desired);
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(|state| {
            state.index += 1;
            change(state);
        });
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    request: Request<Incoming>,
    mut current: watch::Receiver<State>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let query = request.uri().query().unwrap_or_default();
    let after = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("index=")?.parse().ok())
        .unwrap_or(0);
    // Closed only when nobody listens to answers any more.
    let _ = current.wait_for(|state| state.index > after).await.is_ok();
    let state = current.borrow().clone();
    let response = Response::builder()
        .header("x-nomad-index", state.index.to_string())
        .header("content-type", "application/json");
    let body = state.body(request.uri().path()).to_string();
    Ok(response.body(Full::new(Bytes::from(body))).expect("a response"))
}

impl State {
    fn body(&self, path: &str) -> Value {
        let registered = || self.allocations.iter().filter(|allocation| allocation.registered);
        match path {
            "/v1/services" if registered().next().is_none() => json!([]),
            "/v1/services" => json!([{
                "Namespace": "default", "Services": [{"ServiceName": self.name, "Tags": self.tags}],
            }]),
            // Mesh does not ask for those that are complete.
            "/v1/allocations" => self
                .allocations
                .iter()
                .filter(|allocation| allocation.client != "complete")
                .map(|allocation| {
                    json!({
                        "ID": allocation.id(), "JobType": "service", "ClientStatus": allocation.client,
                        "DesiredStatus": allocation.desired, "DeploymentStatus": {"Healthy": true},
                        "DesiredTransition": {},
                    })
                })
                .collect(),
            _ => registered()
                .map(|allocation| {
                    json!({
                        "ID": format!("_nomad-task-{}", allocation.id()), "ServiceName": self.name,
                        "Namespace": "default", "JobID": self.name, "AllocID": allocation.id(), "Tags": self.tags,
                        "Address": allocation.server.ip().to_string(), "Port": allocation.server.port(),
                        "CreateIndex": allocation.created,
                    })
                })
                .collect(),
        }
    }
}

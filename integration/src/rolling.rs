//! A rolling deploy under constant load: every server of a service is replaced, again and again, half of them in order and
//! half killed while they are still registered.

mod load;
mod outcome;
mod server;

use std::{
    collections::VecDeque,
    env,
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

pub use outcome::Outcome;

use self::{
    load::{Target, Traffic},
    server::{Runs, Server},
};
use crate::{Mesh, until};

/// The host of the service that is replaced.
pub const HOST: &str = "shop.example.com";

/// What its instances say of themselves.
pub const TAGS: [(&str, &str); 2] = [
    ("mesh.host", HOST),
    ("mesh.http.services.shop.loadbalancer.passivehealthcheck", "true"),
];

/// Servers at any time.
const SERVERS: usize = 4;

/// How long nobody but the clients notices that a server was killed.
const UNNOTICED: Duration = Duration::from_millis(500);

/// What places the instances of a service and tells Mesh of them.
pub trait Cluster {
    /// How long a server goes on after it was told to stop. Longer than Mesh takes to hear of it.
    const SHUTDOWN_DELAY: Duration;

    /// Where the next instance has to listen.
    fn place(&mut self) -> impl Future<Output = String>;

    /// It listens.
    fn listens(&mut self, address: SocketAddr) -> impl Future<Output = ()>;

    /// It is told to stop.
    fn retires(&mut self, address: SocketAddr) -> impl Future<Output = ()>;

    /// It has stopped as it was told.
    fn stopped(&mut self, address: SocketAddr) -> impl Future<Output = ()>;

    /// It was found dead.
    fn crashed(&mut self, address: SocketAddr) -> impl Future<Output = ()>;
}

/// [`TAGS`] as `key=value`.
pub fn tags() -> Vec<String> {
    TAGS.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

/// `MESH_REPLACEMENTS=50` for the figures of the manual.
fn replacements() -> usize {
    let named = env::var("MESH_REPLACEMENTS").ok();
    named.and_then(|number| number.parse().ok()).unwrap_or(10)
}

/// Replaces servers of `cluster`, which Mesh follows with `providers`, under load.
///
/// # Panics
/// When Mesh does not come to use a server.
pub async fn roll(cluster: &mut impl Cluster, providers: &str) -> Outcome {
    let mut deploy = Deploy {
        cluster,
        servers: VecDeque::new(),
        registered: Arc::default(),
        runs: Arc::default(),
        kills: Vec::new(),
    };
    for _ in 0..SERVERS {
        deploy.add().await;
    }
    let mesh = Mesh::start(providers).await;
    until("every server answers", async || {
        mesh.who(HOST).await;
        deploy.servers.iter().all(|server| server.requests_of_mesh() > 0)
    })
    .await;

    let start = Instant::now();
    let through = Traffic::start(Target::Mesh(mesh.address()));
    let direct = Traffic::start(Target::Registered(deploy.registered.clone()));
    let replacements = replacements();
    for number in 0..replacements {
        match number % 2 {
            0 => deploy.replace_in_order().await,
            _ => deploy.replace_killed().await,
        }
    }
    let (through, direct) = (through.end().await, direct.end().await);
    let kills = &deploy.kills;
    Outcome::new(
        replacements,
        start.elapsed(),
        &through,
        &direct,
        kills,
        &deploy.runs,
    )
}

struct Deploy<'c, C> {
    cluster: &'c mut C,
    servers: VecDeque<Server>,
    registered: Arc<Mutex<Vec<SocketAddr>>>,
    runs: Arc<Runs>,
    kills: Vec<Instant>,
}

impl<C: Cluster> Deploy<'_, C> {
    async fn add(&mut self) {
        let place = self.cluster.place().await;
        let server = Server::at(&place, self.runs.clone()).await;
        self.cluster.listens(server.address()).await;
        self.registered.lock().unwrap().push(server.address());
        self.servers.push_back(server);
    }

    /// Adds one, and waits until Mesh uses it, as a deployment waits for an instance to be healthy.
    async fn add_and_wait(&mut self) {
        self.add().await;
        let added = self.servers.back().expect("the server just added");
        until("the new server is used", async || added.requests_of_mesh() > 0).await;
    }

    fn forget(&self, address: SocketAddr) {
        self.registered.lock().unwrap().retain(|other| *other != address);
    }

    async fn replace_in_order(&mut self) {
        self.add_and_wait().await;
        let old = self.servers.pop_front().expect("a server");
        let address = old.address();
        self.cluster.retires(address).await;
        self.forget(address);
        // The server cannot know when Mesh has heard of it, here as in production.
        tokio::time::sleep(C::SHUTDOWN_DELAY).await;
        old.stop().await;
        self.cluster.stopped(address).await;
    }

    async fn replace_killed(&mut self) {
        let old = self.servers.pop_front().expect("a server");
        let address = old.address();
        self.kills.push(Instant::now());
        old.kill().await;
        tokio::time::sleep(UNNOTICED).await;
        self.cluster.crashed(address).await;
        self.forget(address);
        self.add_and_wait().await;
    }
}

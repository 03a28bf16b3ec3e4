//! Requests at a constant rate, whatever becomes of the ones before.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use reqwest::{Client, ClientBuilder, Method, retry};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::{HOST, server::ID};

/// Between two requests.
const APART: Duration = Duration::from_millis(10);

/// One request in so many is a POST.
const POSTS: usize = 5;

/// Who is asked.
pub(super) enum Target {
    /// Mesh, at this address.
    Mesh(SocketAddr),
    /// The servers that are registered, in turn: what a client does that follows the registry without any delay, and
    /// nothing else.
    Registered(Arc<Mutex<Vec<SocketAddr>>>),
}

/// One request and what came of it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) is_post: bool,
    /// When it was due.
    pub(super) due: Instant,
    pub(super) took: Duration,
    /// What went wrong.
    pub(super) failure: Option<String>,
}

/// Requests that go on until they are ended.
#[derive(Debug)]
pub(super) struct Traffic {
    stop: watch::Sender<bool>,
    task: JoinHandle<Vec<Request>>,
}

impl Traffic {
    pub(super) fn start(target: Target) -> Self {
        let (stop, stopping) = watch::channel(false);
        Self {
            stop,
            task: tokio::spawn(send(target, stopping)),
        }
    }

    /// Sends no more, and waits for the last answers.
    pub(super) async fn end(self) -> Vec<Request> {
        self.stop.send_replace(true);
        self.task.await.expect("traffic goes on")
    }
}

/// Connections that are kept, one for each request, and HTTP/2.
fn clients(target: &Target) -> Vec<Client> {
    let client = |builder: ClientBuilder| {
        let builder = builder.retry(retry::never()).timeout(Duration::from_secs(10));
        let builder = match target {
            // The URL names the host: HTTP/2 has one name for both.
            Target::Mesh(address) => builder.resolve(HOST, *address),
            Target::Registered(_) => builder,
        };
        builder.build().expect("a client")
    };
    let mut clients = vec![
        client(Client::builder()),
        client(Client::builder().pool_max_idle_per_host(0)),
    ];
    if matches!(target, Target::Mesh(_)) {
        clients.push(client(Client::builder().http2_prior_knowledge()));
    }
    clients
}

async fn send(target: Target, stopping: watch::Receiver<bool>) -> Vec<Request> {
    let clients = clients(&target);
    let mut under_way = JoinSet::new();
    let mut done = Vec::new();
    let mut clock = tokio::time::interval(APART);
    let mut number = 0;
    while !*stopping.borrow() {
        let due = clock.tick().await.into_std();
        number += 1;
        let client = clients[number % clients.len()].clone();
        let is_post = number % POSTS == 0;
        let (url, id) = match &target {
            Target::Mesh(address) => (
                format!("http://{HOST}:{}/", address.port()),
                format!("mesh-{number}"),
            ),
            Target::Registered(servers) => {
                let servers = servers.lock().unwrap();
                let server = servers[number % servers.len()];
                (format!("http://{server}/"), format!("direct-{number}"))
            }
        };
        under_way.spawn(async move {
            let failure = ask(&client, &url, &id, is_post).await.err();
            Request {
                is_post,
                due,
                took: due.elapsed(),
                failure,
            }
        });
        while let Some(request) = under_way.try_join_next() {
            done.push(request.expect("a request ends"));
        }
    }
    done.extend(under_way.join_all().await);
    done
}

async fn ask(client: &Client, url: &str, id: &str, is_post: bool) -> Result<(), String> {
    let method = if is_post { Method::POST } else { Method::GET };
    let mut request = client.request(method, url);
    if is_post {
        request = request.header(ID, id).body("an order");
    }
    let response = request.send().await.map_err(|error| format!("{error:?}"))?;
    let status = response.status();
    let body = response.text().await.map_err(|error| format!("{error:?}"))?;
    match status.is_success() && body == "done" {
        true => Ok(()),
        false => Err(format!("{status} {body}")),
    }
}

//! A server that says who it is.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

/// Answers every request with its name. Dropping it closes it.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Backend {
    /// A server called `name` on a port of its own.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start(name: &'static str) -> Self {
        Self::at("127.0.0.1:0", name).await
    }

    /// A server called `name` at `address`.
    ///
    /// # Panics
    /// When the address is taken.
    pub async fn at(address: &str, name: impl Into<Bytes>) -> Self {
        let name = name.into();
        let listener = TcpListener::bind(address).await.expect("a free address");
        let address = listener.local_addr().expect("a bound socket");
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = requests.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (counter, name) = (counter.clone(), name.clone());
                let answer = service_fn(move |_| {
                    counter.fetch_add(1, Ordering::Relaxed);
                    let response = Response::new(Full::new(name.clone()));
                    async move { Ok::<_, Infallible>(response) }
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Self {
            address,
            requests,
            task,
        }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many requests it has answered.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

//! A server that takes a moment for each request, and can be stopped or killed.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// What a request takes, so that servers die in the middle of some.
const WORK: Duration = Duration::from_millis(50);

/// Names a POST.
pub(super) const ID: &str = "x-request-id";

/// How often each POST that has an id was begun, whatever became of it.
pub(super) type Runs = Mutex<BTreeMap<String, usize>>;

/// Dropping it kills it.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    of_mesh: Arc<AtomicUsize>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn at(address: &str, runs: Arc<Runs>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free address");
        let address = listener.local_addr().expect("a bound socket");
        let of_mesh = Arc::new(AtomicUsize::new(0));
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(serve(listener, of_mesh.clone(), runs, stopping));
        Self {
            address,
            of_mesh,
            stop,
            task,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests came through Mesh.
    pub(super) fn requests_of_mesh(&self) -> usize {
        self.of_mesh.load(Ordering::Relaxed)
    }

    /// Finishes what it has and takes nothing more.
    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        let _ = (&mut self.task).await;
    }

    /// Ends in the middle of everything.
    pub(super) async fn kill(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    of_mesh: Arc<AtomicUsize>,
    runs: Arc<Runs>,
    stopping: watch::Receiver<bool>,
) {
    // Dropped with this task, and all its connections with it.
    let mut connections = JoinSet::new();
    let mut stop = stopping.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        if let Ok((stream, _)) = accepted {
            connections.spawn(connection(
                stream,
                of_mesh.clone(),
                runs.clone(),
                stopping.clone(),
            ));
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    of_mesh: Arc<AtomicUsize>,
    runs: Arc<Runs>,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(|request| answer(request, &of_mesh, &runs));
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = &mut connection => return,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn answer(
    request: Request<Incoming>,
    of_mesh: &AtomicUsize,
    runs: &Runs,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    if request.headers().contains_key("x-forwarded-for") {
        of_mesh.fetch_add(1, Ordering::Relaxed);
    }
    if let Some(id) = request.headers().get(ID).and_then(|id| id.to_str().ok()) {
        *runs.lock().unwrap().entry(id.to_owned()).or_insert(0) += 1;
    }
    request.into_body().collect().await?;
    tokio::time::sleep(WORK).await;
    Ok(Response::new(Full::new(Bytes::from_static(b"done"))))
}

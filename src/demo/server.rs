//! The servers of the demo: they say who they are, and fail their health check when told to.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures::{StreamExt as _, stream::FuturesUnordered};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;

/// Connections that one server holds at a time; further ones wait.
const MAX_CONNECTIONS: usize = 1_024;

/// The two servers, and their weights as the provider tells them.
#[derive(Debug)]
pub(crate) struct Servers {
    servers: [Server; 2],
    changed: watch::Sender<()>,
}

/// One server.
#[derive(Debug)]
pub(crate) struct Server {
    /// `a` or `b`.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    listener: TcpListener,
    healthy: AtomicBool,
    answered: AtomicU64,
    weight: Mutex<u32>,
}

impl Servers {
    /// Binds both on ports that the system chooses.
    pub(crate) fn bind() -> io::Result<Self> {
        Ok(Self {
            servers: [Server::bind("a")?, Server::bind("b")?],
            changed: watch::Sender::new(()),
        })
    }

    /// Both.
    pub(crate) fn all(&self) -> &[Server; 2] {
        &self.servers
    }

    /// The one called `name`.
    pub(crate) fn named(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// Gives `server` another share and tells the provider.
    pub(crate) fn set_weight(&self, server: &Server, weight: u32) {
        *server.weight.lock().unwrap_or_else(PoisonError::into_inner) = weight;
        self.changed.send_replace(());
    }

    /// Ends whenever a weight changes.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Answers requests as long as it is polled.
    pub(crate) async fn serve(&self) {
        let [a, b] = &self.servers;
        tokio::join!(a.serve(), b.serve());
    }
}

impl Server {
    fn bind(name: &'static str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            name,
            address: listener.local_addr()?,
            listener,
            healthy: AtomicBool::new(true),
            answered: AtomicU64::new(0),
            weight: Mutex::new(1),
        })
    }

    /// Its share.
    pub(crate) fn weight(&self) -> u32 {
        *self.weight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it passes its health check.
    pub(crate) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Lets it pass or fail from now on.
    pub(crate) fn set_healthy(&self, healthy: bool) {
        self.healthy.store(healthy, Ordering::Relaxed);
    }

    async fn serve(&self) {
        let listener = self
            .listener
            .try_clone()
            .and_then(tokio::net::TcpListener::from_std);
        let listener = match listener {
            Ok(listener) => listener,
            Err(cause) => {
                tracing::error!(server = self.name, %cause, "a server of the demo cannot listen");
                return;
            }
        };
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                    let Ok((stream, _)) = accepted else { continue };
                    let service = service_fn(|request| async move { Ok::<_, Infallible>(self.answer(&request)) });
                    connections.push(http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service));
                }
                Some(_) = connections.next() => {}
            }
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() == "/health" {
            return self.answer_probe();
        }
        let count = self.answered.fetch_add(1, Ordering::Relaxed) + 1;
        let mut text = format!("I am {}, and this is my request number {count}\n\n", self.name);
        text.push_str(&format!(
            "{} {} {:?}\n",
            request.method(),
            request.uri(),
            request.version()
        ));
        for (name, value) in request.headers() {
            text.push_str(&format!(
                "{name}: {}\n",
                String::from_utf8_lossy(value.as_bytes())
            ));
        }
        Response::new(Full::new(Bytes::from(text)))
    }

    fn answer_probe(&self) -> Response<Full<Bytes>> {
        let (status, text) = match self.is_healthy() {
            true => (StatusCode::OK, "up\n"),
            false => (StatusCode::SERVICE_UNAVAILABLE, "down, as you wished\n"),
        };
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        response
    }
}

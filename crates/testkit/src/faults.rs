//! A proxy between a provider and the system it reads, which breaks answers on demand.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{Request, Response, StatusCode, body::Frame, body::Incoming, server, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What goes wrong between a provider and its system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// 403 to everything.
    Forbidden,
    /// 429 with `Retry-After: 1`.
    Throttled,
    /// 500 to everything.
    ServerError,
    /// Requests are taken and never answered.
    TimeOut,
    /// Nobody listens.
    Refused,
    /// The right head, and a body that ends in the middle.
    Truncated,
    /// 200 and half a JSON document.
    MalformedJson,
    /// 200 and the page of something in between.
    Html,
    /// 404 to everything.
    Missing,
    /// 200 and an empty list or object with the right headers.
    Empty,
    /// The right answer, late.
    Slow(Duration),
}

impl Fault {
    /// Everything that may go wrong.
    pub const ALL: [Self; 11] = [
        Self::Forbidden,
        Self::Throttled,
        Self::ServerError,
        Self::TimeOut,
        Self::Refused,
        Self::Truncated,
        Self::MalformedJson,
        Self::Html,
        Self::Missing,
        Self::Empty,
        Self::Slow(Duration::from_millis(1500)),
    ];
}

/// How a system words its answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// By statuses, with errors as text.
    #[default]
    Plain,
    /// As AWS: 400 to whatever it refuses, with the kind of error in JSON.
    Aws,
}

type Body = BoxBody<Bytes, std::io::Error>;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Stands between a provider and its system. Dropping it closes it.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// A proxy in front of `upstream` that begins with `fault`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(upstream: SocketAddr, fault: Fault) -> std::io::Result<Self> {
        Self::speaking(Dialect::Plain, upstream, fault).await
    }

    /// The same for a system that words its answers in its own way.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn speaking(dialect: Dialect, upstream: SocketAddr, fault: Fault) -> std::io::Result<Self> {
        let place = Place::new(fault)?;
        let address = place.address()?;
        let (sender, receiver) = watch::channel(fault);
        Ok(Self {
            address,
            fault: sender,
            task: tokio::spawn(listen(place, address, (upstream, dialect), receiver)),
        })
    }

    /// Where the provider finds it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this goes wrong, for requests under way as well.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The system behind the proxy.
type Upstream = (SocketAddr, Dialect);

/// The proxy's port. Nobody else gets it while nobody listens.
#[derive(Debug)]
enum Place {
    Closed(TcpSocket),
    Open(TcpListener),
}

impl Place {
    fn new(fault: Fault) -> std::io::Result<Self> {
        let closed = Self::closed(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        match fault {
            // Never open, so that nobody is reset instead of refused.
            Fault::Refused => Ok(closed),
            _ => closed.open(),
        }
    }

    fn closed(address: SocketAddr) -> std::io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self::Closed(socket))
    }

    fn open(self) -> std::io::Result<Self> {
        match self {
            Self::Closed(socket) => Ok(Self::Open(socket.listen(BACKLOG)?)),
            Self::Open(listener) => Ok(Self::Open(listener)),
        }
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        match self {
            Self::Closed(socket) => socket.local_addr(),
            Self::Open(listener) => listener.local_addr(),
        }
    }
}

/// Tries until it works: while nobody listens, a connection of this machine may have the port for a moment. Tests that
/// wait for the system have a deadline.
async fn insist(act: impl Fn() -> std::io::Result<Place>) -> Place {
    loop {
        match act() {
            Ok(place) => return place,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Listens whenever somebody should.
async fn listen(
    mut place: Place,
    address: SocketAddr,
    upstream: Upstream,
    mut fault: watch::Receiver<Fault>,
) {
    loop {
        if *fault.borrow_and_update() == Fault::Refused {
            if let Place::Open(listener) = place {
                drop(listener);
                place = insist(|| Place::closed(address)).await;
            }
            if fault.changed().await.is_err() {
                return;
            }
            continue;
        }
        place = match place.open() {
            Ok(open) => open,
            Err(_) => insist(|| Place::closed(address)?.open()).await,
        };
        let Place::Open(listening) = &place else {
            continue;
        };
        // Connections end with this set when nobody is to answer any more.
        let mut connections = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                accepted = listening.accept() => {
                    if let Ok((stream, _)) = accepted {
                        connections.spawn(serve(stream, upstream, fault.clone()));
                    }
                }
                changed = fault.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    if *fault.borrow_and_update() == Fault::Refused {
                        break;
                    }
                }
            }
        }
    }
}

async fn serve(stream: TcpStream, upstream: Upstream, fault: watch::Receiver<Fault>) {
    let answer = service_fn(move |request| {
        let fault = fault.clone();
        async move { Ok::<_, Infallible>(answer(request, upstream, fault).await) }
    });
    // A client that goes away is not this proxy's concern.
    let _ = server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

/// Answers as the fault of the moment demands; when it changes, a request under way gets the new one.
async fn answer(
    request: Request<Incoming>,
    upstream: Upstream,
    mut fault: watch::Receiver<Fault>,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    loop {
        let now = *fault.borrow_and_update();
        let request = Request::from_parts(head.clone(), Full::new(body.clone()));
        tokio::select! {
            response = spoilt(now, request, upstream) => return response,
            changed = fault.changed() => {
                if changed.is_err() {
                    return text(StatusCode::BAD_GATEWAY, "the proxy is gone");
                }
            }
        }
    }
}

async fn spoilt(
    fault: Fault,
    request: Request<Full<Bytes>>,
    (upstream, dialect): Upstream,
) -> Response<Body> {
    if let Some(refusal) = refusal(fault, dialect) {
        return refusal;
    }
    match fault {
        Fault::Html => text(StatusCode::OK, "<!DOCTYPE html><html><body>Sign in</body></html>"),
        Fault::TimeOut | Fault::Refused => std::future::pending().await,
        Fault::Slow(time) => {
            tokio::time::sleep(time).await;
            forward(request, upstream).await
        }
        Fault::Truncated | Fault::MalformedJson | Fault::Empty => {
            let (mut head, body) = forward(at_once(request), upstream).await.into_parts();
            let body = body
                .collect()
                .await
                .map(http_body_util::Collected::to_bytes)
                .unwrap_or_default();
            let half = body.slice(..body.len() / 2);
            head.headers.remove("content-length");
            let body = match fault {
                Fault::Truncated => {
                    head.headers.insert("content-length", (body.len() + 1).into());
                    cut(half)
                }
                Fault::Empty => whole(emptied(&body, dialect)),
                _ => whole(half),
            };
            Response::from_parts(head, body)
        }
        _ => forward(request, upstream).await,
    }
}

/// The answer of a system that refuses everything.
fn refusal(fault: Fault, dialect: Dialect) -> Option<Response<Body>> {
    let (status, words, code) = match fault {
        Fault::Forbidden => (
            StatusCode::FORBIDDEN,
            "Permission denied",
            "AccessDeniedException",
        ),
        Fault::Throttled => (
            StatusCode::TOO_MANY_REQUESTS,
            "Your IP is issuing too many concurrent connections",
            "ThrottlingException",
        ),
        Fault::ServerError => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "No cluster leader",
            "ServerException",
        ),
        Fault::Missing => (
            StatusCode::NOT_FOUND,
            "404 page not found",
            "ClusterNotFoundException",
        ),
        _ => return None,
    };
    if dialect == Dialect::Aws {
        let status = if status.is_server_error() {
            status
        } else {
            StatusCode::BAD_REQUEST
        };
        let body = format!(r#"{{"__type": "{code}", "message": "{words}"}}"#);
        let mut response = Response::new(whole(body.into()));
        *response.status_mut() = status;
        return Some(response);
    }
    let mut response = text(status, words);
    if fault == Fault::Throttled {
        let second = hyper::header::HeaderValue::from_static("1");
        response.headers_mut().insert("retry-after", second);
    }
    Some(response)
}

/// An answer of the same kind that holds nothing.
fn emptied(body: &Bytes, dialect: Dialect) -> Bytes {
    match (dialect, body.first()) {
        // Its answers are objects with lists in them.
        (Dialect::Aws, Some(b'{')) => {
            let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
            let lists = answer
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(_, value)| value.is_array());
            let empty: serde_json::Map<_, _> = lists
                .map(|(key, _)| (key.clone(), serde_json::Value::Array(Vec::new())))
                .collect();
            serde_json::Value::Object(empty).to_string().into()
        }
        (Dialect::Plain, Some(b'{')) => "{}".into(),
        _ => "[]".into(),
    }
}

/// A broken answer comes at once, also to a query that would wait for a change.
fn at_once(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let uri = request.uri().to_string().replace("index=", "was=");
    if let Ok(uri) = uri.parse() {
        *request.uri_mut() = uri;
    }
    request
}

async fn forward(request: Request<Full<Bytes>>, upstream: SocketAddr) -> Response<Body> {
    let forwarded = async {
        let stream = TcpStream::connect(upstream).await.ok()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .ok()?;
        let answer = async {
            let response = sender.send_request(request).await.ok()?;
            let (head, body) = response.into_parts();
            Some(Response::from_parts(
                head,
                whole(body.collect().await.ok()?.to_bytes()),
            ))
        };
        tokio::pin!(connection);
        tokio::select! {
            biased;
            response = answer => response,
            _ = &mut connection => None,
        }
    };
    forwarded
        .await
        .unwrap_or_else(|| text(StatusCode::BAD_GATEWAY, "nobody behind the proxy"))
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(whole(text.into()));
    *response.status_mut() = status;
    response
}

fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed()
}

/// The first half goes out before the connection ends.
fn cut(body: Bytes) -> Body {
    let end = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(std::io::Error::other("cut"))
    };
    let frames = stream::iter([Ok(Frame::data(body))]).chain(stream::once(end));
    BodyExt::boxed(StreamBody::new(frames))
}

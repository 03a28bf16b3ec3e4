//! WebSocket over HTTP/2, with servers of HTTP/1.1 behind.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http2::SendRequest, ext::Protocol, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{
    PATIENCE, Scripted, eventually,
    http2::{Body, connect, get, text},
    ok, route_by, route_to,
    scripted::Act,
    start, start_for,
};
use crate::{Drained, Running, fixture, sanitize::accept_of};

/// What a server says that goes on with the WebSocket of `request`.
fn accepting(request: &str) -> String {
    let key = request.lines().find_map(|line| {
        line.split_once(": ")
            .filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
    });
    let accept = key.map_or_else(String::new, |(_, key)| accept_of(key));
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
    )
}

/// A server that sends back what comes over a WebSocket, and answers other requests.
async fn echo() -> Scripted {
    Scripted::new(|_, request| match request.to_lowercase().contains("upgrade:") {
        true => Act::Echo(accepting(request)),
        false => Act::Write(ok("hello")),
    })
    .await
}

/// A request for a tunnel by `protocol`, at `path`.
fn extended(protocol: &'static str, path: &str) -> Request<Body> {
    Request::connect(format!("http://a.example{path}"))
        .extension(Protocol::from_static(protocol))
        .header("sec-websocket-protocol", "chat")
        .body(Empty::new().boxed())
        .unwrap()
}

/// A client that knows by an answer that tunnels are served.
async fn client(running: &Running) -> SendRequest<Body> {
    let mut client = connect(running).await;
    client.send_request(get("/")).await.unwrap();
    client
}

async fn asked(client: &mut SendRequest<Body>, request: Request<Body>) -> Response<Incoming> {
    timeout(PATIENCE, client.send_request(request))
        .await
        .unwrap()
        .unwrap()
}

/// Opens a WebSocket.
async fn open(client: &mut SendRequest<Body>) -> (HeaderMap, TokioIo<Upgraded>) {
    let mut response = asked(client, extended("websocket", "/chat?x=1")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let upgraded = hyper::upgrade::on(&mut response).await.unwrap();
    (response.headers().clone(), TokioIo::new(upgraded))
}

async fn ping(socket: &mut TokioIo<Upgraded>) {
    socket.write_all(b"ping").await.unwrap();
    let mut back = [0; 4];
    timeout(PATIENCE, socket.read_exact(&mut back))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&back, b"ping");
}

/// Requests that the only server is answering.
fn in_flight(running: &Running) -> usize {
    let table = running.table();
    let services = table.runtime().services.values();
    services
        .flat_map(|info| info.servers())
        .map(|server| server.in_flight)
        .sum()
}

#[tokio::test]
async fn bytes_flow_both_ways_and_the_server_sees_a_handshake_of_http1() {
    let server = echo().await;
    let running = start_for(&[server.address], |_| {});
    let mut client = client(&running).await;
    let (headers, mut socket) = open(&mut client).await;
    assert_eq!(headers["sec-websocket-protocol"], "chat");
    for name in ["sec-websocket-accept", "connection", "upgrade", "content-length"] {
        assert!(!headers.contains_key(name), "{name}");
    }
    ping(&mut socket).await;
    // Other requests go on beside it.
    assert_eq!(text(asked(&mut client, get("/")).await).await, "hello");
    ping(&mut socket).await;
    let seen = server.requests().remove(1).to_lowercase();
    assert!(seen.starts_with("get /chat?x=1 http/1.1\r\n"), "{seen}");
    for line in [
        "host: a.example",
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-protocol: chat",
        "x-forwarded-proto: ws",
    ] {
        assert!(
            seen.contains(&format!("\r\n{line}\r\n")),
            "{line} is not in {seen}"
        );
    }
    assert!(!seen.contains("content-length"), "{seen}");
    drop(socket);
    eventually("the server is let go", || server.closed() == 1).await;
}

#[tokio::test]
async fn the_end_of_one_side_reaches_the_other() {
    let server = Scripted::new(|_, request| match request.contains("/chat") {
        true => Act::WriteAndClose(format!("{}bye", accepting(request))),
        false => Act::Write(ok("hello")),
    })
    .await;
    let running = start_for(&[server.address], |_| {});
    let mut client = client(&running).await;
    let (_, mut socket) = open(&mut client).await;
    let mut rest = String::new();
    timeout(PATIENCE, socket.read_to_string(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(rest, "bye");

    let server = echo().await;
    route_to(&running, &[server.address], &json!({}));
    let (_, mut socket) = open(&mut client).await;
    socket.write_all(b"last").await.unwrap();
    socket.shutdown().await.unwrap();
    let mut rest = String::new();
    timeout(PATIENCE, socket.read_to_string(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(rest, "last");
}

#[tokio::test]
async fn what_a_server_says_instead_reaches_the_client_unless_it_would_pass_for_a_tunnel() {
    let server = Scripted::new(|_, request| {
        let path = request.split(' ').nth(1).unwrap();
        Act::Write(match path {
            "/no" => "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_owned(),
            "/lies" => accepting(request).replace("Accept: ", "Accept: x"),
            "/other" => accepting(request).replace("Upgrade: websocket", "Upgrade: tcp"),
            _ => ok("hello"),
        })
    })
    .await;
    let running = start_for(&[server.address], |_| {});
    let mut client = client(&running).await;
    let refused = asked(&mut client, extended("websocket", "/no")).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(text(refused).await, "no");
    for path in ["/lies", "/other", "/ignores"] {
        let answer = asked(&mut client, extended("websocket", path)).await;
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{path}");
    }
    assert_eq!(text(asked(&mut client, get("/")).await).await, "hello");
    assert_eq!(in_flight(&running), 0);
}

#[tokio::test]
async fn what_is_no_websocket_or_not_allowed_never_reaches_a_server() {
    let server = echo().await;
    let running = start_for(&[server.address], |_| {});
    let mut client = client(&running).await;
    let other = asked(&mut client, extended("connect-udp", "/")).await;
    assert_eq!(other.status(), StatusCode::NOT_IMPLEMENTED);
    let plain = Request::connect("a.example:80")
        .body(Empty::new().boxed())
        .unwrap();
    assert_eq!(
        asked(&mut client, plain).await.status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
    route_by(&running, &[server.address], &json!({}), &json!([]));
    let refused = asked(&mut client, extended("websocket", "/")).await;
    assert_eq!(refused.status(), StatusCode::NOT_IMPLEMENTED);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_silent_tunnel_is_cut_alone_and_no_idle_limit_touches_a_busy_one() {
    let server = echo().await;
    let limit = Duration::from_millis(400);
    let running = start_for(&[server.address], |web| {
        web.transport.responding_timeouts.tunnel_idle_timeout = limit;
        web.transport.responding_timeouts.idle_timeout = limit / 2;
    });
    let mut client = client(&running).await;
    let ((_, mut busy), (_, mut silent)) = (open(&mut client).await, open(&mut client).await);
    assert_eq!(in_flight(&running), 2);
    let begin = Instant::now();
    while begin.elapsed() < limit * 2 {
        ping(&mut busy).await;
        tokio::time::sleep(limit / 40).await;
    }
    let mut rest = Vec::new();
    let _reset = timeout(PATIENCE, silent.read_to_end(&mut rest)).await.unwrap();
    eventually("its server is let go", || server.closed() == 1).await;
    ping(&mut busy).await;
    assert_eq!(in_flight(&running), 1);
    drop((busy, silent));
    // Nothing is left that would keep the connection.
    eventually("the end of the idle connection", || client.is_closed()).await;
}

#[tokio::test]
async fn a_tunnel_to_a_server_that_leaves_ends_with_its_time_and_leaves_others_alone() {
    let server = echo().await;
    let running = start(|_| {});
    let to = |servers: &[SocketAddr]| {
        let urls = servers
            .iter()
            .map(|server| json!({"url": format!("http://{server}")}));
        running.publish(&fixture::configuration(&json!({
            "routers": {"all@file": {"rule": "PathPrefix(`/`)", "service": "all"}},
            "services": {"all@file": {"loadBalancer": {
                "servers": urls.collect::<Vec<_>>(), "drainTimeout": "300ms",
            }}},
        })));
    };
    to(&[server.address]);
    let mut client = client(&running).await;
    let (_, mut leaving) = open(&mut client).await;
    let other = echo().await;
    let begin = Instant::now();
    to(&[other.address]);
    let (_, mut staying) = open(&mut client).await;
    ping(&mut leaving).await;
    let mut rest = Vec::new();
    let _reset = timeout(PATIENCE, leaving.read_to_end(&mut rest)).await.unwrap();
    assert!(
        begin.elapsed() >= Duration::from_millis(290),
        "{:?}",
        begin.elapsed()
    );
    eventually("the server is let go", || server.closed() >= 1).await;
    ping(&mut staying).await;
}

#[tokio::test]
async fn a_tunnel_outlives_changes_of_routes_and_the_drain_until_its_deadline() {
    let server = echo().await;
    let grace = Duration::from_secs(1);
    let running = start_for(&[server.address], |web| {
        web.transport.life_cycle.grace_time_out = grace
    });
    let mut client = client(&running).await;
    let (_, mut socket) = open(&mut client).await;
    running.publish(&crate::fixture::configuration(&json!({})));
    assert_eq!(asked(&mut client, get("/")).await.status(), StatusCode::NOT_FOUND);
    ping(&mut socket).await;
    let address = running.addresses()["web"];
    let begin = Instant::now();
    let drain = tokio::spawn(running.drain());
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    while begin.elapsed() < grace / 2 {
        ping(&mut socket).await;
        tokio::time::sleep(grace / 50).await;
    }
    assert!(matches!(drain.await.unwrap(), Drained::Cut(_)));
    assert!(begin.elapsed() >= grace);
    let mut rest = Vec::new();
    let _reset = timeout(PATIENCE, socket.read_to_end(&mut rest)).await.unwrap();
    eventually("the server is let go", || server.closed() >= 1).await;
}

/// A server that begins a WebSocket and then does what `then` does.
async fn after_handshake<F>(then: impl FnOnce(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut head).await.unwrap();
        }
        let answer = accepting(&String::from_utf8(head).unwrap());
        stream.write_all(answer.as_bytes()).await.unwrap();
        then(stream).await;
    });
    address
}

/// Far more than all buffers on the way hold.
const MUCH: usize = 64 * 1024 * 1024;

/// Writes up to [`MUCH`] and counts what is taken.
async fn pour(to: &mut (impl AsyncWriteExt + Unpin), taken: &AtomicUsize) {
    let part = vec![7; 64 * 1024];
    while taken.load(Ordering::SeqCst) < MUCH {
        to.write_all(&part).await.unwrap();
        taken.fetch_add(part.len(), Ordering::SeqCst);
    }
    to.shutdown().await.unwrap();
}

/// Waits until nothing more is taken, and says how much was.
async fn stalled(taken: &AtomicUsize) -> usize {
    let mut before = 0;
    let stopped = async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = taken.load(Ordering::SeqCst);
            if now == before && now > 0 {
                return now;
            }
            before = now;
        }
    };
    timeout(PATIENCE, stopped).await.unwrap()
}

async fn length(from: &mut (impl AsyncReadExt + Unpin)) -> usize {
    let (mut length, mut part) = (0, vec![0; 64 * 1024]);
    loop {
        match timeout(PATIENCE, from.read(&mut part)).await.unwrap().unwrap() {
            0 => return length,
            more => length += more,
        }
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_stops_its_server_and_loses_nothing() {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = taken.clone();
    let server = after_handshake(|mut stream| async move { pour(&mut stream, &counter).await }).await;
    let running = start(|_| {});
    let mut client = client(&running).await;
    route_to(&running, &[server], &json!({}));
    let (_, mut socket) = open(&mut client).await;
    let held = stalled(&taken).await;
    assert!(
        held < MUCH,
        "{held} bytes were taken for a client that reads nothing"
    );
    assert_eq!(length(&mut socket).await, MUCH);
}

#[tokio::test]
async fn a_server_that_takes_nothing_stops_its_client() {
    let (go, wait) = tokio::sync::oneshot::channel();
    let (counted, count) = tokio::sync::oneshot::channel();
    let server = after_handshake(|mut stream| async move {
        wait.await.unwrap();
        counted.send(length(&mut stream).await).unwrap();
    })
    .await;
    let running = start(|_| {});
    let mut client = client(&running).await;
    route_to(&running, &[server], &json!({}));
    let (_, mut socket) = open(&mut client).await;
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = taken.clone();
    let pouring = tokio::spawn(async move {
        pour(&mut socket, &counter).await;
        socket
    });
    let held = stalled(&taken).await;
    assert!(
        held < MUCH,
        "{held} bytes were taken for a server that reads nothing"
    );
    go.send(()).unwrap();
    assert_eq!(timeout(PATIENCE, count).await.unwrap().unwrap(), MUCH);
    drop(pouring.await.unwrap());
}

#[tokio::test]
async fn a_client_that_takes_nothing_for_too_long_is_cut() {
    let taken = Arc::new(AtomicUsize::new(0));
    let server = after_handshake(move |mut stream| async move {
        let part = vec![7; 64 * 1024];
        while stream.write_all(&part).await.is_ok() {
            taken.fetch_add(part.len(), Ordering::SeqCst);
        }
    })
    .await;
    let running = start(|web| {
        web.transport.responding_timeouts.write_timeout = Duration::from_millis(200);
    });
    let mut client = client(&running).await;
    route_to(&running, &[server], &json!({}));
    let (_, _socket) = open(&mut client).await;
    eventually("the tunnel is cut", || in_flight(&running) == 0).await;
}

#[tokio::test]
async fn a_client_that_resets_its_stream_frees_a_server_that_waits_for_more() {
    let server = after_handshake(|stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let running = start_for(&[server], |_| {});
    let wire = TcpStream::connect(running.addresses()["web"]).await.unwrap();
    let (mut client, connection) = h2::client::handshake(wire).await.unwrap();
    tokio::spawn(connection);
    eventually("tunnels are offered", || {
        client.is_extended_connect_protocol_enabled()
    })
    .await;
    let request = Request::connect("http://a.example/chat")
        .extension(h2::ext::Protocol::from_static("websocket"))
        .body(())
        .unwrap();
    let (answer, mut stream) = client.send_request(request, false).unwrap();
    assert_eq!(answer.await.unwrap().status(), StatusCode::OK);
    assert_eq!(in_flight(&running), 1);
    stream.send_reset(h2::Reason::CANCEL);
    eventually("the server is let go", || in_flight(&running) == 0).await;
}

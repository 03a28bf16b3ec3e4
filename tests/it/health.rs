//! What becomes of servers that fail, and of those that leave.

use std::{
    convert::Infallible,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::stream;
use http::{Request, Response};
use http_body_util::StreamBody;
use hyper::{
    body::{Frame, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;

use crate::{
    mesh::{Mesh, Place, eventually, flags, words},
    peer::{Act, Peer},
};

/// `shop.test` goes to `servers`, with `more` of its load balancer; one router more is called `mark`.
fn document(mark: &str, servers: &[String], more: &str) -> String {
    let servers: Vec<_> = servers.iter().map(|url| format!("{{url: \"{url}\"}}")).collect();
    format!(
        "http:\n  routers:\n    shop: {{rule: \"Host(`shop.test`)\", service: shop}}\n    \
         {mark}: {{rule: \"Host(`{mark}.test`)\", service: shop}}\n  services:\n    shop:\n      \
         loadBalancer:\n        servers: [{}]\n        {more}\n",
        servers.join(", ")
    )
}

fn start(place: &Place, document: &str) -> Mesh {
    let file = place.write("routes.yml", document);
    let mesh = place.start(&words(&flags(&file)));
    mesh.eventually("shop.test", "/", |answer| answer.status != 404);
    mesh
}

/// Puts `document` in the place of the one before, and waits until it counts.
fn change(place: &Place, mesh: &Mesh, mark: &str, document: &str) {
    place.write("routes.yml", document);
    eventually("the change", || {
        let routers = mesh.ask(&format!("/api/http/routers/{mark}@file"));
        (routers.status == 200).then_some(())
    });
}

/// The API's word on the server at `url`.
fn state(mesh: &Mesh, url: &str) -> Value {
    let service: Value = serde_json::from_str(&mesh.ask("/api/http/services/shop@file").body).unwrap();
    let states = service["serverStates"].as_array().unwrap();
    states.iter().find(|state| state["url"] == url).unwrap().clone()
}

#[test]
fn a_server_that_fails_is_ejected_shown_counted_and_remembered_through_reloads() {
    let place = Place::new();
    let bad = Peer::new(|_| Act::Answer(500, "bad".to_owned()));
    let servers = [bad.url(), Peer::named("good").url()];
    let passive = "passiveHealthCheck: {failureWindow: 10m}";
    let mesh = start(&place, &document("before", &servers, passive));
    let mut answers: Vec<_> = (0..3).map(|_| mesh.get("shop.test", "/").body).collect();
    answers.retain(|body| body == "bad");
    assert!(answers.len() <= 1, "{answers:?}");
    for _ in 0..10 {
        assert_eq!(mesh.get("shop.test", "/").body, "good");
    }
    let shown = state(&mesh, &bad.url());
    assert_eq!(shown["standing"], "out");
    assert_eq!(shown["obstacle"], "ejected: a request failed");
    assert!(shown["ejectedUntil"].as_str().unwrap().ends_with('Z'), "{shown}");

    change(&place, &mesh, "after", &document("after", &servers, passive));
    assert_eq!(state(&mesh, &bad.url())["ejections"], 1);
    for _ in 0..10 {
        assert_eq!(mesh.get("after.test", "/").body, "good");
    }
    let metrics = mesh.ask("/metrics").body;
    for (metric, value) in [("server_up", 0), ("server_ejections_total", 1)] {
        let labels = format!("{{service=\"shop@file\",url=\"{}\"}}", bad.url());
        let line = format!("mesh_service_{metric}{labels} {value}");
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
    let other = "passiveHealthCheck: {failureWindow: 9m}";
    change(&place, &mesh, "anew", &document("anew", &servers, other));
    assert_eq!(state(&mesh, &bad.url())["standing"], "ready");
}

/// A gRPC server that is as healthy as it is told; runs to the end of the test process.
fn grpc(healthy: &Arc<AtomicBool>) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let healthy = healthy.clone();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let healthy = healthy.clone();
                let service = service_fn(move |_: Request<Incoming>| {
                    let message = match healthy.load(Ordering::SeqCst) {
                        true => Bytes::from_static(b"\0\0\0\0\x02\x08\x01"),
                        false => Bytes::from_static(b"\0\0\0\0\x02\x08\x02"),
                    };
                    let trailers = [("grpc-status".parse().unwrap(), "0".parse().unwrap())];
                    let frames = [
                        Ok::<_, Infallible>(Frame::data(message)),
                        Ok(Frame::trailers(trailers.into_iter().collect())),
                    ];
                    std::future::ready(Ok::<_, Infallible>(Response::new(StreamBody::new(stream::iter(
                        frames,
                    )))))
                });
                let codec = http2::Builder::new(TokioExecutor::new());
                tokio::spawn(codec.serve_connection(TokioIo::new(stream), service));
            }
        });
    });
    address
}

#[test]
fn a_grpc_server_is_out_while_it_says_that_it_does_not_serve() {
    let place = Place::new();
    let healthy = Arc::new(AtomicBool::new(true));
    let url = format!("h2c://{}", grpc(&healthy));
    let check = "healthCheck: {mode: grpc, interval: 50ms}";
    let mesh = start(&place, &document("mark", std::slice::from_ref(&url), check));
    for is_healthy in [true, false, true] {
        healthy.store(is_healthy, Ordering::SeqCst);
        let standing = if is_healthy { "ready" } else { "out" };
        eventually(standing, || {
            (state(&mesh, &url)["standing"] == standing).then_some(())
        });
        let obstacle = state(&mesh, &url)["obstacle"].as_str().map(str::to_owned);
        let said = (!is_healthy).then(|| "health check failed: it says NOT_SERVING".to_owned());
        assert_eq!(obstacle, said);
    }
}

#[test]
fn a_connection_is_enough_for_a_tcp_probe() {
    let place = Place::new();
    let refusing = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let servers = [
        Peer::new(|_| Act::Answer(403, "no health here".to_owned())).url(),
        format!("http://{refusing}"),
    ];
    let check = "healthCheck: {mode: tcp, interval: 50ms}";
    let mesh = start(&place, &document("mark", &servers, check));
    eventually("a verdict on both", || {
        let standings = servers
            .each_ref()
            .map(|url| state(&mesh, url)["standing"].clone());
        (standings == ["ready", "out"]).then_some(())
    });
}

/// A WebSocket as far as its bytes go.
fn websocket(mesh: &Mesh) -> TcpStream {
    let mut stream = TcpStream::connect(mesh.address("web")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let head = "GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"));
    works(&mut stream);
    stream
}

fn works(websocket: &mut TcpStream) {
    websocket.write_all(b"ping").unwrap();
    let mut back = [0; 4];
    websocket.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"ping");
}

#[test]
fn a_websocket_to_a_server_that_a_document_drops_goes_on_for_the_drain_timeout() {
    let place = Place::new();
    let servers = [Peer::named("one").url(), Peer::named("two").url()];
    let limit = "drainTimeout: 1s";
    let mesh = start(&place, &document("before", &servers[..1], limit));
    let mut cut = websocket(&mesh);
    let begin = Instant::now();
    change(&place, &mesh, "after", &document("after", &servers[1..], limit));
    let mut kept = websocket(&mesh);
    works(&mut cut);
    assert_eq!(mesh.get("shop.test", "/").body, "two");
    assert_eq!(cut.read(&mut [0]).unwrap_or(0), 0, "it ends");
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    works(&mut kept);
}

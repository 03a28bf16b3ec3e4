//! Servers that leave while they have work.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use mesh_config::{Configuration, instance::Lifecycle, model::ServiceKind};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpListener, task::JoinSet};

use super::{Client, Scripted, ask, eventually, everything_to, get, ok, scripted::Act, start};
use crate::{Running, fixture};

const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";

/// Goes on with a WebSocket, begins an event stream at `/events`, and answers all else.
async fn server() -> Scripted {
    Scripted::new(|_, request| match request {
        _ if request.to_lowercase().contains("upgrade:") => Act::Echo(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".into(),
        ),
        _ if request.starts_with("GET /events") => {
            Act::Echo("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n".into())
        }
        _ => Act::Write(ok("hello")),
    })
    .await
}

/// Everything goes to `servers`, which may end what they have within `limit` when they leave.
fn to(servers: &[SocketAddr], limit: &str) -> Configuration {
    fixture::configuration(&everything_to(servers, json!({"drainTimeout": limit})))
}

/// The same where the first server is leaving, as providers say it.
fn draining(servers: &[SocketAddr], limit: &str) -> Configuration {
    let mut configuration = to(servers, limit);
    let service = configuration
        .services
        .get_mut(&fixture::name_of("all@file"))
        .unwrap();
    let service = Arc::make_mut(service);
    let ServiceKind::LoadBalancer(balancer) = &mut service.value.kind else {
        panic!("no load balancer");
    };
    balancer.servers[0].lifecycle = Lifecycle::Draining;
    configuration
}

async fn websocket(running: &Running) -> Client {
    let mut client = Client::connect(running).await;
    client.send(HANDSHAKE).await;
    client.read_until("\r\n\r\n").await;
    works(&mut client).await;
    client
}

async fn works(websocket: &mut Client) {
    websocket.send("ping").await;
    websocket.read_until("ping").await;
}

#[tokio::test]
async fn a_websocket_to_a_server_that_leaves_ends_with_its_time_and_no_sooner() {
    let (leaves, stays) = (server().await, server().await);
    let running = start(|_| {});
    running.publish(&to(&[leaves.address], "500ms"));
    let mut cut = websocket(&running).await;
    running.publish(&to(&[leaves.address, stays.address], "500ms"));
    works(&mut cut).await;
    let begin = Instant::now();
    running.publish(&to(&[stays.address], "500ms"));
    works(&mut cut).await;
    let mut other = websocket(&running).await;
    assert!(ask(&running, get("/")).await.ends_with("hello"));
    assert_eq!(cut.rest().await, "");
    assert!(
        begin.elapsed() >= Duration::from_millis(490),
        "{:?}",
        begin.elapsed()
    );
    works(&mut other).await;
    eventually("the server is let go", || leaves.closed() >= 1).await;
    assert_eq!(
        leaves.requests().len(),
        1,
        "nothing new went to the server that left"
    );
}

#[tokio::test]
async fn a_server_that_drains_by_its_provider_takes_nothing_new_and_ends_its_websockets_in_time() {
    let (leaves, stays) = (server().await, server().await);
    let both = [leaves.address, stays.address];
    let running = start(|_| {});
    running.publish(&to(&both[..1], "400ms"));
    let mut cut = websocket(&running).await;
    running.publish(&draining(&both, "400ms"));
    for _ in 0..4 {
        assert!(ask(&running, get("/")).await.ends_with("hello"));
    }
    assert_eq!(leaves.requests().len(), 1);
    // Its provider forgets it meanwhile: it is one and the same departure.
    running.publish(&to(&both[1..], "400ms"));
    assert_eq!(cut.rest().await, "");
}

#[tokio::test]
async fn the_servers_of_a_service_that_is_gone_leave_too() {
    let server = server().await;
    let running = start(|_| {});
    let before = to(&[server.address], "100ms");
    running.publish(&before);
    let mut cut = websocket(&running).await;
    let gone = json!({"services": {"all@file": null}, "routers": {"all@file": null}});
    running.publish(&fixture::changed(&before, &gone));
    assert_eq!(cut.rest().await, "");
}

#[tokio::test]
async fn a_server_that_comes_back_in_time_keeps_what_it_has() {
    let (leaves, stays) = (server().await, server().await);
    let both = [leaves.address, stays.address];
    let running = start(|_| {});
    running.publish(&to(&both[..1], "1s"));
    let mut kept = websocket(&running).await;
    running.publish(&draining(&both, "1s"));
    let mut cut = websocket(&running).await;
    running.publish(&to(&both, "1s"));
    // The other one leaves after it: when that is over, the time of the first one is over as well.
    running.publish(&to(&both[..1], "1s"));
    assert_eq!(cut.rest().await, "");
    works(&mut kept).await;
}

#[tokio::test]
async fn without_a_limit_a_websocket_goes_on() {
    let (leaves, stays) = (server().await, server().await);
    let running = start(|_| {});
    running.publish(&to(&[leaves.address], "0s"));
    let mut kept = websocket(&running).await;
    running.publish(&to(&[stays.address], "1ms"));
    let mut cut = websocket(&running).await;
    running.publish(&to(&[], "1ms"));
    assert_eq!(cut.rest().await, "");
    works(&mut kept).await;
}

#[tokio::test]
async fn an_event_stream_that_is_silent_ends_with_the_time_of_its_server() {
    let server = server().await;
    let running = start(|_| {});
    running.publish(&to(&[server.address], "50ms"));
    let mut client = Client::connect(&running).await;
    client.send(get("/events")).await;
    client.read_until("first\r\n").await;
    running.publish(&to(&[], "50ms"));
    assert_eq!(
        client.rest().await,
        "",
        "cut, so that the client sees it is not whole"
    );
    eventually("the server is let go", || server.closed() == 1).await;
}

#[tokio::test]
async fn an_event_stream_that_never_rests_ends_as_well() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut part = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n.!\r\n";
        while stream.write_all(part.as_bytes()).await.is_ok() {
            part = "1\r\n.\r\n";
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let running = start(|_| {});
    running.publish(&to(&[address], "100ms"));
    let mut client = Client::connect(&running).await;
    client.send(get("/")).await;
    client.read_until("!\r\n").await;
    running.publish(&to(&[], "100ms"));
    let rest = client.rest().await;
    assert!(rest.len() > 6 && !rest.ends_with("0\r\n\r\n"), "{rest}");
    assert!(tasks.join_next().await.unwrap().is_ok(), "the server is let go");
}

#[tokio::test]
async fn an_answer_that_began_is_finished() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let running = start(|_| {});
    running.publish(&to(&[address], "1m"));
    let mut client = Client::connect(&running).await;
    client.send(get("/")).await;
    let (mut server, _) = listener.accept().await.unwrap();
    server
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        .await
        .unwrap();
    client.read_until("first").await;
    running.publish(&to(&[], "1m"));
    server.write_all(b"-last").await.unwrap();
    client
        .read_until("first-last".strip_prefix("first").unwrap())
        .await;
}

fn states(running: &Running) -> Vec<Value> {
    let table = running.table();
    let service = &table.runtime().services[&fixture::name_of("all@file")];
    service.servers().iter().map(|server| json!(server)).collect()
}

#[tokio::test]
async fn the_api_tells_who_drains_and_who_has_drained() {
    let server = server().await;
    let running = start(|_| {});
    running.publish(&draining(&[server.address], "1m"));
    assert_eq!(states(&running)[0]["standing"], "draining");
    running.publish(&draining(&[server.address], "1ms"));
    eventually("its time is over", || states(&running)[0]["standing"] == "out").await;
    assert_eq!(states(&running)[0]["obstacle"], "drained");
}

#[tokio::test]
async fn clients_of_a_server_that_a_document_drops_stay_with_it_until_it_takes_no_connection() {
    let (mut leaves, stays) = (
        Some(Scripted::answering("leaves").await),
        Scripted::answering("stays").await,
    );
    let address = leaves.as_ref().unwrap().address;
    let running = start(|_| {});
    let sticky = |servers: &[SocketAddr]| {
        fixture::configuration(&everything_to(
            servers,
            json!({"sticky": {"cookie": {"name": "lane"}}}),
        ))
    };
    running.publish(&sticky(&[address, stays.address]));
    running.publish(&sticky(&[stays.address]));
    let known = format!("GET / HTTP/1.1\r\nHost: h\r\nCookie: lane=http://{address}\r\n\r\n");
    assert!(ask(&running, &known).await.ends_with("leaves"));
    assert!(ask(&running, get("/")).await.ends_with("stays"));
    drop(leaves.take());
    let mut refusing = None;
    eventually("its port is free", || {
        refusing = fixture::Refusing::at(address).ok();
        refusing.is_some()
    })
    .await;
    for _ in 0..2 {
        let moved = ask(&running, &known).await;
        assert!(
            moved.contains("set-cookie: lane=") && moved.ends_with("stays"),
            "{moved}"
        );
    }
    assert_eq!(states(&running).len(), 1, "nobody asks for it any more");
}

#[tokio::test]
async fn connections_to_servers_that_no_service_has_any_more_are_soon_closed() {
    let (leaves, stays) = (server().await, server().await);
    let running = start(|_| {});
    running.publish(&to(&[leaves.address, stays.address], "1m"));
    for _ in 0..2 {
        assert!(ask(&running, get("/")).await.ends_with("hello"));
    }
    running.publish(&to(&[stays.address], "1m"));
    let closing = async {
        while leaves.closed() < leaves.connections() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let closed = tokio::time::timeout(Duration::from_secs(60), closing).await;
    assert!(closed.is_ok(), "long before idleConnTimeout");
    assert!(leaves.connections() > 0 && stays.connections() > 0);
    assert_eq!(stays.closed(), 0);
}

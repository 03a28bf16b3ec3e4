//! WebSocket, and other upgrades.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Client, Scripted, ask, eventually, route_by, scripted::Act, start_for};

const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Key: x\r\n\r\n";

#[tokio::test]
async fn bytes_flow_both_ways_after_the_handshake() {
    let server = Scripted::new(|_, _| {
        Act::Echo(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: y\r\n\r\n"
                .into(),
        )
    })
    .await;
    let running = start_for(&[server.address], |_| {});
    let mut client = Client::connect(&running).await;
    client.send(HANDSHAKE).await;
    let head = client.read_until("\r\n\r\n").await.to_lowercase();
    assert!(
        head.starts_with("http/1.1 101") && head.contains("upgrade: websocket"),
        "{head}"
    );
    assert!(head.contains("sec-websocket-accept: y"), "{head}");
    client.send("ping").await;
    client.read_until("ping").await;
    let seen = server.requests().remove(0).to_lowercase();
    assert!(
        seen.contains("upgrade: websocket") && seen.contains("x-forwarded-proto: ws\r\n"),
        "{seen}"
    );
}

#[tokio::test]
async fn a_websocket_that_is_silent_both_ways_is_cut_and_one_that_is_not_stays() {
    let server = Scripted::new(|_, _| {
        Act::Echo(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".into(),
        )
    })
    .await;
    let limit = Duration::from_millis(400);
    let running = start_for(&[server.address], |web| {
        web.transport.responding_timeouts.tunnel_idle_timeout = limit;
        // A tunnel is no idle connection.
        web.transport.responding_timeouts.idle_timeout = limit / 2;
    });
    let mut client = Client::connect(&running).await;
    client.send(HANDSHAKE).await;
    client.read_until("\r\n\r\n").await;
    let begin = Instant::now();
    while begin.elapsed() < limit * 2 {
        client.send("ping").await;
        client.read_until("ping").await;
        tokio::time::sleep(limit / 40).await;
    }
    assert_eq!(client.rest().await, "");
    eventually("the server is let go", || server.closed() == 1).await;
}

#[tokio::test]
async fn a_handshake_that_is_refused_is_an_answer_like_any_other() {
    let server = Scripted::answering("no").await;
    let running = start_for(&[server.address], |_| {});
    let mut client = Client::connect(&running).await;
    for _ in 0..2 {
        client.send(HANDSHAKE).await;
        assert_eq!(client.answer().await.1, "no");
    }
}

#[tokio::test]
async fn another_upgrade_is_forwarded_as_a_plain_request() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |_| {});
    let upgrade = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                   HTTP2-Settings: x\r\n\r\n";
    assert!(ask(&running, upgrade).await.ends_with("hello"));
    let seen = server.requests().remove(0).to_lowercase();
    assert!(
        !seen.contains("upgrade") && !seen.contains("http2-settings"),
        "{seen}"
    );
}

/// A request that asks for `token`.
fn asking_for(token: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: {token}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A server that goes on with `token` and echoes if it was asked for anything.
async fn switching_to(token: &'static str) -> Scripted {
    Scripted::new(
        move |_, request| match request.to_lowercase().contains("upgrade:") {
            true => Act::Echo(format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {token}\r\n\r\n"
            )),
            false => Act::Write(super::ok("plain")),
        },
    )
    .await
}

#[tokio::test]
async fn a_service_says_which_protocols_its_clients_may_go_on_with() {
    let server = switching_to("Tcp").await;
    let running = start_for(&[server.address], |_| {});
    route_by(&running, &[server.address], &json!({}), &json!(["tcp", "foo/2"]));
    let mut client = Client::connect(&running).await;
    client.send(asking_for("TCP")).await;
    let head = client.read_until("\r\n\r\n").await.to_lowercase();
    assert!(
        head.starts_with("http/1.1 101") && head.contains("upgrade: tcp\r\n"),
        "{head}"
    );
    client.send("ping").await;
    client.read_until("ping").await;
    let seen = server.requests().remove(0);
    assert!(
        seen.to_lowercase().contains("x-forwarded-proto: http\r\n"),
        "{seen}"
    );
    for token in ["websocket", "foo", "foo/1", "tcp, foo/2", "h2c"] {
        let mut client = Client::connect(&running).await;
        client.send(asking_for(token)).await;
        assert_eq!(client.answer().await.1, "plain", "{token}");
    }
}

#[tokio::test]
async fn a_service_may_allow_no_upgrade_at_all() {
    let server = switching_to("websocket").await;
    let running = start_for(&[server.address], |_| {});
    route_by(&running, &[server.address], &json!({}), &json!([]));
    let mut client = Client::connect(&running).await;
    for _ in 0..2 {
        client.send(HANDSHAKE).await;
        assert_eq!(client.answer().await.1, "plain");
    }
}

#[tokio::test]
async fn a_server_that_goes_on_with_something_else_is_not_believed() {
    for token in ["h2c", "websocket, h2c", "tcp", ""] {
        let server = switching_to(token).await;
        let running = start_for(&[server.address], |_| {});
        route_by(
            &running,
            &[server.address],
            &json!({}),
            &json!(["websocket", "tcp"]),
        );
        let mut client = Client::connect(&running).await;
        client.send(HANDSHAKE).await;
        let head = client.answer().await.0;
        assert!(head.starts_with("http/1.1 502"), "{token}: {head}");
    }
}

//! Servers that fail their requests.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use socket2::SockRef;

use super::{Client, Scripted, ask, eventually, everything_to, get, ok, scripted::Act, start};
use crate::{
    Running, ServerInfo,
    fixture::{self, Refusing},
};

/// Everything goes to `servers`, whose requests are looked at as `check` says.
fn before(servers: &[SocketAddr], check: &Value) -> Running {
    let running = start(|_| {});
    let options = json!({"passiveHealthCheck": check});
    running.publish(&fixture::configuration(&everything_to(servers, options)));
    running
}

fn servers(running: &Running) -> Vec<ServerInfo> {
    running.table().runtime().services[&fixture::name_of("all@file")].servers()
}

/// Fails every request until it is told to stop.
async fn failing(failures: usize) -> Scripted {
    Scripted::new(move |number, _| match number <= failures {
        true => Act::Write("HTTP/1.1 503 X\r\nContent-Length: 3\r\n\r\nbad".into()),
        false => Act::Write(ok("well again")),
    })
    .await
}

#[tokio::test]
async fn a_server_that_answers_with_errors_is_left_out_and_comes_back() {
    let (bad, good) = (failing(1).await, Scripted::answering("good").await);
    let running = before(&[bad.address, good.address], &json!({"failureWindow": "1s"}));
    let mut failed = 0;
    while bad.requests().is_empty() {
        failed += usize::from(ask(&running, get("/")).await.starts_with("HTTP/1.1 503"));
    }
    assert_eq!(failed, 1);
    let info = servers(&running).remove(0);
    assert_eq!(info.obstacle.as_deref(), Some("ejected: a request failed"));
    assert!(info.ejected_until.is_some());
    let mut client = Client::connect(&running).await;
    loop {
        client.send(get("/")).await;
        let (head, body) = client.answer().await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        if body == "well again" {
            break;
        }
    }
    assert_eq!(servers(&running)[0].obstacle, None);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_asked_once_and_no_client_notices() {
    let refusing = Refusing::new();
    let (gone, good) = (refusing.address(), Scripted::answering("good").await);
    let running = before(&[gone, good.address], &json!({"failureWindow": "1m"}));
    for _ in 0..6 {
        assert!(ask(&running, get("/")).await.ends_with("good"));
    }
    let info = servers(&running).remove(0);
    assert_eq!(info.ejections, Some(1));
}

#[tokio::test]
async fn clients_that_go_away_say_nothing_about_a_server() {
    let slow = Scripted::new(|_, _| Act::Nothing).await;
    let running = before(&[slow.address], &json!({}));
    let mut client = Client::connect(&running).await;
    client.send(get("/")).await;
    eventually("the request is there", || slow.requests().len() == 1).await;
    let reset = SockRef::from(&client.0).set_linger(Some(Duration::ZERO));
    reset.unwrap();
    drop(client);
    eventually("the server is let go", || slow.closed() == 1).await;
    assert_eq!(servers(&running)[0].ejections, Some(0));
}

#[tokio::test]
async fn when_all_are_ejected_the_answer_says_so() {
    let bad = failing(usize::MAX).await;
    let running = before(&[bad.address], &json!({"failureWindow": "1m"}));
    assert!(ask(&running, get("/")).await.ends_with("bad"));
    let refused = ask(&running, get("/")).await;
    assert!(
        refused.starts_with("HTTP/1.1 503") && !refused.ends_with("bad"),
        "{refused}"
    );
    let service = running.table().runtime().services[&fixture::name_of("all@file")]
        .service
        .clone();
    let reason = service.unwrap().why_unavailable().unwrap();
    assert!(reason.contains("ejected: a request failed"), "{reason}");
    assert_eq!(bad.requests().len(), 1);
}

#[tokio::test]
async fn where_servers_are_probed_a_probe_brings_an_ejected_one_back() {
    let bad = Scripted::new(|_, request| match request.starts_with("GET /healthz") {
        true => Act::Write(ok("")),
        false => Act::Write("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n".into()),
    })
    .await;
    let running = start(|_| {});
    running.publish(&fixture::configuration(&json!({
        "routers": {"all@file": {"rule": "PathPrefix(`/`)", "service": "all"}},
        "services": {"all@file": {"loadBalancer": {
            "servers": [{"url": format!("http://{}", bad.address)}],
            "healthCheck": {"path": "/healthz", "interval": "1h", "unhealthyInterval": "20ms"},
            "passiveHealthCheck": {"failureWindow": "1h"},
        }}},
    })));
    for ejections in 1..4 {
        eventually("it is ready", || servers(&running)[0].obstacle.is_none()).await;
        assert!(ask(&running, get("/")).await.starts_with("HTTP/1.1 500"));
        assert_eq!(servers(&running)[0].ejections, Some(ejections));
    }
}

//! More than an entrypoint takes.

use std::{sync::Arc, time::Duration};

use mesh_telemetry::{
    RequestTelemetry,
    metrics::{Gauges, Metrics, MetricsSettings},
};
use serde_json::json;

use super::{Client, Scripted, ask, eventually, get, ok, route_to, scripted::Act, start_recorded};
use crate::{Running, settings::EntryPoint};

/// A proxy that counts, in front of `server`.
fn start_counting(server: &Scripted, change: impl FnOnce(&mut EntryPoint)) -> (Running, Arc<Metrics>) {
    let settings: MetricsSettings = serde_json::from_value(json!({"prometheus": {}})).unwrap();
    let metrics = Metrics::new(&settings).unwrap();
    let telemetry = RequestTelemetry {
        metrics: Some(metrics.clone()),
        access_log: None,
    };
    let running = start_recorded(telemetry, change);
    route_to(&running, &[server.address], &json!({}));
    (running, metrics)
}

/// The number behind `sample`.
fn counted(metrics: &Metrics, sample: &str) -> u64 {
    let text = metrics.render(&Gauges::default());
    let line = text.lines().find(|line| line.starts_with(sample)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Requests refused because of `reason`.
fn refused(metrics: &Metrics, reason: &str) -> u64 {
    let labels = format!("{{entrypoint=\"web\",reason=\"{reason}\"}}");
    counted(
        metrics,
        &format!("mesh_entrypoint_refused_requests_total{labels}"),
    )
}

/// A server that answers nothing but `/`.
async fn hanging() -> Scripted {
    Scripted::new(|_, request| match request.starts_with("GET / ") {
        true => Act::Write(ok("hello")),
        false => Act::Nothing,
    })
    .await
}

#[tokio::test]
async fn a_request_beyond_those_in_flight_is_503_at_once_and_its_connection_lives() {
    let server = hanging().await;
    let (running, metrics) = start_counting(&server, |web| {
        web.http.max_in_flight_requests = 1;
        web.http.reason_header = true;
    });
    let mut first = Client::connect(&running).await;
    first.send(get("/hang")).await;
    eventually("a request is in flight", || server.requests().len() == 1).await;
    let mut second = Client::connect(&running).await;
    for _ in 0..2 {
        second.send(get("/")).await;
        let (head, _) = second.answer().await;
        assert!(head.starts_with("http/1.1 503"), "{head}");
        assert!(head.contains("retry-after: 5"), "{head}");
        assert!(
            head.contains("x-mesh-reason: too many requests are in flight"),
            "{head}"
        );
    }
    assert_eq!((refused(&metrics, "overload"), server.requests().len()), (2, 1));
    socket2::SockRef::from(&first.0)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(first);
    eventually("the place is free", || server.closed() == 1).await;
    second.send(get("/")).await;
    assert_eq!(second.answer().await.1, "hello");
    let labels = "{code=\"503\",method=\"GET\",protocol=\"http\",entrypoint=\"web\"}";
    assert_eq!(
        counted(&metrics, &format!("mesh_entrypoint_requests_total{labels}")),
        2
    );
}

#[tokio::test]
async fn a_websocket_takes_no_place_among_requests() {
    let server = Scripted::new(|_, request| match request.to_lowercase().contains("upgrade") {
        true => Act::Echo(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".into(),
        ),
        false => Act::Write(ok("hello")),
    })
    .await;
    let (running, _) = start_counting(&server, |web| web.http.max_in_flight_requests = 1);
    let mut client = Client::connect(&running).await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    client.read_until("\r\n\r\n").await;
    assert!(ask(&running, get("/")).await.ends_with("hello"));
    client.send("ping").await;
    client.read_until("ping").await;
}

#[tokio::test]
async fn a_connection_that_waits_for_room_is_counted() {
    let server = hanging().await;
    let (running, metrics) = start_counting(&server, |web| web.max_connections = 1);
    let waited = || {
        counted(
            &metrics,
            "mesh_entrypoint_waited_connections_total{entrypoint=\"web\"}",
        )
    };
    let mut first = Client::connect(&running).await;
    first.send(get("/")).await;
    first.answer().await;
    assert_eq!(waited(), 0);
    let mut second = Client::connect(&running).await;
    second.send(get("/")).await;
    eventually("it waits", || waited() == 1).await;
    drop(first);
    assert_eq!(second.answer().await.1, "hello");
    assert_eq!(waited(), 1);
}

#[tokio::test]
async fn every_refusal_is_counted_by_its_reason_and_an_answer_of_a_server_is_none() {
    let server = hanging().await;
    let (running, metrics) = start_counting(&server, |_| {});
    assert!(ask(&running, get("/")).await.ends_with("hello"));
    for (reason, request) in [
        ("method", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        ("target", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("path", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] {
        assert_eq!(refused(&metrics, reason), 0, "{reason}");
        ask(&running, request).await;
        assert_eq!(refused(&metrics, reason), 1, "{reason}");
    }
    route_to(&running, &[], &json!({}));
    ask(&running, get("/")).await;
    assert_eq!(refused(&metrics, "no-server"), 1);
    running.publish(&mesh_config::Configuration::default());
    ask(&running, get("/")).await;
    assert_eq!(refused(&metrics, "no-route"), 1);
}

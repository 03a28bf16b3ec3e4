//! What requests leave behind, and what one that fails does to others.

use std::sync::Arc;

use mesh_telemetry::{
    RequestTelemetry,
    metrics::{Gauges, Metrics, MetricsSettings},
};
use serde_json::json;

use super::{
    Client, Scripted, ask, eventually, everything_to, get, route_to, scripted::Act, start, start_recorded,
};
use crate::{Running, fixture, fixture::Refusing};

/// A proxy that counts.
fn start_counting() -> (Running, Arc<Metrics>) {
    let settings: MetricsSettings =
        serde_json::from_value(json!({"prometheus": {"addRoutersLabels": true}})).unwrap();
    let metrics = Metrics::new(&settings).unwrap();
    let telemetry = RequestTelemetry {
        metrics: Some(metrics.clone()),
        access_log: None,
    };
    (start_recorded(telemetry, |_| {}), metrics)
}

/// How many requests the entrypoints counted under `label`.
fn counted(metrics: &Metrics, label: &str) -> Option<u64> {
    let text = metrics.render(&Gauges::default());
    let line = text
        .lines()
        .find(|line| line.contains("entrypoint_requests_total") && line.contains(label))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn every_request_is_counted_once_with_what_became_of_it() {
    let (running, metrics) = start_counting();
    ask(&running, get("/")).await;
    let server = Scripted::new(|_, request| match request.starts_with("GET /hang") {
        true => Act::Nothing,
        false => Act::Write(super::ok("hello")),
    })
    .await;
    route_to(&running, &[server.address], &json!({}));
    ask(&running, get("/")).await;
    let mut leaving = Client::connect(&running).await;
    leaving.send(get("/hang")).await;
    eventually("the request arrives", || server.requests().len() == 2).await;
    socket2::SockRef::from(&leaving.0)
        .set_linger(Some(std::time::Duration::ZERO))
        .unwrap();
    drop(leaving);
    eventually("the request is counted", || {
        ["404", "200", "499"]
            .iter()
            .all(|code| counted(&metrics, &format!("code=\"{code}\"")) == Some(1))
    })
    .await;
}

#[tokio::test]
async fn a_grpc_call_is_counted_by_its_own_status() {
    let (running, metrics) = start_counting();
    let server = Scripted::new(|_, request| {
        let answer = match request.split(' ').nth(1) {
            Some("/head") => "HTTP/1.1 200 OK\r\nGrpc-Status: 5\r\nContent-Length: 0\r\n\r\n",
            Some("/trailers") => {
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-status\r\n\r\n\
                 2\r\nhi\r\n0\r\ngrpc-status: 7\r\n\r\n"
            }
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        };
        Act::Write(answer.to_owned())
    })
    .await;
    route_to(&running, &[server.address], &json!({}));
    for (path, code) in [("/head", 5), ("/trailers", 7), ("/neither", 2)] {
        let call = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n"
        );
        assert!(ask(&running, call).await.starts_with("HTTP/1.1 200"));
        let label = format!("code=\"{code}\",method=\"POST\",protocol=\"grpc\"");
        eventually("the call is counted", || counted(&metrics, &label) == Some(1)).await;
    }
}

#[tokio::test]
async fn a_request_that_panics_ends_alone() {
    let running = start(|_| {});
    running.publish(&fixture::configuration(&json!({
        "routers": {"panic@file": {"rule": "PathPrefix(`/`)", "service": "panic@internal"}},
    })));
    let mut client = Client::connect(&running).await;
    for _ in 0..2 {
        client.send(get("/")).await;
        assert!(client.answer().await.0.starts_with("http/1.1 500"));
    }
}

#[tokio::test]
async fn requests_that_no_server_answered_are_counted_by_the_reason() {
    let (running, metrics) = start_counting();
    let (silent, refusing) = (Scripted::new(|_, _| Act::Nothing).await, Refusing::new());
    let losing = Scripted::new(|_, _| Act::WriteAndClose(String::new())).await;
    let failed = |reason: &str| {
        let text = metrics.render(&Gauges::default());
        let sample =
            format!("mesh_entrypoint_failed_requests_total{{entrypoint=\"web\",reason=\"{reason}\"}} 1");
        text.lines().any(|line| line == sample)
    };
    for (server, retry, timeouts, reason) in [
        (refusing.address(), json!({}), json!({}), "connect"),
        (losing.address, json!({"attempts": 1}), json!({}), "closed"),
        (
            losing.address,
            json!({"budgetPercent": 0, "minRetriesPerSecond": 0}),
            json!({}),
            "retry-budget",
        ),
        (
            silent.address,
            json!({}),
            json!({"request": "20ms"}),
            "request-timeout",
        ),
        (
            silent.address,
            json!({}),
            json!({"responseHeader": "20ms"}),
            "answer-timeout",
        ),
        (
            silent.address,
            json!({"attempts": 1, "perTryTimeout": "20ms"}),
            json!({}),
            "try-timeout",
        ),
    ] {
        let options = json!({"retry": retry, "timeouts": timeouts});
        running.publish(&fixture::configuration(&everything_to(&[server], options)));
        assert!(!failed(reason));
        assert!(ask(&running, get("/")).await.starts_with("HTTP/1.1 50"));
        assert!(failed(reason), "{reason} is not counted once");
    }
}

#[tokio::test]
async fn a_request_whose_servers_are_all_ejected_is_counted_as_such() {
    let (running, metrics) = start_counting();
    let refusing = Refusing::new();
    let options = json!({"passiveHealthCheck": {"failureWindow": "1m"}});
    running.publish(&fixture::configuration(&everything_to(
        &[refusing.address()],
        options,
    )));
    let refused = |reason: &str| {
        let text = metrics.render(&Gauges::default());
        let sample =
            format!("mesh_entrypoint_refused_requests_total{{entrypoint=\"web\",reason=\"{reason}\"}} 1");
        text.lines().any(|line| line == sample)
    };
    assert!(ask(&running, get("/")).await.starts_with("HTTP/1.1 502"));
    assert!(ask(&running, get("/")).await.starts_with("HTTP/1.1 503"));
    assert!(refused("ejected") && !refused("no-server"));
}

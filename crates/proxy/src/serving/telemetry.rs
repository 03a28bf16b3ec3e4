//! What requests leave behind, and what one that fails does to others.

use mesh_telemetry::{
    RequestTelemetry,
    metrics::{Gauges, Metrics, MetricsSettings},
};
use serde_json::json;

use super::{Client, Scripted, ask, eventually, get, route_to, scripted::Act, start, start_recorded};
use crate::fixture;

#[tokio::test]
async fn every_request_is_counted_once_with_what_became_of_it() {
    let settings: MetricsSettings =
        serde_json::from_value(json!({"prometheus": {"addRoutersLabels": true}})).unwrap();
    let metrics = Metrics::new(&settings).unwrap();
    let telemetry = RequestTelemetry {
        metrics: Some(metrics.clone()),
        access_log: None,
    };
    let running = start_recorded(telemetry, |_| {});
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
        let text = metrics.render(&Gauges::default());
        let counted = |code: &str| {
            let label = format!("code=\"{code}\"");
            let of_entry_point =
                |line: &&str| line.contains("entrypoint_requests_total") && line.contains(&label);
            text.lines()
                .find(of_entry_point)
                .is_some_and(|line| line.ends_with(" 1"))
        };
        counted("404") && counted("200") && counted("499")
    })
    .await;
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

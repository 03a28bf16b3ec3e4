//! What the access log says of requests.

use std::time::Duration;

use mesh_telemetry::{RequestTelemetry, access_log::AccessLog};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Client, Scripted, ask, eventually, get, ok, route_to, scripted::Act, start_recorded};
use crate::{
    Running,
    fixture::{self, Refusing},
    settings::EntryPoint,
};

/// A proxy that logs everything as JSON.
struct Logging {
    running: Running,
    directory: TempDir,
}

impl Logging {
    fn start(change: impl FnOnce(&mut EntryPoint)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = serde_json::from_value(json!({
            "format": "json",
            "filePath": directory.path().join("log"),
            "fields": {"headers": {"defaultMode": "keep"}},
        }));
        let telemetry = RequestTelemetry {
            metrics: None,
            access_log: Some(AccessLog::open(&settings.unwrap()).unwrap().into()),
        };
        Self {
            running: start_recorded(telemetry, change),
            directory,
        }
    }

    /// The lines, once there are `N`.
    async fn lines<const N: usize>(&self) -> [Value; N] {
        let mut lines = Vec::new();
        eventually("lines of the access log", || {
            let text = std::fs::read_to_string(self.directory.path().join("log")).unwrap();
            lines = text
                .lines()
                .map_while(|line| serde_json::from_str(line).ok())
                .collect();
            lines.len() == N
        })
        .await;
        lines.try_into().unwrap()
    }
}

#[tokio::test]
async fn time_spent_before_the_server_is_asked_is_overhead() {
    let server = Scripted::answering("hello").await;
    let logging = Logging::start(|_| {});
    route_to(&logging.running, &[server.address], &json!({}));
    let mut client = Client::connect(&logging.running).await;
    client.send("GET / HTTP/1.1\r\n").await;
    let slow = Duration::from_millis(200);
    tokio::time::sleep(slow).await;
    client.send("Host: a\r\n\r\n").await;
    assert_eq!(client.answer().await.1, "hello");
    let [line] = logging.lines().await;
    let of = |field: &str| u128::from(line[field].as_u64().unwrap());
    // The first byte may have come a little later than it was sent.
    assert!(
        of("Overhead") >= slow.as_nanos() / 2 && of("OriginDuration") > 0,
        "{line}"
    );
    assert_eq!(of("Overhead") + of("OriginDuration"), of("Duration"), "{line}");
    assert_eq!(of("OriginContentSize"), 5, "{line}");
}

#[tokio::test]
async fn only_a_trusted_peer_says_who_the_client_is() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
    for (insecure, host) in [(false, "127.0.0.1"), (true, "203.0.113.9")] {
        let logging = Logging::start(|web| web.forwarded_headers.insecure = insecure);
        ask(&logging.running, request).await;
        let [line] = logging.lines().await;
        assert_eq!(line["ClientHost"], host, "{line}");
        assert_eq!(
            line["request_X-Forwarded-For"], "203.0.113.9",
            "as it was received"
        );
    }
}

#[tokio::test]
async fn the_servers_own_headers_are_logged_beside_those_of_the_client() {
    let server = Scripted::new(|_, _| {
        Act::Write("HTTP/1.1 201 Created\r\nContent-Length: 0\r\nX-Own: 1\r\n\r\n".into())
    })
    .await;
    let logging = Logging::start(|_| {});
    logging.running.publish(&fixture::configuration(&json!({
        "routers": {"all@file": {"rule": "PathPrefix(`/`)", "service": "all", "middlewares": ["m"]}},
        "middlewares": {"m@file": {"headers": {"customResponseHeaders": {"X-Own": "", "X-More": "2"}}}},
        "services": {"all@file": {"loadBalancer": {"servers": [{"url": format!("http://{}", server.address)}]}}},
    })));
    ask(&logging.running, get("/")).await;
    let [line] = logging.lines().await;
    assert_eq!(
        (&line["origin_X-Own"], &line["downstream_X-More"]),
        (&"1".into(), &"2".into())
    );
    assert!(
        line["downstream_X-Own"].is_null() && line["origin_X-More"].is_null(),
        "{line}"
    );
}

#[tokio::test]
async fn an_answer_that_mesh_makes_itself_is_none_of_the_servers() {
    let strange = Scripted::new(|_, _| Act::Write(ok("x").replace("200 OK", "999 Odd"))).await;
    let logging = Logging::start(|_| {});
    let refusing = Refusing::new();
    for server in [refusing.address(), strange.address] {
        route_to(&logging.running, &[server], &json!({}));
        ask(&logging.running, get("/")).await;
    }
    route_to(&logging.running, &[], &json!({}));
    ask(&logging.running, get("/")).await;
    let [refused, strange, none] = logging.lines().await;
    assert_eq!(
        (&refused["DownstreamStatus"], &strange["DownstreamStatus"]),
        (&502.into(), &502.into())
    );
    assert!(refused["ServiceURL"].is_string(), "{refused}");
    assert!(
        refused["OriginStatus"].is_null() && refused["OriginContentSize"].is_null(),
        "{refused}"
    );
    assert_eq!(
        (&strange["OriginStatus"], &strange["OriginContentSize"]),
        (&999.into(), &0.into())
    );
    assert!(
        none["ServiceURL"].is_null() && none["OriginDuration"].is_null(),
        "{none}"
    );
}

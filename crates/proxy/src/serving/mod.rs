//! Tests of the whole path of a request: raw bytes in, raw bytes at a server, raw bytes back.

mod access_log;
mod bodies;
mod drain;
mod early;
mod ejection;
mod forwarding;
mod framing;
mod http2;
mod http2_websocket;
mod inner;
mod kinds;
mod leaving;
mod limits;
mod overload;
mod proxy_protocol;
mod renewal;
mod repeats;
mod retries;
mod reuse;
mod scripted;
mod servers;
mod tables;
mod telemetry;
mod time_limits;
mod websocket;

use std::{net::SocketAddr, num::NonZeroUsize, time::Duration};

use mesh_telemetry::RequestTelemetry;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use self::scripted::Scripted;
use crate::{Inherited, Proxy, ProxySettings, Running, fixture, settings::EntryPoint};

/// Longest wait for anything in these tests.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running proxy with one worker and the entrypoints `web` and `side`.
fn start(change: impl FnOnce(&mut EntryPoint)) -> Running {
    start_recorded(RequestTelemetry::default(), change)
}

/// The same, recorded by `telemetry`.
fn start_recorded(telemetry: RequestTelemetry, change: impl FnOnce(&mut EntryPoint)) -> Running {
    let mut web = EntryPoint::new("127.0.0.1:0".parse().unwrap());
    change(&mut web);
    let side = EntryPoint::new("127.0.0.1:0".parse().unwrap());
    let settings = ProxySettings {
        entry_points: [("side".to_owned(), side), ("web".to_owned(), web)].into(),
        workers: NonZeroUsize::new(1),
    };
    let compiler = fixture::compiler_of(&["side", "web"], "web");
    let proxy = Proxy::bind(&settings, Inherited::default()).unwrap();
    proxy
        .start(compiler, &mesh_config::Configuration::default(), telemetry)
        .unwrap()
}

/// The same, with every request going to `servers`.
fn start_for(servers: &[SocketAddr], change: impl FnOnce(&mut EntryPoint)) -> Running {
    let running = start(change);
    route_to(&running, servers, &json!({}));
    running
}

/// Routes everything to `servers`, over the servers transport that `timeouts` describe.
fn route_to(running: &Running, servers: &[SocketAddr], timeouts: &Value) {
    route_by(running, servers, timeouts, &json!(["websocket"]));
}

/// The same for a service that allows these upgrades.
fn route_by(running: &Running, servers: &[SocketAddr], timeouts: &Value, upgrades: &Value) {
    let mut all = everything_to(servers, json!({"serversTransport": "t", "upgrades": upgrades}));
    all["serversTransports"] = json!({"t@file": {"forwardingTimeouts": timeouts}});
    running.publish(&fixture::configuration(&all));
}

/// One router for all requests, and one load balancer with these `options` over `servers`.
fn everything_to(servers: &[SocketAddr], mut options: Value) -> Value {
    let servers = servers
        .iter()
        .map(|server| json!({"url": format!("http://{server}")}));
    options["servers"] = servers.collect();
    json!({
        "routers": {"all@file": {"rule": "PathPrefix(`/`)", "service": "all"}},
        "services": {"all@file": {"loadBalancer": options}},
    })
}

/// A client that speaks bytes.
struct Client(TcpStream);

impl Client {
    async fn connect(running: &Running) -> Self {
        Self(TcpStream::connect(running.addresses()["web"]).await.unwrap())
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Everything until `end` has come.
    async fn read_until(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        let reading = async {
            while !text.ends_with(end.as_bytes()) {
                let mut byte = [0];
                assert_eq!(self.0.read(&mut byte).await.unwrap(), 1, "closed after {text:?}");
                text.push(byte[0]);
            }
        };
        assert!(
            timeout(PATIENCE, reading).await.is_ok(),
            "still waiting for {end:?}"
        );
        String::from_utf8(text).unwrap()
    }

    /// Head and body (of a known length) of one answer.
    async fn answer(&mut self) -> (String, String) {
        let head = self.read_until("\r\n\r\n").await.to_lowercase();
        let length = head
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next());
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        timeout(PATIENCE, self.0.read_exact(&mut body))
            .await
            .unwrap()
            .unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    /// Everything until the end of the connection; a reset is an end too.
    async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let _reset = timeout(PATIENCE, self.0.read_to_end(&mut bytes))
            .await
            .expect("connection stays open");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Sends `request` on a connection of its own and gives all that comes back.
async fn ask(running: &Running, request: impl AsRef<[u8]>) -> String {
    let mut client = Client::connect(running).await;
    client.send(request).await;
    client.0.shutdown().await.unwrap();
    client.rest().await
}

/// A GET of `path`.
fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n")
}

/// An answer of 200 with `body`.
fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Polls `condition` until it holds.
async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, waiting).await.is_ok(), "never: {what}");
}

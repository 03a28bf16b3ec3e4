//! Checks against servers on the loopback interface.

mod grpc;

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use mesh_telemetry::RequestTelemetry;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::HealthChecks;
use crate::{
    Inherited, Proxy, ProxySettings,
    fixture::{Refusing, changed, compiler, compiler_of, configuration, name_of},
    service::{ServerInfo, Standing},
    settings::EntryPoint,
    table::RoutingTable,
};

/// A server that answers each probe with a status that the test may change.
#[derive(Debug)]
struct Backend {
    url: String,
    status: Arc<AtomicU16>,
    probes: Arc<AtomicUsize>,
    accepting: AbortHandle,
}

impl Backend {
    /// Answers with `status`, and with these header lines.
    async fn new(status: u16, headers: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let status = Arc::new(AtomicU16::new(status));
        let probes = Arc::new(AtomicUsize::new(0));
        let (answer, count) = (status.clone(), probes.clone());
        let accepting = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                count.fetch_add(1, Ordering::Relaxed);
                let status = match answer.load(Ordering::Relaxed) {
                    0 => continue,
                    302 if request.starts_with("GET /end") => 200,
                    status => status,
                };
                let response = format!("HTTP/1.1 {status} X\r\n{headers}content-length: 0\r\n\r\n");
                let _ = stream.write_all(response.as_bytes()).await;
            }
        })
        .abort_handle();
        Self {
            url,
            status,
            probes,
            accepting,
        }
    }

    fn probes(&self) -> usize {
        self.probes.load(Ordering::Relaxed)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn document(urls: &[&str], check: &Value) -> Value {
    let servers: Vec<_> = urls.iter().map(|url| json!({"url": url})).collect();
    json!({
        "routers": {"r@file": {"rule": "Host(`a`)", "service": "s"}},
        "services": {"s@file": {"loadBalancer": {"servers": servers, "healthCheck": check}}},
    })
}

fn quick() -> Value {
    json!({"interval": "20ms", "timeout": "2s"})
}

fn servers(table: &RoutingTable) -> Vec<ServerInfo> {
    table.runtime().services[&name_of("s@file")].servers()
}

async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(Duration::from_secs(10), wait)
        .await
        .expect("the condition holds within ten seconds");
}

/// Checks one server at `url` and gives what was found.
async fn verdict(url: &str, check: &Value) -> ServerInfo {
    verdict_over(url, check, &json!({})).await
}

/// The same over a servers transport of this definition.
async fn verdict_over(url: &str, check: &Value, transport: &Value) -> ServerInfo {
    let mut config = document(&[url], check);
    config["services"]["s@file"]["loadBalancer"]["serversTransport"] = json!("t");
    config["serversTransports"] = json!({"t@file": transport});
    let table = compiler().compile(&configuration(&config));
    let mut checks = HealthChecks::new(tokio::runtime::Handle::current());
    checks.follow(&table);
    until(|| servers(&table)[0].standing != Standing::Untested).await;
    servers(&table).remove(0)
}

#[tokio::test]
async fn servers_go_out_and_come_back_by_their_answers() {
    let backend = Backend::new(200, "").await;
    let table = compiler().compile(&configuration(&document(&[&backend.url], &quick())));
    let mut checks = HealthChecks::new(tokio::runtime::Handle::current());
    assert_eq!(servers(&table)[0].standing, Standing::Untested);
    checks.follow(&table);
    until(|| servers(&table)[0].standing == Standing::Ready).await;
    backend.status.store(503, Ordering::Relaxed);
    until(|| servers(&table)[0].status == "DOWN").await;
    let obstacle = servers(&table)[0].obstacle.clone().unwrap();
    assert_eq!(
        obstacle,
        "health check failed: it answered 503 Service Unavailable"
    );
    backend.status.store(204, Ordering::Relaxed);
    until(|| servers(&table)[0].standing == Standing::Ready).await;
}

#[tokio::test]
async fn a_refused_connection_and_a_broken_answer_are_failures_with_their_reason() {
    let refusing = Refusing::new();
    let closed = format!("http://{}", refusing.address());
    let refused = verdict(&closed, &quick()).await.obstacle.unwrap();
    assert!(refused.contains("cannot connect to 127.0.0.1"), "{refused}");
    let silent = Backend::new(0, "").await;
    let cut = verdict(&silent.url, &quick()).await.obstacle.unwrap();
    assert!(cut.contains("no usable answer"), "{cut}");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_out_after_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let found = verdict(&url, &json!({"timeout": "30ms"})).await;
    assert_eq!(
        found.obstacle.unwrap(),
        "health check failed: no answer within 30ms"
    );
}

#[tokio::test]
async fn servers_that_swallow_probes_hold_up_no_other_service() {
    let swallowing = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = swallowing.local_addr().unwrap().port();
    let swallowing: Vec<_> = (1..=200)
        .map(|host| format!("http://127.0.0.{host}:{port}"))
        .collect();
    let good = Backend::new(200, "").await;
    let mut config = document(
        &swallowing.iter().map(String::as_str).collect::<Vec<_>>(),
        &json!({"timeout": "1h"}),
    );
    let other = document(&[&good.url], &quick());
    config["routers"]["t@file"] = json!({"rule": "Host(`b`)", "service": "t"});
    config["services"]["t@file"] = other["services"]["s@file"].clone();
    let table = compiler().compile(&configuration(&config));
    let mut checks = HealthChecks::new(tokio::runtime::Handle::current());
    checks.follow(&table);
    let other = &table.runtime().services[&name_of("t@file")];
    until(|| other.servers()[0].standing == Standing::Ready).await;
}

#[tokio::test]
async fn a_probe_is_the_request_that_its_options_describe() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let check = json!({
        "method": "HEAD", "path": "healthz?deep=1", "port": port, "hostname": "shop.internal", "status": 418,
        "headers": {"x-probe": "1", "host": "not this one"},
    });
    let (found, request) = tokio::join!(verdict("http://127.0.0.1:1/base/", &check), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).await.unwrap();
        let answer = b"HTTP/1.1 418 X\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        String::from_utf8_lossy(&request[..length]).to_lowercase()
    });
    assert_eq!(found.obstacle, None);
    assert!(
        request.starts_with("head /base/healthz?deep=1 http/1.1\r\n"),
        "{request}"
    );
    for line in [
        "host: shop.internal",
        "x-probe: 1",
        "user-agent: mesh-health-check",
    ] {
        assert!(
            request.contains(&format!("\r\n{line}\r\n")),
            "{line} is not in {request}"
        );
    }
    assert_eq!(request.matches("host:").count(), 1);
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_server_only() {
    let same = Backend::new(302, "location: /end\r\n").await;
    assert_eq!(verdict(&same.url, &quick()).await.status, "UP");
    assert_eq!(same.probes(), 2);

    let judged = json!({"followRedirects": false, "status": 302});
    assert_eq!(verdict(&same.url, &judged).await.status, "UP");

    let away = Backend::new(302, "location: http://169.254.169.254/end\r\n").await;
    let found = verdict(&away.url, &quick()).await.obstacle.unwrap();
    assert!(found.contains("not on the same server"), "{found}");

    let circle = Backend::new(302, "location: /again\r\n").await;
    let found = verdict(&circle.url, &quick()).await.obstacle.unwrap();
    assert!(found.contains("redirects more than 5 times"), "{found}");
}

#[tokio::test]
async fn checks_follow_tables_and_do_not_disturb_what_stays() {
    let (stays, comes) = (Backend::new(200, "").await, Backend::new(200, "").await);
    let rare = json!({"interval": "1h"});
    let mut compiler = compiler();
    let before = configuration(&document(&[&stays.url], &rare));
    let first = compiler.compile(&before);
    let mut checks = HealthChecks::new(tokio::runtime::Handle::current());
    checks.follow(&first);
    until(|| stays.probes() == 1 && servers(&first)[0].standing == Standing::Ready).await;

    let both = changed(&before, &document(&[&stays.url, &comes.url], &rare));
    let second = compiler.compile(&both);
    checks.follow(&second);
    until(|| {
        servers(&second)
            .iter()
            .all(|server| server.standing == Standing::Ready)
    })
    .await;
    assert_eq!((stays.probes(), comes.probes()), (1, 1));
    assert_eq!(checks.watches.len(), 2);

    checks.follow(&compiler.compile(&configuration(&json!({}))));
    assert!(checks.watches.is_empty());
}

#[tokio::test]
async fn a_running_proxy_checks_the_servers_of_what_is_published() {
    let backend = Backend::new(200, "").await;
    let settings = ProxySettings {
        entry_points: [("web".to_owned(), EntryPoint::new("127.0.0.1:0".parse().unwrap()))].into(),
        workers: NonZeroUsize::new(1),
    };
    let proxy = Proxy::bind(&settings, Inherited::default()).unwrap();
    let running = proxy
        .start(
            compiler_of(&["web"], "web"),
            &mesh_config::Configuration::default(),
            RequestTelemetry::default(),
        )
        .unwrap();
    running.publish(&configuration(&document(&[&backend.url], &quick())));
    until(|| servers(&running.table())[0].standing == Standing::Ready).await;
    running.publish(&configuration(&json!({})));
    let probes = backend.probes();
    sleep(Duration::from_millis(60)).await;
    assert!(
        backend.probes() <= probes + 1,
        "probes go on after the service is gone"
    );
}

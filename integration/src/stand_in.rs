//! A Nomad that holds one service and never changes, for machines without the real one.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// Answers as the real one does for a healthy allocation. Dropping it closes it.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl StandIn {
    /// A Nomad with the service `name` at `server`.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start(name: &'static str, tags: &'static [&'static str], server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let answer = service_fn(move |request: Request<Incoming>| async move {
                    // What a blocking query waits for never comes.
                    if request
                        .uri()
                        .query()
                        .is_some_and(|query| query.contains("index="))
                    {
                        std::future::pending::<()>().await;
                    }
                    let body = body(request.uri().path(), name, tags, server).to_string();
                    let response = Response::builder()
                        .header("x-nomad-index", "12")
                        .header("content-type", "application/json");
                    Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).expect("a response"))
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Self { address, task }
    }

    /// `http://127.0.0.1:port` of its API.
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn body(path: &str, name: &str, tags: &[&str], server: SocketAddr) -> Value {
    match path {
        "/v1/services" => {
            json!([{"Namespace": "default", "Services": [{"ServiceName": name, "Tags": tags}]}])
        }
        "/v1/allocations" => json!([{
            "ID": "a1", "JobType": "service", "ClientStatus": "running", "DesiredStatus": "run",
            "DeploymentStatus": {"Healthy": true}, "DesiredTransition": {},
        }]),
        _ => json!([{
            "ID": "_nomad-task-a1", "ServiceName": name, "Namespace": "default", "JobID": name, "AllocID": "a1",
            "Tags": tags, "Address": server.ip().to_string(), "Port": server.port(), "CreateIndex": 10,
        }]),
    }
}

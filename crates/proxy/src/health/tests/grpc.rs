//! Probes of servers that speak gRPC, or nothing that Mesh has to understand.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::stream;
use http::{Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt as _, net::TcpListener, task::JoinSet, time::timeout};
use tokio_rustls::TlsAcceptor;

use super::{verdict, verdict_over};

/// A gRPC server; ends when dropped.
struct Grpc {
    authority: String,
    _tasks: JoinSet<()>,
}

/// Serves `shop`, does not serve `cart`, and knows of nothing else.
async fn health(request: Request<Incoming>) -> Response<StreamBody<impl futures::Stream<Item = Answered>>> {
    let (head, body) = request.into_parts();
    let asked = body.collect().await.unwrap().to_bytes();
    let is_call = head.uri.path() == "/grpc.health.v1.Health/Check"
        && head.headers["content-type"] == "application/grpc"
        && head.headers["te"] == "trailers";
    let (message, status): (&[u8], _) = match asked.as_ref() {
        _ if !is_call || head.headers.get("x-health").is_none() => (&[], "12"),
        b"\0\0\0\0\0" | b"\0\0\0\0\x06\x0a\x04shop" => (b"\0\0\0\0\x02\x08\x01", "0"),
        b"\0\0\0\0\x06\x0a\x04cart" => (b"\0\0\0\0\x02\x08\x02", "0"),
        _ => (&[], "5"),
    };
    let trailers = [("grpc-status".parse().unwrap(), status.parse().unwrap())];
    let frames = [
        Ok(Frame::data(Bytes::from_static(message))),
        Ok(Frame::trailers(trailers.into_iter().collect())),
    ];
    Response::new(StreamBody::new(stream::iter(frames)))
}

type Answered = Result<Frame<Bytes>, Infallible>;

impl Grpc {
    async fn new(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut clients = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let tls = tls.clone();
                clients.spawn(async move {
                    let codec = http2::Builder::new(TokioExecutor::new());
                    let service = service_fn(|request| async { Ok::<_, Infallible>(health(request).await) });
                    let _ended = match tls {
                        None => codec.serve_connection(TokioIo::new(stream), service).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => codec.serve_connection(TokioIo::new(stream), service).await,
                            Err(_) => Ok(()),
                        },
                    };
                });
            }
        });
        Self {
            authority,
            _tasks: tasks,
        }
    }

    /// In TLS, with this protocol by ALPN; and its certificate.
    async fn tls(protocol: &str) -> (Self, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["127.0.0.1".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let chain = vec![certificate.der().clone()];
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .unwrap();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let server = Self::new(Some(TlsAcceptor::from(Arc::new(config)))).await;
        (server, certificate.pem())
    }
}

/// A gRPC probe for `service`.
fn check(service: &str) -> Value {
    json!({"mode": "grpc", "service": service, "headers": {"x-health": "1"}, "interval": "1h"})
}

async fn obstacle(url: &str, check: &Value) -> String {
    verdict(url, check).await.obstacle.unwrap_or_default()
}

#[tokio::test]
async fn a_grpc_server_is_up_while_it_serves_what_the_check_names() {
    let server = Grpc::new(None).await;
    // In the clear gRPC is HTTP/2 from the start, whatever the URL says of requests.
    for scheme in ["h2c", "http"] {
        let url = format!("{scheme}://{}", server.authority);
        assert_eq!(obstacle(&url, &check("")).await, "");
        assert_eq!(obstacle(&url, &check("shop")).await, "");
    }
    let url = format!("h2c://{}", server.authority);
    let out = obstacle(&url, &check("cart")).await;
    assert_eq!(out, "health check failed: it says NOT_SERVING");
    let unknown = obstacle(&url, &check("none")).await;
    assert!(
        unknown.contains("grpc-status 5, it does not know healthCheck.service"),
        "{unknown}"
    );
    let without = obstacle(&url, &json!({"mode": "grpc"})).await;
    assert!(
        without.contains("grpc-status 12, it has no grpc.health.v1.Health"),
        "{without}"
    );
}

#[tokio::test]
async fn a_grpc_probe_uses_the_tls_of_the_servers_transport() {
    let (server, certificate) = Grpc::tls("h2").await;
    let url = format!("https://{}", server.authority);
    let found = verdict_over(&url, &check("shop"), &json!({"rootCAs": [certificate]})).await;
    assert_eq!(found.obstacle, None);
    let distrusted = obstacle(&url, &check("shop")).await;
    assert!(distrusted.contains("cannot connect"), "{distrusted}");

    let (server, certificate) = Grpc::tls("http/1.1").await;
    let url = format!("https://{}", server.authority);
    let found = verdict_over(&url, &check(""), &json!({"rootCAs": [certificate]})).await;
    let said = found.obstacle.unwrap();
    assert_eq!(said, "health check failed: it does not speak HTTP/2");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_out_and_its_connection_ends_with_the_probe() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut check = check("");
    check["timeout"] = json!("50ms");
    for check in [check, json!({"timeout": "50ms"})] {
        let silent = obstacle(&format!("h2c://{address}"), &check).await;
        assert_eq!(silent, "health check failed: no answer within 50ms");
        let (mut probe, _) = listener.accept().await.unwrap();
        let mut sent = Vec::new();
        let ended = timeout(Duration::from_secs(10), probe.read_to_end(&mut sent)).await;
        ended.expect("the connection ends").unwrap();
    }
}

#[tokio::test]
async fn a_tcp_probe_wants_a_connection_and_nothing_else() {
    let tcp = json!({"mode": "tcp", "interval": "1h"});
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(obstacle(&format!("http://127.0.0.1:{port}"), &tcp).await, "");
    let mut elsewhere = tcp.clone();
    elsewhere["port"] = json!(port);
    assert_eq!(obstacle("http://127.0.0.1:1", &elsewhere).await, "");
    drop(listener);
    let refused = obstacle(&format!("http://127.0.0.1:{port}"), &tcp).await;
    assert!(refused.contains("cannot connect"), "{refused}");

    let (server, certificate) = Grpc::tls("h2").await;
    let url = format!("https://{}", server.authority);
    let found = verdict_over(&url, &tcp, &json!({"rootCAs": [certificate]})).await;
    assert_eq!(
        found.obstacle, None,
        "the connection is the one that requests would have"
    );
    assert!(obstacle(&url, &tcp).await.contains("TLS"));
}

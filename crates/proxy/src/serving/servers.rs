//! Servers that speak HTTP/2 or TLS.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures::{future::join_all, stream};
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{Client, PATIENCE, ask, eventually, get, start};
use crate::{
    Running,
    fixture::{self, Refusing},
};

/// A server of some kind; ends when dropped.
struct Server {
    url: String,
    connections: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

/// Tells the version, and what came; `grpc-status` follows as a trailer where the client sees it.
async fn answer(request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    let collected = body.collect().await.map(http_body_util::Collected::to_bytes);
    let text = format!(
        "{:?} {} {} {} [{}]",
        head.version,
        head.method,
        head.uri.authority().map_or("-", |authority| authority.as_str()),
        head.uri.path(),
        String::from_utf8_lossy(&collected.unwrap_or_default()),
    );
    if head.version == Version::HTTP_11 {
        return Ok(Response::new(Full::from(text).boxed()));
    }
    let trailers = [("grpc-status".parse().unwrap(), "0".parse().unwrap())];
    let frames = [
        Ok(Frame::data(Bytes::from(text))),
        Ok(Frame::trailers(trailers.into_iter().collect())),
    ];
    Ok(Response::new(StreamBody::new(stream::iter(frames)).boxed()))
}

impl Server {
    /// Speaks HTTP/2 in the clear.
    async fn h2c() -> Self {
        Self::new("h2c", None).await
    }

    async fn new(scheme: &str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut clients = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let tls = tls.clone();
                clients.spawn(async move {
                    let Some(tls) = tls else {
                        let codec = http2::Builder::new(TokioExecutor::new());
                        let _ended = codec
                            .serve_connection(TokioIo::new(stream), service_fn(answer))
                            .await;
                        return;
                    };
                    let Ok(stream) = tls.accept(stream).await else {
                        return;
                    };
                    let shares = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    let io = TokioIo::new(stream);
                    if shares {
                        let codec = http2::Builder::new(TokioExecutor::new());
                        let _ended = codec.serve_connection(io, service_fn(answer)).await;
                    } else {
                        let _ended = http1::Builder::new()
                            .serve_connection(io, service_fn(answer))
                            .await;
                    }
                });
            }
        });
        Self {
            url,
            connections,
            _tasks: tasks,
        }
    }

    /// Speaks `protocols` in TLS as `name`. Gives who vouches for it as well.
    async fn https(name: &str, protocols: &[&str]) -> (Self, String) {
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new([name.to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.der().clone()], private)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let server = Self::new("https", Some(TlsAcceptor::from(Arc::new(config)))).await;
        (server, own.pem())
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A proxy that sends everything to `url`.
fn before(url: &str, transport: &Value) -> Running {
    let running = start(|_| {});
    running.publish(&fixture::configuration(&json!({
        "routers": {"all@file": {"rule": "PathPrefix(`/`)", "service": "all"}},
        "services": {"all@file": {"loadBalancer": {"servers": [{"url": url}], "serversTransport": "t"}}},
        "serversTransports": {"t@file": transport},
    })));
    running
}

#[tokio::test]
async fn requests_share_one_connection_to_a_server_of_http2() {
    let server = Server::h2c().await;
    let running = before(&server.url, &json!({}));
    let request = "POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nTE: trailers\r\nConnection: close, te\r\n\r\nbody";
    let answers = (0..50).map(|_| ask(&running, request));
    for answer in join_all(answers).await {
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("HTTP/2.0 POST a.example /x [body]"), "{answer}");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn the_trailers_of_a_grpc_answer_come_through() {
    let server = Server::h2c().await;
    let running = before(&server.url, &json!({}));
    let stream = tokio::net::TcpStream::connect(running.addresses()["web"])
        .await
        .unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://a.example/grpc")
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .body(Full::<Bytes>::from("message"))
        .unwrap();
    let answer = timeout(PATIENCE, sender.send_request(request))
        .await
        .unwrap()
        .unwrap();
    let collected = answer.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(collected.to_bytes(), "HTTP/2.0 POST a.example /grpc [message]");
}

#[tokio::test]
async fn a_shared_connection_that_ended_is_made_anew_and_nobody_notices() {
    let server = Server::h2c().await;
    let running = before(
        &server.url,
        &json!({"forwardingTimeouts": {"idleConnTimeout": "1ms"}}),
    );
    for _ in 0..3 {
        assert!(ask(&running, get("/")).await.contains("HTTP/2.0 GET"));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let address = server.url.strip_prefix("h2c://").unwrap().parse().unwrap();
    drop(server);
    let mut refusing = None;
    eventually("the server is gone", || {
        refusing = Refusing::at(address).ok();
        refusing.is_some()
    })
    .await;
    let gone = ask(&running, get("/")).await;
    assert!(gone.starts_with("HTTP/1.1 502"), "{gone}");
    let listener = refusing.unwrap().listen();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let codec = http2::Builder::new(TokioExecutor::new());
        codec
            .serve_connection(TokioIo::new(stream), service_fn(answer))
            .await
    });
    assert!(ask(&running, get("/")).await.contains("HTTP/2.0 GET"));
}

#[tokio::test]
async fn an_upload_is_given_up_when_its_server_of_http2_has_answered_and_reads_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("h2c://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let kept = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let service = service_fn(move |request: Request<Incoming>| {
            // Dropped, it would tell that nobody takes the rest.
            kept.lock().push(request.into_body());
            async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("early")))) }
        });
        let codec = http2::Builder::new(TokioExecutor::new());
        codec.serve_connection(TokioIo::new(stream), service).await
    });
    let timeouts = json!({"forwardingTimeouts": {"earlyAnswerTimeout": "100ms"}});
    let running = before(&url, &timeouts);
    let (mut answers, mut upload) = Client::connect(&running).await.0.into_split();
    let sending = tokio::spawn(async move {
        let head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n";
        upload.write_all(head).await.unwrap();
        while upload.write_all(&[b'x'; 65536]).await.is_ok() {}
    });
    let mut text = Vec::new();
    let told = timeout(PATIENCE, answers.read_to_end(&mut text)).await;
    told.expect("the upload has no end").unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.ends_with("early"), "{text}");
    sending.abort();
    server.abort();
}

#[tokio::test]
async fn a_server_that_ends_its_connections_loses_no_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("h2c://{}", listener.local_addr().unwrap());
    let _server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let codec = http2::Builder::new(TokioExecutor::new());
                let seen = Arc::new(AtomicUsize::new(0));
                let counted = seen.clone();
                let service = service_fn(move |request| {
                    counted.fetch_add(1, Ordering::SeqCst);
                    answer(request)
                });
                let mut connection = Box::pin(codec.serve_connection(TokioIo::new(stream), service));
                let mut told = false;
                std::future::poll_fn(|cx| {
                    if seen.load(Ordering::SeqCst) >= 7 && !told {
                        told = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    connection.as_mut().poll(cx).map(|_| ())
                })
                .await;
            });
        }
    });
    let running = before(&url, &json!({}));
    for _ in 0..10 {
        for answer in join_all((0..20).map(|_| ask(&running, get("/")))).await {
            assert!(answer.contains("HTTP/2.0 GET"), "{answer}");
        }
    }
}

#[tokio::test]
async fn https_servers_speak_what_both_like_best() {
    for (protocols, transport, version) in [
        (&["h2", "http/1.1"][..], json!({}), "HTTP/2.0"),
        (&["http/1.1"], json!({}), "HTTP/1.1"),
        (&["h2", "http/1.1"], json!({"disableHTTP2": true}), "HTTP/1.1"),
        (&[], json!({}), "HTTP/1.1"),
    ] {
        let (server, authority) = Server::https("127.0.0.1", protocols).await;
        let mut transport = transport;
        transport["rootCAs"] = json!([authority]);
        let running = before(&server.url, &transport);
        for _ in 0..3 {
            let answer = ask(&running, get("/x")).await;
            assert!(
                answer.contains(version) && answer.contains("/x"),
                "{protocols:?} {answer}"
            );
        }
        assert_eq!(server.connections(), 1, "{protocols:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_prove_its_name_gets_no_request() {
    let (server, authority) = Server::https("other.example", &[]).await;
    let trusted = json!([authority]);
    for (transport, status) in [
        (json!({}), 502),
        (json!({"rootCAs": trusted}), 502),
        (json!({"rootCAs": trusted, "serverName": "other.example"}), 200),
        (json!({"insecureSkipVerify": true}), 200),
        (
            json!({"rootCAs": trusted, "peerCertSANs": [{"type": "DNSName", "value": "other.example"}]}),
            200,
        ),
        (
            json!({"rootCAs": trusted, "peerCertSANs": [{"type": "URI", "value": "spiffe://a/b"}]}),
            502,
        ),
        (
            json!({"insecureSkipVerify": true, "peerCertURI": "spiffe://a/b"}),
            502,
        ),
        (json!({"rootCAs": ["/nowhere.pem"]}), 503),
        (
            json!({"rootCAs": trusted, "cipherSuites": ["TLS_RSA_WITH_RC4_128_SHA"]}),
            503,
        ),
        (json!({"rootCAs": trusted, "maxVersion": "VersionTLS11"}), 503),
        (
            json!({"rootCAs": trusted, "serverName": "other.example", "maxVersion": "VersionTLS12",
                "cipherSuites": ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]}),
            200,
        ),
    ] {
        let running = before(&server.url, &transport);
        let answer = ask(&running, get("/")).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{transport}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_transport_that_breaks_leaves_its_service_as_it_was() {
    let (server, authority) = Server::https("127.0.0.1", &[]).await;
    let running = before(&server.url, &json!({"rootCAs": [authority]}));
    assert!(ask(&running, get("/")).await.starts_with("HTTP/1.1 200"));
    running.publish(&fixture::configuration(&json!({
        "routers": {"all@file": {"rule": "PathPrefix(`/`)", "service": "all"}},
        "services": {"all@file": {"loadBalancer": {"servers": [{"url": server.url}], "serversTransport": "t"}}},
        "serversTransports": {"t@file": {"rootCAs": ["/nowhere.pem"]}},
    })));
    assert!(ask(&running, get("/")).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn websockets_go_over_http1() {
    let server = super::Scripted::new(|_, _| {
        super::scripted::Act::Echo(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
                .to_owned(),
        )
    })
    .await;
    let running = before(&format!("h2c://{}", server.address), &json!({}));
    let mut client = Client::connect(&running).await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    client.read_until("\r\n\r\n").await;
    client.send("ping").await;
    assert_eq!(client.read_until("ping").await, "ping");
}

#[tokio::test]
async fn health_checks_speak_as_the_server_does() {
    let (secure, authority) = Server::https("127.0.0.1", &["h2", "http/1.1"]).await;
    let shared = Server::h2c().await;
    for url in [&secure.url, &shared.url] {
        let running = start(|_| {});
        running.publish(&fixture::configuration(&json!({
            "routers": {"all@file": {"rule": "PathPrefix(`/`)", "service": "all"}},
            "services": {"all@file": {"loadBalancer": {
                "servers": [{"url": url}], "serversTransport": "t", "healthCheck": {"path": "/", "interval": "1s"},
            }}},
            "serversTransports": {"t@file": {"rootCAs": [authority]}},
        })));
        let name = fixture::name_of("all@file");
        let is_up = || {
            let service = running.table().runtime().services[&name].service.clone().unwrap();
            service.servers()[0].standing == crate::Standing::Ready
        };
        eventually(&format!("{url} is ready"), is_up).await;
    }
}

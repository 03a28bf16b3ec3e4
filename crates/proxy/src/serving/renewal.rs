//! Files of a servers transport that change while it serves.

use std::{convert::Infallible, fs, path::Path, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use mesh_config::Configuration;
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use super::{ask, get, start};
use crate::fixture;

/// A certificate that vouches for itself, and its key.
struct Own {
    der: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Own {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new([name.to_owned()]).unwrap();
        let made = made.self_signed(&key).unwrap();
        Self {
            der: made.der().clone(),
            pem: made.pem(),
            key,
        }
    }

    fn write(&self, directory: &Path) {
        put(directory, "own.pem", &self.pem);
        put(directory, "own.key", &self.key.serialize_pem());
    }
}

/// Writes a file as careful programs do: aside, then by rename.
fn put(directory: &Path, name: &str, text: &str) {
    let aside = directory.join("aside");
    fs::write(&aside, text).unwrap();
    fs::rename(&aside, directory.join(name)).unwrap();
}

/// A server that believes `clients` and tells which of them asks, and over which connection. Gives its URL.
async fn server(own: &Own, clients: &[&Own], tasks: &mut JoinSet<()>) -> String {
    let mut roots = RootCertStore::empty();
    clients
        .iter()
        .for_each(|client| roots.add(client.der.clone()).unwrap());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![own.der.clone()],
            PrivateKeyDer::try_from(own.key.serialize_der()).unwrap(),
        )
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let known: Vec<_> = clients.iter().map(|client| client.der.clone()).collect();
    tasks.spawn(async move {
        let mut serving = JoinSet::new();
        let mut connections = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = tls.accept(stream).await else {
                continue;
            };
            let shown = &stream.get_ref().1.peer_certificates().unwrap()[0];
            let client = known.iter().position(|der| der == shown).unwrap();
            let text = format!("client {client}, connection {connections}.");
            connections += 1;
            serving.spawn(async move {
                let answer = service_fn(move |_: Request<Incoming>| {
                    let answer = Response::new(Full::<Bytes>::from(text.clone()));
                    async move { Ok::<_, Infallible>(answer) }
                });
                let _ended = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            });
        }
    });
    url
}

fn over(url: &str, directory: &Path) -> Configuration {
    fixture::configuration(&json!({
        "routers": {"all@file": {"rule": "PathPrefix(`/`)", "service": "all"}},
        "services": {"all@file": {"loadBalancer": {"servers": [{"url": url}], "serversTransport": "t"}}},
        "serversTransports": {"t@file": {
            "rootCAs": [directory.join("roots.pem")],
            "certificates": [{"certFile": directory.join("own.pem"), "keyFile": directory.join("own.key")}],
        }},
    }))
}

#[tokio::test]
async fn a_client_certificate_that_changes_is_shown_over_new_connections_only() {
    let directory = tempfile::tempdir().unwrap();
    let (own, first, second) = (Own::new("127.0.0.1"), Own::new("mesh"), Own::new("mesh"));
    let mut tasks = JoinSet::new();
    let url = server(&own, &[&first, &second], &mut tasks).await;
    put(directory.path(), "roots.pem", &own.pem);
    first.write(directory.path());
    let running = start(|_| {});
    let configuration = over(&url, directory.path());
    running.publish(&configuration);
    let refreshed = || {
        let changed = running.publishing().refresh();
        if changed {
            running.publish(&configuration);
        }
        changed
    };
    let asked = async |expected: &str| {
        let answer = ask(&running, get("/")).await;
        assert!(answer.ends_with(expected), "{answer}");
    };
    asked("client 0, connection 0.").await;
    first.write(directory.path());
    assert!(!refreshed(), "the same again");
    asked("client 0, connection 0.").await;

    put(directory.path(), "own.pem", "rubbish");
    assert!(refreshed());
    let table = running.table();
    let problems = &table.runtime().problems;
    assert!(problems[0].to_string().contains("own.pem"), "{problems:?}");
    asked("client 0, connection 0.").await;

    second.write(directory.path());
    assert!(refreshed());
    assert!(running.table().runtime().problems.is_empty());
    asked("client 1, connection 1.").await;
    asked("client 1, connection 1.").await;
}

#[tokio::test]
async fn who_is_believed_changes_with_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let (own, other, client) = (Own::new("127.0.0.1"), Own::new("127.0.0.1"), Own::new("mesh"));
    let mut tasks = JoinSet::new();
    let url = server(&own, &[&client], &mut tasks).await;
    client.write(directory.path());
    let running = start(|_| {});
    let configuration = over(&url, directory.path());
    running.publish(&configuration);
    assert!(
        ask(&running, get("/")).await.starts_with("HTTP/1.1 503"),
        "there is no file"
    );
    for (believed, status) in [(&own, 200), (&other, 502), (&own, 200)] {
        put(directory.path(), "roots.pem", &believed.pem);
        assert!(running.publishing().refresh());
        running.publish(&configuration);
        let answer = ask(&running, get("/")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
}

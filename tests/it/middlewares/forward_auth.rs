//! `forwardAuth`.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::{Value, json};

use super::{Behind, Noted, Noting, answer, ok};
use crate::mesh::{Place, eventually};

/// A `forwardAuth` that asks `auth`, with further options.
fn asking(auth: &Noting, more: &Value) -> Value {
    let mut options = json!({"address": format!("http://{}/verify?x=1", auth.address)});
    options
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({ "forwardAuth": options })
}

/// Lets those pass who have the cookie.
fn gatekeeper() -> Noting {
    Noting::new(|noted: &Noted| match noted.header("cookie") {
        Some("ok") => answer(
            "200 OK",
            "X-User: ann\r\nX-Auth-Role: a\r\nSet-Cookie: session=new\r\nSet-Cookie: other=1\r\n",
            "ignored",
        ),
        _ => answer(
            "302 Found",
            "Location: /login\r\nWWW-Authenticate: Bearer\r\nKeep-Alive: 5\r\n",
            "go and log in",
        ),
    })
}

#[test]
fn who_is_let_in_brings_what_the_gatekeeper_said_and_nothing_forged() {
    let auth = gatekeeper();
    let options = json!({"authResponseHeaders": ["X-User"], "authResponseHeadersRegex": "^X-Auth-",
        "addAuthCookiesToResponse": ["session"], "headerField": "X-User"});
    let behind = Behind::before(&[("auth", asking(&auth, &options))], |_| {
        answer(
            "200 OK",
            "Set-Cookie: session=old\r\nSet-Cookie: cart=2\r\n",
            "hello",
        )
    });
    let request = "POST /a?b=c HTTP/1.1\r\nHost: a.test\r\nCookie: ok\r\nX-User: root\r\nX-Auth-Role: admin\r\n\
        X-Auth-Group: admin\r\nX-Forwarded-Uri: /free\r\nX-Forwarded-For: 6.6.6.6\r\nContent-Length: 4\r\n\
        Connection: close, X-User\r\n\r\nbody";
    let admitted = behind.send(request);
    assert_eq!((admitted.status, admitted.text().as_str()), (200, "hello"));
    assert_eq!(admitted.all("set-cookie"), ["cart=2", "session=new"]);
    let noted = behind.server.last();
    assert_eq!(
        (noted.all("x-user"), noted.all("x-auth-role")),
        (vec!["ann"], vec!["a"])
    );
    assert!(noted.all("x-auth-group").is_empty());
    assert_eq!(noted.body, b"body");
    let asked = auth.last();
    assert_eq!(asked.line, "GET /verify?x=1 HTTP/1.1");
    assert_eq!(asked.header("host").unwrap(), auth.address.to_string());
    let told =
        ["method", "proto", "host", "uri", "for"].map(|name| asked.all(&format!("x-forwarded-{name}")));
    assert_eq!(told, [["POST"], ["http"], ["a.test"], ["/a?b=c"], ["127.0.0.1"]]);
    assert!(
        asked.body.is_empty() && asked.all("content-length").is_empty() && asked.all("user-agent").is_empty()
    );
}

#[test]
fn who_is_not_let_in_gets_the_answer_of_the_gatekeeper() {
    let auth = gatekeeper();
    let behind = Behind::of(&[("auth", asking(&auth, &json!({})))]);
    let refused = behind.ask("GET / HTTP/1.1");
    assert_eq!((refused.status, refused.text().as_str()), (302, "go and log in"));
    assert_eq!(
        refused.header("location").unwrap(),
        format!("http://{}/login", auth.address)
    );
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    assert_eq!(refused.header("keep-alive"), None);
    assert!(behind.server.noted().is_empty(), "redirects are the client's");
    assert_eq!(auth.noted().len(), 1);
}

#[test]
fn a_body_is_passed_on_within_a_bound_and_reaches_the_server_as_well() {
    let auth = Noting::new(|_| ok(""));
    let options = json!({"forwardBody": true, "maxBodySize": 8, "preserveRequestMethod": true});
    let behind = Behind::of(&[("auth", asking(&auth, &options))]);
    let post = |body: &str| {
        behind.send(format!(
            "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    };
    assert_eq!(post("12345678").status, 200);
    assert_eq!(
        (auth.last().body, behind.server.last().body),
        (b"12345678".to_vec(), b"12345678".to_vec())
    );
    assert!(auth.last().line.starts_with("POST "));
    let chunked = behind.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    assert_eq!(
        (chunked.status, auth.last().body, behind.server.last().body),
        (200, b"abc".to_vec(), b"abc".to_vec())
    );
    assert_eq!(post("123456789").status, 401);
    assert_eq!((auth.noted().len(), behind.server.noted().len()), (2, 2));
}

#[test]
fn nobody_passes_while_the_gatekeeper_says_nothing_or_too_much() {
    let auth = Noting::new(|noted: &Noted| match noted.header("x-case").unwrap() {
        "silent" => String::new(),
        "long" => ok(&"x".repeat(100)),
        _ => "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\ncut".to_owned(),
    });
    let behind = Behind::of(&[("auth", asking(&auth, &json!({"maxResponseBodySize": 99})))]);
    let ask = |case: &str| behind.ask(&format!("GET / HTTP/1.1\r\nX-Case: {case}")).status;
    assert_eq!([ask("silent"), ask("long"), ask("cut")], [500, 401, 500]);
    assert!(behind.server.noted().is_empty());
    let log = behind.mesh.log().join("\n");
    assert!(log.contains("forwardAuth gets no answer"), "{log}");
}

#[test]
fn an_address_that_cannot_be_asked_closes_the_router() {
    for address in ["", "auth", "http://u:hunter2@a/"] {
        let broken = Behind::of(&[("auth", json!({"forwardAuth": {"address": address}}))]);
        assert_eq!(broken.ask("GET / HTTP/1.1").status, 503);
        let state = broken.state("auth").to_string();
        assert!(state.contains("address") && !state.contains("hunter2"), "{state}");
    }
}

/// Answers every request over TLS with 200, and its certificate.
fn secure() -> (SocketAddr, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        );
    let (config, listener) = (
        Arc::new(config.unwrap()),
        TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(config.clone()).unwrap();
            thread::spawn(move || {
                let mut stream = StreamOwned::new(connection, stream);
                let mut bytes = [0; 4096];
                let _read = stream.read(&mut bytes);
                let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
                let _written = stream.write_all(answer);
                stream.conn.send_close_notify();
                let _flushed = stream.flush();
            });
        }
    });
    (address, certificate.pem())
}

#[test]
fn whom_to_believe_is_read_again_when_its_file_changes() {
    let (address, certificate) = secure();
    let (_, other) = secure();
    let place = Place::new();
    let ca = place.write("ca.pem", &other);
    let auth = json!({"forwardAuth": {"address": format!("https://{address}/"), "tls": {"ca": ca}}});
    let behind = Behind::of(&[("auth", auth)]);
    assert_eq!(behind.ask("GET / HTTP/1.1").status, 500);
    place.write("ca.pem", &certificate);
    eventually("belief", || {
        (behind.ask("GET / HTTP/1.1").status == 200).then_some(())
    });
}

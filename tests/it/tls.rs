//! TLS with clients.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind, SignatureScheme,
    StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::{
    http,
    mesh::{Mesh, Place, eventually, flags, routes, words},
    server::Server,
};

/// A certificate as files have it.
struct Pair {
    der: Vec<u8>,
    certificate: String,
    key: String,
}

fn pair(names: &[&str]) -> Pair {
    signed(names, &KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap())
}

fn signed(names: &[&str], key: &KeyPair) -> Pair {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap().self_signed(key).unwrap();
    Pair {
        der: certificate.der().to_vec(),
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

impl Pair {
    fn write(&self, place: &Place, name: &str) {
        place.write(&format!("{name}.pem"), &self.certificate);
        place.write(&format!("{name}.key"), &self.key);
    }
}

/// Believes everybody: tests look at the certificate themselves.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

pub(crate) fn client(protocols: &[&str]) -> Arc<ClientConfig> {
    client_of(protocols, rustls::DEFAULT_VERSIONS)
}

/// The same with these versions of TLS.
pub(crate) fn client_of(
    protocols: &[&str],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A connection to `address` as if it were `name`; an address for a client that names nobody.
pub(crate) fn connect(address: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> Stream {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    tcp.set_nodelay(true).unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(config.clone(), name).unwrap(), tcp);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream
}

/// The certificate that clients of `name` are shown.
fn shown(mesh: &Mesh, name: &str) -> Vec<u8> {
    let stream = connect(mesh.address("web"), name, &client(&[]));
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

/// Asks over an open connection.
fn get(stream: &mut Stream, host: &str) -> String {
    write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let (mut text, mut part) = (String::new(), [0; 1024]);
    loop {
        let length = stream.read(&mut part).unwrap();
        text.push_str(std::str::from_utf8(&part[..length]).unwrap());
        let body = text.split_once("\r\n\r\n");
        let length = text
            .to_lowercase()
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next().unwrap().parse::<usize>().ok());
        if let (Some((_, body)), Some(length)) = (body, length)
            && body.len() >= length
        {
            return text;
        }
    }
}

/// Certificates by the names of their files, and a router over TLS for each `<name>.test`.
fn document(certificates: &[&str], more: &str, server: &Server) -> String {
    let mut text = String::from("tls:\n  certificates:\n");
    for name in certificates {
        text.push_str(&format!("  - {{certFile: {name}.pem, keyFile: {name}.key}}\n"));
    }
    text + more
        + "http:\n  routers:\n    secure: {rule: 'HostRegexp(`.+`)', service: s, tls: {}}\n    \
           plain: {rule: 'Host(`plain.test`)', service: s}\n  services:\n    s: {loadBalancer: {servers: [{url: \""
        + &server.url()
        + "\"}]}}\n"
}

fn start(place: &Place, file: &Path, more: &[&str]) -> Mesh {
    let flags = flags(file);
    place.start(&[&words(&flags)[..], more].concat())
}

#[test]
fn a_client_is_shown_the_certificate_for_the_name_it_asks_for() {
    let (place, server) = (Place::new(), Server::named("a"));
    let (exact, wild, default, address) = (
        pair(&["a.test"]),
        pair(&["*.test"]),
        pair(&["d"]),
        pair(&["127.0.0.1"]),
    );
    let elliptic = exact.der.clone();
    for (name, pair) in [
        ("exact", &exact),
        ("wild", &wild),
        ("default", &default),
        ("address", &address),
    ] {
        pair.write(&place, name);
    }
    let names = ["wild", "exact", "address"];
    let more = "  stores: {default: {defaultCertificate: {certFile: default.pem, keyFile: default.key}}}\n";
    let file = place.write("routes.yml", &document(&names, more, &server));
    let mesh = start(&place, &file, &[]);
    assert_eq!(shown(&mesh, "a.test"), elliptic);
    assert_eq!(shown(&mesh, "A.TEST"), exact.der);
    assert_eq!(shown(&mesh, "b.test"), wild.der);
    assert_eq!(shown(&mesh, "b.c.test"), default.der, "a wildcard is one label");
    assert_eq!(shown(&mesh, "else.where"), default.der);
    assert_eq!(
        shown(&mesh, "127.0.0.1"),
        address.der,
        "who asks for no name may mean the address"
    );
    place.write("routes.yml", &document(&names, "", &server));
    eventually("a certificate of its own", || {
        (shown(&mesh, "else.where") != default.der).then_some(())
    });
}

#[test]
fn of_two_certificates_for_a_name_clients_get_the_one_they_understand() {
    let (place, server) = (Place::new(), Server::named("a"));
    let Ok(key) = KeyPair::generate_for(&PKCS_RSA_SHA256) else {
        return;
    };
    let (rsa, elliptic) = (signed(&["a.test"], &key), pair(&["a.test"]));
    rsa.write(&place, "rsa");
    elliptic.write(&place, "elliptic");
    let file = place.write("routes.yml", &document(&["rsa", "elliptic"], "", &server));
    let mesh = start(&place, &file, &[]);
    assert_eq!(shown(&mesh, "a.test"), elliptic.der);
}

#[test]
fn requests_over_tls_and_in_the_clear_share_a_port_and_no_routers() {
    let (place, server) = (Place::new(), Server::named("a"));
    pair(&["a.test"]).write(&place, "a");
    let file = place.write("routes.yml", &document(&["a"], "", &server));
    let mesh = start(&place, &file, &[]);
    let mut stream = connect(mesh.address("web"), "a.test", &client(&["http/1.1"]));
    for _ in 0..2 {
        assert!(get(&mut stream, "a.test").ends_with("\r\n\r\na"));
    }
    assert_eq!(http::get(mesh.address("web"), "a.test", "/").status, 404);
    assert_eq!(http::get(mesh.address("web"), "plain.test", "/").body, "a");
    let both = connect(mesh.address("web"), "a.test", &client(&["h2", "http/1.1"]));
    assert_eq!(both.conn.alpn_protocol(), Some(&b"h2"[..]));
}

#[test]
fn the_end_of_a_connection_is_told_to_clients_who_could_not_know_it_else() {
    let (place, server) = (Place::new(), Server::named("one"));
    pair(&["a.test"]).write(&place, "exact");
    let file = place.write("routes.yml", &document(&["exact"], "", &server));
    let mesh = start(&place, &file, &[]);
    for head in [
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n",
    ] {
        let mut stream = connect(mesh.address("web"), "a.test", &client(&[]));
        stream.write_all(head.as_bytes()).unwrap();
        let mut text = String::new();
        // Without a close_notify this is an error: the end could be anybody's doing.
        stream.read_to_string(&mut text).unwrap();
        assert!(text.contains(" 200 OK"), "{text}");
    }
}

/// Where a server gives this answer, and ends the connection, to whoever connects.
fn answering(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut line = String::new();
            while stream.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            stream.get_mut().write_all(&answer).unwrap();
        }
    });
    url
}

#[test]
fn the_end_is_told_behind_a_whole_answer_of_any_length_and_not_behind_half_of_one() {
    let whole = |length: usize| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        [head.into_bytes(), vec![b'x'; length]].concat()
    };
    let mut half = whole(1000);
    half.truncate(500);
    for (answer, length) in [
        (whole(0), Some(0)),
        (whole(3_000_000), Some(3_000_000)),
        (half, None),
    ] {
        let (place, server) = (Place::new(), Server::named("one"));
        pair(&["a.test"]).write(&place, "exact");
        let text = document(&["exact"], "", &server).replace(&server.url(), &answering(answer));
        let mesh = start(&place, &place.write("routes.yml", &text), &[]);
        let mut stream = connect(mesh.address("web"), "a.test", &client(&[]));
        let head = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
        stream.write_all(head).unwrap();
        let mut text = String::new();
        let read = stream.read_to_string(&mut text);
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
        assert_eq!(read.ok().and(body), length);
    }
}

#[test]
fn an_entrypoint_with_tls_gives_it_to_its_routers() {
    let (place, server) = (Place::new(), Server::named("a"));
    let file = place.write(
        "routes.yml",
        &document(&[], "", &server).replace("tls:\n  certificates:\n", ""),
    );
    let mesh = start(&place, &file, &["--entryPoints.web.http.tls=true"]);
    let mut stream = connect(mesh.address("web"), "plain.test", &client(&[]));
    assert!(get(&mut stream, "plain.test").ends_with("\r\n\r\na"));
    assert_eq!(http::get(mesh.address("web"), "plain.test", "/").status, 404);
}

#[test]
fn a_certificate_that_is_replaced_is_shown_from_then_on_and_open_connections_stay() {
    let (place, server) = (Place::new(), Server::named("a"));
    let (first, second) = (pair(&["a.test"]), pair(&["a.test"]));
    first.write(&place, "a");
    let file = place.write("routes.yml", &document(&["a"], "", &server));
    let mesh = start(&place, &file, &[]);
    let mut open = connect(mesh.address("web"), "a.test", &client(&[]));
    assert!(get(&mut open, "a.test").ends_with('a'));
    second.write(&place, "a");
    eventually("the new certificate", || {
        (shown(&mesh, "a.test") == second.der).then_some(())
    });
    assert!(get(&mut open, "a.test").ends_with('a'));
}

#[test]
fn a_certificate_that_cannot_be_used_leaves_its_last_version_and_the_others_alone() {
    let (place, server) = (Place::new(), Server::named("a"));
    let (a, b, other) = (pair(&["a.test"]), pair(&["b.test"]), pair(&["a.test"]));
    a.write(&place, "a");
    b.write(&place, "b");
    let text = document(&["missing", "a", "b"], "", &server);
    let file = place.write("routes.yml", &text);
    let mesh = start(&place, &file, &[]);
    assert_eq!(
        (shown(&mesh, "a.test"), shown(&mesh, "b.test")),
        (a.der.clone(), b.der.clone())
    );
    let told = |what: &str| {
        let lines = mesh.log().into_iter();
        let told: Vec<_> = lines
            .filter(|line| line.contains("certificate cannot be used"))
            .collect();
        told.into_iter().find(|line| line.contains(what))
    };
    let missing = told("missing.pem").unwrap();
    assert!(missing.contains("routes.yml:3"), "{missing}");
    // One half of a new pair.
    place.write("a.key", &other.key);
    eventually("the complaint", || told("a.key"));
    assert_eq!((shown(&mesh, "a.test"), shown(&mesh, "b.test")), (a.der, b.der));
    assert!(!mesh.log().join("\n").contains("PRIVATE KEY"));
    let check = place.run(&["check", "routes.yml"]);
    assert_eq!(check.code(), 1);
    assert!(
        check
            .stderr()
            .contains("routes.yml:3: tls.certificates: cannot read missing.pem"),
        "{}",
        check.stderr()
    );
}

#[test]
fn sessions_are_resumed_whichever_worker_takes_the_connection() {
    let (place, server) = (Place::new(), Server::named("a"));
    let file = place.write(
        "routes.yml",
        &document(&[], "", &server).replace("tls:\n  certificates:\n", ""),
    );
    let mesh = start(&place, &file, &["--workers=2"]);
    let config = client(&[]);
    let mut kinds = Vec::new();
    for _ in 0..6 {
        let mut stream = connect(mesh.address("web"), "a.test", &config);
        get(&mut stream, "a.test");
        kinds.push(stream.conn.handshake_kind().unwrap());
    }
    assert!(
        kinds[1..].iter().all(|kind| *kind == HandshakeKind::Resumed),
        "{kinds:?}"
    );
}

#[test]
fn a_hello_may_come_in_pieces_but_not_for_ever() {
    let (place, server) = (Place::new(), Server::named("a"));
    let a = pair(&["a.test"]);
    a.write(&place, "a");
    let file = place.write("routes.yml", &document(&["a"], "", &server));
    let limit = "--entryPoints.web.transport.respondingTimeouts.tlsHandshakeTimeout=1s";
    let mesh = start(&place, &file, &[limit]);
    let name = ServerName::try_from("a.test").unwrap();
    let mut connection = ClientConnection::new(client(&[]), name).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    let mut tcp = TcpStream::connect(mesh.address("web")).unwrap();
    tcp.set_nodelay(true).unwrap();
    for part in hello.chunks(64) {
        tcp.write_all(part).unwrap();
    }
    while connection.is_handshaking() {
        connection.complete_io(&mut tcp).unwrap();
    }
    assert_eq!(connection.peer_certificates().unwrap()[0].to_vec(), a.der);
    for (beginning, is_answered) in [(&hello[..hello.len() / 2], false), (&hello[..], true)] {
        let mut half = TcpStream::connect(mesh.address("web")).unwrap();
        half.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        half.write_all(beginning).unwrap();
        let mut rest = Vec::new();
        half.read_to_end(&mut rest).unwrap();
        assert_eq!(!rest.is_empty(), is_answered, "{rest:?}");
    }
}

#[test]
fn files_of_a_servers_transport_are_read_again_and_a_broken_one_is_told() {
    let (place, server) = (Place::new(), Server::named("a"));
    pair(&["a.test"]).write(&place, "roots");
    let text = routes(&[("one", &format!("https://{}", server.address))])
        .replace("servers:", "serversTransport: t, servers:")
        + "  serversTransports: {t: {rootCAs: [roots.pem]}}\n";
    let file = place.write("routes.yml", &text);
    let mesh = start(&place, &file, &[]);
    let problems = || {
        mesh.ask("/api/overview").json()["problems"]
            .as_array()
            .unwrap()
            .clone()
    };
    assert_eq!(problems(), [""; 0]);
    place.write("roots.pem", "rubbish");
    let told = eventually("the complaint", || problems().pop());
    assert!(told.as_str().unwrap().contains("roots.pem"), "{told}");
    assert_eq!(mesh.get("one.test", "/").status, 502, "the service is there");
    pair(&["a.test"]).write(&place, "roots");
    eventually("the end of it", || problems().is_empty().then_some(()));
    let used = mesh.log().into_iter().any(|line| line.contains("are in use"));
    assert!(used, "{:?}", mesh.log());
}

#[test]
fn certificates_and_what_is_wrong_with_them_are_in_the_api_and_in_metrics() {
    let (place, server) = (Place::new(), Server::named("a"));
    pair(&["a.test", "127.0.0.1"]).write(&place, "a");
    let text = document(&["missing", "a"], "", &server).replacen(
        "  certificates:\n",
        "  certificates:\n  - {certFile: a}\n",
        1,
    );
    let file = place.write("routes.yml", &text);
    let mesh = start(&place, &file, &[]);
    let list = mesh.ask("/api/certificates").json();
    assert_eq!(list[0]["sans"], serde_json::json!(["a.test", "127.0.0.1"]));
    assert_eq!(list[0]["status"], "enabled");
    let errors: Vec<_> = (1..3)
        .map(|index| list[index]["error"][0].as_str().unwrap().to_owned())
        .collect();
    assert!(errors.iter().any(|error| error.contains("missing.pem")), "{list}");
    assert!(errors.iter().any(|error| error.contains("keyFile")), "{list}");
    let overview = mesh.ask("/api/overview").json();
    assert_eq!(
        overview["certificates"],
        serde_json::json!({"total": 3, "warnings": 0, "errors": 2})
    );
    assert!(
        overview["problems"].to_string().contains("missing.pem"),
        "{overview}"
    );
    let metrics = mesh.ask("/metrics").body;
    assert!(metrics.contains(",sans=\"a.test,127.0.0.1\"} "), "{metrics}");
    assert!(!(list.to_string() + &overview.to_string()).contains("PRIVATE KEY"));
}

/// Clients that begin a handshake at one moment.
const CROWD: usize = 1000;

#[test]
fn handshakes_that_come_all_at_once_do_not_hold_up_a_request_on_an_open_connection() {
    let (place, server) = (Place::new(), Server::named("a"));
    pair(&["a.test"]).write(&place, "a");
    let file = place.write("routes.yml", &document(&["a"], "", &server));
    let mesh = start(&place, &file, &["--workers=1"]);
    let name = ServerName::try_from("a.test").unwrap();
    let mut hello = Vec::new();
    let mut connection = ClientConnection::new(client(&[]), name).unwrap();
    connection.write_tls(&mut hello).unwrap();
    let mut open = TcpStream::connect(mesh.address("web")).unwrap();
    let mut ask = || {
        open.write_all(b"GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n")
            .unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"not found\n") {
            let mut part = [0; 1024];
            let length = open.read(&mut part).unwrap();
            assert!(length > 0, "closed");
            answer.extend_from_slice(&part[..length]);
        }
    };
    ask();
    let address = mesh.address("web");
    let mut crowd: Vec<_> = (0..CROWD).map(|_| TcpStream::connect(address).unwrap()).collect();
    crowd
        .iter_mut()
        .for_each(|stream| stream.write_all(&hello).unwrap());
    ask();
    let is_answered = |stream: &&TcpStream| {
        stream.set_nonblocking(true).unwrap();
        let seen = stream.peek(&mut [0]).is_ok();
        stream.set_nonblocking(false).unwrap();
        seen
    };
    let before = crowd.iter().filter(is_answered).count();
    assert!(before < CROWD / 2, "{before} handshakes came first");
    for mut stream in crowd {
        assert!(stream.read(&mut [0]).unwrap() > 0, "each gets its turn");
    }
}

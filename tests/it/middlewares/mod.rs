//! Each middleware as its user meets it: a document, raw requests, and a server that notes what reaches it.

mod add_prefix;
mod api_key;
mod basic_auth;
mod buffering;
mod cache;
mod circuit_breaker;
mod compress;
mod content_type;
mod digest_auth;
mod encoded_characters;
mod errors;
mod forward_auth;
mod forward_auth_cache;
mod gateway;
mod grpc_web;
mod headers;
mod in_flight_req;
mod ip_lists;
mod issuer;
mod jwt;
mod oidc;
mod pass_tls_client_cert;
mod purge;
mod quota;
mod rate_limit;
mod redirect_regex;
mod redirect_scheme;
mod replace_path;
mod replace_path_regex;
mod request_limits;
mod retry;
mod strip_prefix;
mod strip_prefix_regex;

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::mesh::{Mesh, Place, flags, words};

/// Mesh with one router for all requests, in front of one server.
pub(crate) struct Behind {
    place: Place,
    pub(crate) mesh: Mesh,
    pub(crate) server: Noting,
}

impl Behind {
    /// The router has these middlewares, in this order; the server says `hello`.
    pub(crate) fn of(middlewares: &[(&str, Value)]) -> Self {
        Self::before(middlewares, |_| ok("hello"))
    }

    /// The same; the server gives these raw answers to the requests that reach it.
    pub(crate) fn before(
        middlewares: &[(&str, Value)],
        answer: impl Fn(&Noted) -> String + Send + Sync + 'static,
    ) -> Self {
        Self::started(middlewares, &[], answer)
    }

    /// The same; its entrypoint believes what this machine says of its clients.
    pub(crate) fn trusting(middlewares: &[(&str, Value)]) -> Self {
        let trusted = "--entryPoints.web.forwardedHeaders.trustedIPs=127.0.0.1";
        Self::started(middlewares, &[trusted], |_| ok("hello"))
    }

    fn started(
        middlewares: &[(&str, Value)],
        further: &[&str],
        answer: impl Fn(&Noted) -> String + Send + Sync + 'static,
    ) -> Self {
        let (place, server) = (Place::new(), Noting::new(answer));
        let file = place.write("dynamic.json", &document(middlewares, &server).to_string());
        let flags = flags(&file);
        let mesh = place.start(&[&words(&flags), further].concat());
        Self { place, mesh, server }
    }

    /// From now on the document says this. Mesh needs a moment to notice.
    pub(crate) fn write(&self, document: &Value) {
        self.place.write("dynamic.json", &document.to_string());
    }

    /// A file beside the document.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The answer to `request`: its first line and headers, without `Host` and the empty line at the end.
    pub(crate) fn ask(&self, request: &str) -> Raw {
        self.send(format!(
            "{}\r\nHost: a.test\r\nConnection: close\r\n\r\n",
            request.trim_end()
        ))
    }

    /// The answer to these bytes.
    pub(crate) fn send(&self, request: impl AsRef<[u8]>) -> Raw {
        exchange(self.mesh.address("web"), request.as_ref()).unwrap()
    }

    /// What the API says of the middleware `name`.
    pub(crate) fn state(&self, name: &str) -> Value {
        self.mesh
            .ask(&format!("/api/http/middlewares/{name}@file"))
            .json()
    }
}

/// A document with one router for all requests, these middlewares in this order, and `server`.
pub(crate) fn document(middlewares: &[(&str, Value)], server: &Noting) -> Value {
    let names: Vec<_> = middlewares.iter().map(|(name, _)| *name).collect();
    let defined: serde_json::Map<_, _> = middlewares
        .iter()
        .map(|(name, definition)| ((*name).to_owned(), definition.clone()))
        .collect();
    json!({"http": {
        "routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all", "middlewares": names}},
        "services": {"all": {"loadBalancer": {"servers": [{"url": format!("http://{}", server.address)}]}}},
        "middlewares": defined,
    }})
}

/// An answer of 200 with `body`.
pub(crate) fn ok(body: &str) -> String {
    answer("200 OK", "", body)
}

/// An answer with further headers, each with its line end.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Raw {
    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        values(&self.head, name)
    }

    /// The only value of a header; `None` without it.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} came more than once: {}", self.head);
        all.first().copied()
    }

    /// The body as text, without chunks.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    /// The body without chunks.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        if self.header("transfer-encoding").is_none() {
            return self.body.clone();
        }
        let (mut rest, mut bytes) = (self.body.as_slice(), Vec::new());
        loop {
            let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
            let length = std::str::from_utf8(&rest[..end]).unwrap();
            let length = usize::from_str_radix(length, 16).unwrap();
            if length == 0 {
                return bytes;
            }
            bytes.extend_from_slice(&rest[end + 2..end + 2 + length]);
            rest = &rest[end + 2 + length + 2..];
        }
    }
}

fn values<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}

/// Sends bytes and reads all that comes back until the connection ends.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> io::Result<Raw> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or_else(|| io::Error::other(format!("no head in {bytes:?}")))?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    Ok(Raw {
        status: head[9..12].parse().map_err(io::Error::other)?,
        head,
        body: bytes[end + 4..].to_vec(),
    })
}

/// A request that reached the server.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    /// `GET /x?y HTTP/1.1`.
    pub(crate) line: String,
    /// The line and the headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Noted {
    /// The target.
    pub(crate) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }

    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        values(&self.head, name)
    }

    /// The only value of a header; `None` without it.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} came more than once: {}", self.head);
        all.first().copied()
    }
}

/// What a server answers.
type Script = dyn Fn(&Noted) -> String + Send + Sync;

/// A server that notes requests and answers each, by a script, with raw bytes. It closes connections after answers
/// that say so, and after an empty one.
pub(crate) struct Noting {
    pub(crate) address: SocketAddr,
    noted: Arc<Mutex<Vec<Noted>>>,
}

impl Noting {
    pub(crate) fn new(script: impl Fn(&Noted) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let noted = Arc::new(Mutex::new(Vec::new()));
        let (notes, script): (_, Arc<Script>) = (noted.clone(), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (notes, script) = (notes.clone(), script.clone());
                thread::spawn(move || serve(&stream, &notes, &*script));
            }
        });
        Self { address, noted }
    }

    /// Every request so far.
    pub(crate) fn noted(&self) -> Vec<Noted> {
        self.noted.lock().unwrap().clone()
    }

    /// The last one.
    pub(crate) fn last(&self) -> Noted {
        self.noted().pop().unwrap()
    }
}

fn serve(mut stream: &TcpStream, notes: &Mutex<Vec<Noted>>, script: &Script) {
    let mut reader = BufReader::new(stream);
    while let Ok(noted) = read(&mut reader) {
        let answer = script(&noted);
        notes.lock().unwrap().push(noted);
        let is_written = stream.write_all(answer.as_bytes()).is_ok();
        if !is_written
            || answer.is_empty()
            || answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n")
        {
            break;
        }
    }
    let _closed = stream.shutdown(Shutdown::Both);
}

fn read(reader: &mut impl BufRead) -> io::Result<Noted> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut body = Vec::new();
    if !values(&head, "transfer-encoding").is_empty() {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let length = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
            let mut chunk = vec![0; length + 2];
            reader.read_exact(&mut chunk)?;
            if length == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..length]);
        }
    } else if let Some(length) = values(&head, "content-length").first() {
        body = vec![0; length.parse().map_err(io::Error::other)?];
        reader.read_exact(&mut body)?;
    }
    Ok(Noted {
        line: head.lines().next().unwrap_or_default().to_owned(),
        head: head.trim_end().to_owned(),
        body,
    })
}

#[test]
fn middlewares_are_met_in_order_and_a_broken_one_closes_its_router_alone() {
    let behind = Behind::of(&[
        ("strip", json!({"stripPrefix": {"prefixes": ["/api"]}})),
        ("add", json!({"addPrefix": {"prefix": "/v1"}})),
        (
            "mark",
            json!({"headers": {"customRequestHeaders": {"X-A": "1"}, "customResponseHeaders": {"X-B": "2"}}}),
        ),
    ]);
    let answer = behind.ask("GET /api/x?y=1 HTTP/1.1");
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert_eq!(answer.header("x-b"), Some("2"));
    let noted = behind.server.last();
    assert_eq!((noted.target(), noted.header("x-a")), ("/v1/x?y=1", Some("1")));

    let broken = Behind::of(&[("add", json!({"addPrefix": {"prefix": ""}}))]);
    assert_eq!(broken.ask("GET / HTTP/1.1").status, 503);
    let state = broken.state("add")["error"].to_string();
    assert!(state.contains("prefix"), "{state}");
    assert!(broken.server.noted().is_empty());
}

/// What the API says is wrong with each of these middlewares.
fn errors<const N: usize>(definitions: [Value; N]) -> [String; N] {
    let names: Vec<_> = (0..N).map(|at| format!("m{at}")).collect();
    let named: Vec<_> = names.iter().map(String::as_str).zip(definitions).collect();
    let broken = Behind::of(&named);
    assert_eq!(broken.ask("GET / HTTP/1.1").status, 503);
    assert!(broken.server.noted().is_empty());
    std::array::from_fn(|at| broken.state(&format!("m{at}"))["error"].to_string())
}

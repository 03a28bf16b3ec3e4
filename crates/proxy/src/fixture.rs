//! Configurations and requests for the tests of this crate.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response, Uri, request};
use mesh_config::{Configuration, Entry, Origin, QualifiedName, model::ServersTransport};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};

use crate::{
    service::{Asking, ServerId},
    table::{
        Compiler, CompilerSettings, EntryPointInfo, Explanation, InternalService, RequestView, Route,
        RouterInfo, RoutingTable,
    },
};

/// A compiler for the entrypoints `web` (the default) and `side`, with the internal service `noop`.
pub(crate) fn compiler() -> Compiler {
    compiler_of(&["web", "side"], "web")
}

/// The same for other entrypoints, of which one is the default.
pub(crate) fn compiler_of(entry_points: &[&str], default: &str) -> Compiler {
    let entry_point = |name: &&str| EntryPointInfo {
        name: (*name).into(),
        default: *name == default,
    };
    Compiler::new(CompilerSettings {
        entry_points: entry_points.iter().map(entry_point).collect(),
        precedence: vec!["nomad".to_owned(), "file".to_owned()],
        default_transport: ServersTransport::default(),
        internal: BTreeMap::from([
            ("noop".to_owned(), Arc::new(Noop) as Arc<dyn InternalService>),
            ("panic".to_owned(), Arc::new(Panicking)),
        ]),
        zone: String::new(),
        tls: mesh_tls::Keeper::new().unwrap().tls().unwrap(),
    })
}

#[derive(Debug)]
struct Panicking;

impl InternalService for Panicking {
    fn call(&self, _: Request<()>) -> BoxFuture<'static, Response<Bytes>> {
        panic!("a request that ends its code")
    }
}

#[derive(Debug)]
struct Noop;

impl InternalService for Noop {
    fn call(&self, _: Request<()>) -> BoxFuture<'static, Response<Bytes>> {
        Box::pin(std::future::ready(Response::default()))
    }
}

/// A configuration as a document, with qualified names as keys.
pub(crate) fn configuration(document: &Value) -> Configuration {
    changed(&Configuration::default(), document)
}

/// `before` with the objects of `document` put in; `null` takes one out. All others are shared.
pub(crate) fn changed(before: &Configuration, document: &Value) -> Configuration {
    let mut after = before.clone();
    put(&mut after.routers, &document["routers"]);
    put(&mut after.services, &document["services"]);
    put(&mut after.middlewares, &document["middlewares"]);
    put(&mut after.servers_transports, &document["serversTransports"]);
    put(&mut after.tls_options, &document["tlsOptions"]);
    after
}

fn put<T: DeserializeOwned>(objects: &mut BTreeMap<QualifiedName, Arc<Entry<T>>>, section: &Value) {
    for (name, object) in section.as_object().into_iter().flatten() {
        let name = name_of(name);
        if object.is_null() {
            objects.remove(&name);
            continue;
        }
        let entry = Entry {
            value: serde_json::from_value(object.clone()).unwrap(),
            origin: Origin::new("test"),
            problems: Vec::new(),
        };
        objects.insert(name, Arc::new(entry));
    }
}

/// `web@file` as a name.
pub(crate) fn name_of(text: &str) -> QualifiedName {
    serde_json::from_value(Value::from(text)).unwrap()
}

/// The route of a GET of `url` that came in at the first entrypoint.
pub(crate) fn route(table: &RoutingTable, url: &str) -> Option<Arc<Route>> {
    with_request(url, |request| table.route(0, request).cloned())
}

/// Why it takes that route.
pub(crate) fn explain(table: &RoutingTable, url: &str) -> Explanation {
    with_request(url, |request| table.explain(0, request))
}

pub(crate) fn with_request<R>(url: &str, ask: impl FnOnce(&RequestView<'_>) -> R) -> R {
    let uri: Uri = url.parse().unwrap();
    ask(&RequestView {
        host: uri.host().unwrap_or_default(),
        path: uri.path(),
        query: uri.query(),
        method: &Method::GET,
        headers: &HeaderMap::new(),
        peer: IpAddr::from(Ipv4Addr::LOCALHOST),
        secure: uri.scheme_str() == Some("https"),
    })
}

/// What became of a router.
pub(crate) fn info(table: &RoutingTable, router: &str) -> Arc<RouterInfo> {
    table.runtime().routers[&name_of(router)].clone()
}

/// A server that refuses connections. As long as it is kept nobody else listens at its address.
pub(crate) struct Refusing(TcpSocket);

impl Refusing {
    pub(crate) fn new() -> Self {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap()
    }

    /// In place of a server that is gone; fails while that still listens.
    pub(crate) fn at(address: SocketAddr) -> std::io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self(socket))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// From now on it accepts them.
    pub(crate) fn listen(self) -> TcpListener {
        self.0.listen(16).unwrap()
    }
}

/// A request for a server, of the same client every time.
#[derive(Debug)]
pub(crate) struct Asks {
    pub(crate) head: request::Parts,
    pub(crate) client: IpAddr,
    pub(crate) tried: Vec<ServerId>,
    pub(crate) now: Instant,
}

impl Asks {
    /// What a service may look at.
    pub(crate) fn look(&self) -> Asking<'_> {
        Asking {
            head: &self.head,
            client: self.client,
            is_wary: false,
            tried: &self.tried,
            is_spent: false,
            now: self.now,
        }
    }
}

/// A plain request for a server that is none of `tried`.
pub(crate) fn asking(tried: &[ServerId]) -> Asks {
    Asks {
        head: Request::new(()).into_parts().0,
        client: Ipv4Addr::LOCALHOST.into(),
        tried: tried.to_vec(),
        now: Instant::now(),
    }
}

/// A server of few words, on a thread of its own: raw answers by path, one connection each.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    answers: Arc<Mutex<Vec<(&'static str, String)>>>,
    asked: Arc<AtomicUsize>,
}

impl Serving {
    pub(crate) fn new(answers: Vec<(&'static str, String)>) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let serving = Self {
            address: listener.local_addr().unwrap(),
            answers: Arc::new(Mutex::new(answers)),
            asked: Arc::default(),
        };
        let (answers, asked) = (serving.answers.clone(), serving.asked.clone());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    match stream.read(&mut byte) {
                        Ok(1) => head.push(byte[0]),
                        _ => break,
                    }
                }
                let head = String::from_utf8(head).unwrap();
                let path = head.split(' ').nth(1).unwrap_or_default();
                let known = answers.lock();
                let answer = known.iter().find(|(known, _)| *known == path);
                asked.fetch_add(1, Ordering::SeqCst);
                // Whoever has seen enough hangs up.
                let answer = answer.map_or("", |(_, answer)| answer);
                let answer = answer.replacen("\r\n", "\r\nConnection: close\r\n", 1);
                let _gone = stream.write_all(answer.as_bytes());
            }
        });
        serving
    }

    /// From now on it answers this to everything.
    pub(crate) fn answer(&self, path: &'static str, answer: String) {
        self.answers(vec![(path, answer)]);
    }

    /// From now on it answers this, by path.
    pub(crate) fn answers(&self, answers: Vec<(&'static str, String)>) {
        *self.answers.lock() = answers;
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

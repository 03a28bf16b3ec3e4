//! What middlewares cost a request beyond the work that they do: the way through ten of them, over a connection to a worker
//! that answers by itself. `cargo bench -p mesh-proxy --bench middlewares`

#![allow(
    clippy::panic,
    reason = "a bench that cannot be set up has nothing to measure"
)]
#[allow(dead_code, unreachable_pub, reason = "each bench uses a part of it")]
mod fixture;

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    num::NonZeroUsize,
    sync::Arc,
};

use divan::{Bencher, counter::ItemsCount};
use futures::future::{BoxFuture, ready};
use http::{Request, Response};
use mesh_config::{Configuration, Reference};
use mesh_proxy::{
    Compiler, CompilerSettings, EntryPointInfo, Inherited, InternalService, Proxy, ProxySettings, Running,
    settings::EntryPoint,
};
use mesh_telemetry::RequestTelemetry;
use serde_json::{Value, json};

/// Requests that are sent at once, so that what a turn of the network costs is shared by many.
const AT_ONCE: usize = 64;

/// Middlewares in the chain.
const STEPS: usize = 10;

/// Longest answers, all of those to requests that were sent at once.
const ROOM: usize = 1024 * AT_ONCE;

fn main() {
    divan::main();
}

/// Answers at once.
#[derive(Debug)]
struct Ready;

impl InternalService for Ready {
    fn call(&self, _: Request<()>) -> BoxFuture<'static, Response<bytes::Bytes>> {
        Box::pin(ready(Response::default()))
    }
}

/// Ten middlewares of a kind.
fn ten(kind: &str) -> Vec<Value> {
    let step = |number: usize| {
        Some(match kind {
            // One of heads: it looks for a header and sets another one.
            "heads" => json!({"headers": {"customRequestHeaders": {format!("X-Step-{number}"): "1"}}}),
            // One with the rest of the way in its hands, which does nothing with it.
            "around" => json!({"retry": {"attempts": 1}}),
            // Those that are set in front of most services.
            "usual" => match number % 5 {
                0 => json!({"headers": {"frameDeny": true, "contentTypeNosniff": true}}),
                1 => json!({"ipAllowList": {"sourceRange": ["127.0.0.1", "10.0.0.0/8"]}}),
                2 => json!({"inFlightReq": {"amount": 1000}}),
                3 => json!({"rateLimit": {"average": 1_000_000_000_000_u64, "burst": 1_000_000_000_000_u64}}),
                _ => json!({"circuitBreaker": {"expression": "NetworkErrorRatio() > 0.5"}}),
            },
            _ => return None,
        })
    };
    (0..STEPS).filter_map(step).collect()
}

/// One worker, with these middlewares before a service that answers at once.
fn running(middlewares: &[Value]) -> Running {
    let mut configuration = Configuration::default();
    let names = (0..middlewares.len()).map(fixture::name);
    for (name, definition) in names.clone().zip(middlewares) {
        configuration
            .middlewares
            .insert(name, fixture::entry_of(definition.clone()));
    }
    let router = json!({
        "rule": "PathPrefix(`/`)", "service": "ready@internal",
        "middlewares": names.map(|name| Reference::from(name).to_string()).collect::<Vec<_>>(),
    });
    configuration
        .routers
        .insert(fixture::name(0), fixture::entry_of(router));
    let tls = mesh_tls::Keeper::new().and_then(|keeper| keeper.tls());
    let compiler = Compiler::new(CompilerSettings {
        entry_points: vec![EntryPointInfo {
            name: "web".into(),
            default: true,
        }],
        precedence: Vec::new(),
        default_transport: Default::default(),
        internal: BTreeMap::from([("ready".to_owned(), Arc::new(Ready) as Arc<dyn InternalService>)]),
        zone: String::new(),
        tls: tls.unwrap_or_else(|error| panic!("{error}")),
    });
    let web = EntryPoint::new("127.0.0.1:0".parse().unwrap_or_else(|_| panic!("no address")));
    let settings = ProxySettings {
        entry_points: [("web".to_owned(), web)].into(),
        workers: NonZeroUsize::new(1),
    };
    let proxy = Proxy::bind(&settings, Inherited::default()).unwrap_or_else(|error| panic!("{error}"));
    proxy
        .start(compiler, &configuration, RequestTelemetry::default())
        .unwrap_or_else(|error| panic!("{error}"))
}

#[divan::bench(args = ["none", "heads", "around", "usual"], sample_count = 500)]
fn ten_middlewares(bencher: Bencher<'_, '_>, kind: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap_or_else(|error| panic!("{error}"));
    let _entered = runtime.enter();
    let running = running(&ten(kind));
    let Some(address) = running.addresses().get("web").copied() else {
        panic!("no entrypoint");
    };
    let mut stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{error}"));
    let requests = "GET / HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\n\r\n".repeat(AT_ONCE);
    let mut answers = vec![0; ROOM];
    bencher.counter(ItemsCount::new(AT_ONCE)).bench_local(|| {
        stream
            .write_all(requests.as_bytes())
            .unwrap_or_else(|error| panic!("{error}"));
        let (mut ends, mut last) = (0, [0; 4]);
        while ends < AT_ONCE {
            let length = stream
                .read(&mut answers)
                .unwrap_or_else(|error| panic!("{error}"));
            assert!(length > 0, "the connection is closed");
            for byte in answers.iter().take(length) {
                let [_, a, b, c] = last;
                last = [a, b, c, *byte];
                ends += usize::from(last == *b"\r\n\r\n");
            }
        }
    });
}

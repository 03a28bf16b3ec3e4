//! Much of everything for long: nothing grows, nothing is left open, and nothing fails that should not.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use socket2::{Domain, Socket, Type};

use crate::{
    http::Kept,
    measure::{descriptors, memory, open_files, size},
    mesh::{Mesh, Place, eventually, flags, words},
    peer::{Act, Peer},
    tls, websockets,
};

/// What memory may grow by after the warm-up, in KiB.
const MOST_GROWTH: usize = 8 * 1024;

/// Series of all metrics together: some ten for each router that there is.
const MOST_SERIES: usize = 300;

/// Routers that change; each change gives one of them a new host.
const CHANGING: usize = 20;

const LARGE: usize = 256 * 1024;
const UPLOAD: usize = 32 * 1024;

/// What clients know.
struct World {
    web: SocketAddr,
    secure: SocketAddr,
    /// The last change in force.
    change: AtomicUsize,
    done: AtomicUsize,
}

impl World {
    fn did(&self, requests: usize) {
        self.done.fetch_add(requests, Ordering::Relaxed);
    }
}

/// What one client does: about so many requests.
type Client = fn(&World, usize);

/// All kinds of clients with their share of requests, in per cent.
const CLIENTS: [(&str, usize, Client); 8] = [
    ("HTTP/1.1", 20, kept),
    ("HTTP/1.1", 20, kept),
    ("HTTP/1.1", 20, kept),
    ("HTTP/2", 25, shared),
    ("TLS", 10, secured),
    ("uploads", 3, uploads),
    ("WebSockets", 1, websocket),
    ("aborted", 1, aborted),
];

/// Asks over a connection that is kept for a while.
fn ask<S: Read + Write>(world: &World, connection: &mut Kept<S>, turn: usize) {
    let change = world.change.load(Ordering::SeqCst);
    let (host, wanted) = match turn % 3 {
        0 => ("steady.test".to_owned(), "steady"),
        1 => ("dying.test".to_owned(), "steady"),
        _ => (format!("v{change}.test"), "steady"),
    };
    let (status, body) = connection.get(&host, "/").unwrap();
    // The host of a change may be gone with the next one by now.
    let is_late = turn % 3 == 2 && status == 404 && world.change.load(Ordering::SeqCst) != change;
    assert!(
        is_late || (status, body.as_str()) == (200, wanted),
        "{host}: {status} {body}"
    );
    world.did(1);
}

fn kept(world: &World, requests: usize) {
    for part in (0..requests).step_by(500) {
        let mut connection = Kept::new(TcpStream::connect(world.web).unwrap());
        (part..requests.min(part + 500)).for_each(|turn| ask(world, &mut connection, turn));
    }
}

fn secured(world: &World, requests: usize) {
    let config = tls::client(&["http/1.1"]);
    for part in (0..requests).step_by(50) {
        let mut connection = Kept::new(tls::connect(world.secure, "steady.test", &config));
        for _ in part..requests.min(part + 50) {
            assert_eq!(connection.get("steady.test", "/").unwrap().0, 200);
            world.did(1);
        }
    }
}

fn uploads(world: &World, requests: usize) {
    let body = "u".repeat(UPLOAD);
    let request = format!("POST / HTTP/1.1\r\nHost: steady.test\r\nContent-Length: {UPLOAD}\r\n\r\n{body}");
    for part in (0..requests).step_by(10) {
        let mut connection = Kept::new(TcpStream::connect(world.web).unwrap());
        for _ in part..requests.min(part + 10) {
            let answer = connection.ask(&request).unwrap();
            assert_eq!(answer, (200, format!("steady took {UPLOAD}")));
            world.did(1);
        }
    }
}

fn websocket(world: &World, requests: usize) {
    for _ in 0..requests {
        let mut stream = websockets::open(world.web, "steady.test");
        let mut echoed = [0; 4];
        for _ in 0..5 {
            stream.write_all(b"ping").unwrap();
            stream.read_exact(&mut echoed).unwrap();
            assert_eq!(&echoed, b"ping");
        }
        world.did(1);
    }
}

/// Clients that leave in the middle of something.
fn aborted(world: &World, requests: usize) {
    for turn in 0..requests {
        let mut stream = TcpStream::connect(world.web).unwrap();
        let request = match turn % 3 {
            0 => "GET / HTTP/1.1\r\nHost: stea".to_owned(),
            1 => "GET /large HTTP/1.1\r\nHost: steady.test\r\n\r\n".to_owned(),
            _ => format!("POST / HTTP/1.1\r\nHost: steady.test\r\nContent-Length: {LARGE}\r\n\r\nabc"),
        };
        stream.write_all(request.as_bytes()).unwrap();
        if turn % 3 == 1 {
            stream.read_exact(&mut [0; 100]).unwrap();
        }
        socket2::SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(stream);
        world.did(1);
    }
}

/// Requests that share connections, twenty at a time; one of them is given up.
fn shared(world: &World, requests: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for part in (0..requests).step_by(1000) {
            let stream = tokio::net::TcpStream::connect(world.web).await.unwrap();
            let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
            let (sender, connection) = handshake.await.unwrap();
            let driving = tokio::spawn(connection);
            for turn in (part..requests.min(part + 1000)).step_by(20) {
                batch(&sender, turn).await;
                world.did(20);
            }
            drop(sender);
            driving.await.unwrap().unwrap();
        }
    });
}

async fn batch(sender: &http2::SendRequest<Full<Bytes>>, turn: usize) {
    let answers = (0..20).map(|n| {
        let mut sender = sender.clone();
        async move {
            let body = if n % 10 == 0 {
                "u".repeat(UPLOAD)
            } else {
                String::new()
            };
            let host = if (turn + n).is_multiple_of(2) {
                "steady"
            } else {
                "dying"
            };
            let method = if body.is_empty() { "GET" } else { "POST" };
            let host = if body.is_empty() { host } else { "steady" };
            let request = Request::builder()
                .method(method)
                .uri(format!("http://{host}.test/"));
            let answer = sender.send_request(request.body(Full::from(body)).unwrap());
            if n == 19 {
                // Given up as soon as it was sent.
                let _left = tokio::time::timeout(Duration::from_micros(100), answer).await;
                return;
            }
            let answer = answer.await.unwrap();
            assert_eq!(answer.status(), 200, "{host}");
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert!(body.starts_with(b"steady"), "{body:?}");
        }
    });
    futures::future::join_all(answers).await;
}

/// The servers, as they are for the whole test.
struct Servers {
    steady: Peer,
    dying: Peer,
    /// Nobody listens there, and nobody else can.
    dead: Socket,
}

impl Servers {
    fn new() -> Self {
        let turn = AtomicUsize::new(0);
        Self {
            steady: Peer::new(
                |request| match (request.is_upgrade(), request.path(), request.body) {
                    (true, _, _) => Act::Echo,
                    (_, "/large", _) => Act::Answer(200, "l".repeat(LARGE)),
                    (_, _, 0) => Act::Answer(200, "steady".to_owned()),
                    (_, _, body) => Act::Answer(200, format!("steady took {body}")),
                },
            ),
            dying: Peer::new(move |_| match turn.fetch_add(1, Ordering::SeqCst) % 10 {
                3 => Act::AnswerAndClose("steady".to_owned()),
                7 => Act::Close,
                _ => Act::Answer(200, "steady".to_owned()),
            }),
            dead: {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                socket
                    .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
                    .unwrap();
                socket
            },
        }
    }

    /// The `change`-th configuration.
    fn document(&self, change: usize) -> String {
        let (steady, dying) = (self.steady.url(), self.dying.url());
        let dead = self.dead.local_addr().unwrap().as_socket().unwrap();
        let mut text =
            "http:\n  routers:\n    steady: {rule: \"Host(`steady.test`)\", service: steady}\n    \
             secure: {rule: \"Host(`steady.test`)\", service: steady, tls: {}}\n    \
             dying: {rule: \"Host(`dying.test`)\", service: dying}\n"
                .to_owned();
        for name in change.saturating_sub(CHANGING - 1)..=change {
            text.push_str(&format!(
                "    v{}: {{rule: \"Host(`v{name}.test`)\", service: changing}}\n",
                name % CHANGING
            ));
        }
        text + &format!(
            "  services:\n    steady: {{loadBalancer: {{servers: [{{url: \"{steady}\"}}]}}}}\n    \
             dying: {{loadBalancer: {{servers: [{{url: \"{steady}\"}}, {{url: \"{dying}\"}}, \
             {{url: \"http://{dead}\"}}]}}}}\n    \
             changing: {{loadBalancer: {{servers: [{{url: \"{steady}\", weight: {}}}]}}}}\n",
            1 + change % 9
        )
    }
}

/// Requests of all kinds, and changes spread over them. Says how long it took.
fn load(
    mesh: &Mesh,
    place: &Place,
    servers: &Servers,
    world: &Arc<World>,
    requests: usize,
    changes: usize,
) -> Duration {
    world.done.store(0, Ordering::SeqCst);
    let begin = Instant::now();
    let clients = CLIENTS.map(|(name, share, client)| {
        let world = world.clone();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || client(&world, requests * share / 100))
            .unwrap()
    });
    let first = world.change.load(Ordering::SeqCst);
    for change in 1..=changes {
        let is_due = || world.done.load(Ordering::Relaxed) >= requests * (change - 1) / changes;
        while !is_due() && !clients.iter().all(thread::JoinHandle::is_finished) {
            thread::park_timeout(Duration::from_millis(2));
        }
        let change = first + change;
        place.write("routes.yml", &servers.document(change));
        mesh.eventually(&format!("v{change}.test"), "/", |answer| answer.status == 200);
        world.change.store(change, Ordering::SeqCst);
        if change.is_multiple_of(10) {
            mesh.ask("/metrics");
        }
    }
    for client in clients {
        client.join().unwrap();
    }
    begin.elapsed()
}

/// The number that Mesh counts for `name`.
fn counted(mesh: &Mesh, name: &str) -> usize {
    let text = mesh.ask("/metrics").body;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap().trim().parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn much_of_everything_leaves_nothing_behind() {
    let (requests, changes) = (size("MESH_SOAK_REQUESTS", 40_000), size("MESH_SOAK_RELOADS", 60));
    open_files();
    let (place, servers) = (Place::new(), Servers::new());
    let mut flags = flags(&place.write("routes.yml", &servers.document(0)));
    flags.push("--entryPoints.secure.address=127.0.0.1:0".to_owned());
    flags.push("--serversTransport.forwardingTimeouts.idleConnTimeout=1s".to_owned());
    // More than there ever are: a request that never gave its place back would be missed.
    flags.push("--entryPoints.web.http.maxInFlightRequests=200".to_owned());
    flags.push("--workers=2".to_owned());
    let mesh = place.start(&words(&flags));
    eventually("readiness", || (mesh.ask("/ready").status == 200).then_some(()));
    let files = descriptors(&mesh);
    let world = Arc::new(World {
        web: mesh.address("web"),
        secure: mesh.address("secure"),
        change: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
    });
    load(&mesh, &place, &servers, &world, requests / 5, changes / 5);
    let warm = memory(&mesh);
    let took = load(&mesh, &place, &servers, &world, requests, changes);
    println!("{requests} requests and {changes} reloads in {took:?}");
    let left = eventually("the end of all connections", || {
        Some(descriptors(&mesh)).filter(|now| *now <= files)
    });
    let (end, series) = (memory(&mesh), counted(&mesh, "mesh_metrics_series "));
    println!("memory in KiB: {warm} warm, {end} at the end; files: {files}, {left}; {series} series");
    assert!(end < warm + MOST_GROWTH, "{warm} KiB grew to {end}");
    assert!(series < MOST_SERIES, "{series}");
    assert_eq!(counted(&mesh, "mesh_metrics_overflow_total "), 0);
    assert!(!mesh.log().join("\n").contains("panic"), "{:?}", mesh.log());
}

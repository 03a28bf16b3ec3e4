//! Reloads under load: nobody notices.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    http::Kept,
    measure::size,
    mesh::{Place, flags, words},
    peer::{Act, Peer},
};

/// Routers beside those that are asked for.
const ROUTERS: usize = 1000;

/// Clients that ask all the time, each over one connection.
const CLIENTS: usize = 8;

const WORKERS: usize = 2;

/// No request takes longer, in a debug build on a busy machine; `docs/performance.md` has what it really takes.
const LONGEST: Duration = Duration::from_secs(1);

/// The longest request of one client, and their number, until `end`.
fn load(web: SocketAddr, end: &AtomicBool) -> (Duration, usize) {
    let mut connection = Kept::new(TcpStream::connect(web).unwrap());
    let (mut longest, mut count) = (Duration::ZERO, 0);
    while !end.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let (status, body) = connection.get("steady.test", "/").unwrap();
        assert_eq!((status, body.as_str()), (200, "steady"));
        longest = longest.max(begin.elapsed());
        count += 1;
    }
    (longest, count)
}

/// A server that counts what it is asked for, apart from its health.
fn checked(healthy: bool, requests: &Arc<AtomicUsize>, probes: &Arc<AtomicUsize>) -> Peer {
    let (requests, probes) = (requests.clone(), probes.clone());
    Peer::new(move |request| match (request.path(), healthy) {
        ("/health", _) => {
            probes.fetch_add(1, Ordering::SeqCst);
            Act::Answer(if healthy { 200 } else { 503 }, String::new())
        }
        _ => {
            requests.fetch_add(1, Ordering::SeqCst);
            Act::Answer(200, "steady".to_owned())
        }
    })
}

/// The `change`-th configuration: the servers of the service `steady` stay, all else differs, their weights too.
fn document(change: usize, servers: &[&Peer]) -> String {
    let mut text = format!(
        "http:\n  routers:\n    steady: {{rule: \"Host(`steady.test`)\", service: steady}}\n    \
         v{change}: {{rule: \"Host(`v{change}.test`)\", service: steady}}\n"
    );
    for router in 0..ROUTERS {
        text.push_str(&format!(
            "    r{router}: {{rule: \"Host(`r{router}.test`) && PathPrefix(`/{change}`)\", service: s}}\n"
        ));
    }
    let servers: Vec<_> = servers
        .iter()
        .map(|server| format!("{{url: \"{}\", weight: {}}}", server.url(), 1 + change % 3))
        .collect();
    text + &format!(
        "  services:\n    s: {{loadBalancer: {{servers: [{{url: \"http://127.0.0.1:{}\"}}]}}}}\n    \
         steady:\n      loadBalancer:\n        servers: [{}]\n        \
         healthCheck: {{path: /health, interval: 1h, unhealthyInterval: 1h}}\n",
        1 + change,
        servers.join(", ")
    )
}

#[test]
fn a_reload_under_load_fails_no_request_closes_no_connection_and_forgets_no_health() {
    let changes = size("MESH_RELOADS", 50);
    let [asked, spared, probes, failed_probes] = [(); 4].map(|()| Arc::new(AtomicUsize::new(0)));
    let (up, down) = (
        checked(true, &asked, &probes),
        checked(false, &spared, &failed_probes),
    );
    let place = Place::new();
    let write = |change| place.write("routes.yml", &document(change, &[&up, &down]));
    let flags = flags(&write(0));
    let mesh = place.start(&[&words(&flags)[..], &[&format!("--workers={WORKERS}")[..]]].concat());
    mesh.eventually("steady.test", "/", |answer| answer.body == "steady");
    crate::mesh::eventually("the verdict on both servers", || {
        (probes.load(Ordering::SeqCst) == 1 && failed_probes.load(Ordering::SeqCst) == 1).then_some(())
    });
    let is_out = || mesh.log().iter().any(|line| line.contains("server is out"));
    crate::mesh::eventually("one server is out", || is_out().then_some(()));
    spared.store(0, Ordering::SeqCst);

    let (web, end) = (mesh.address("web"), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let end = end.clone();
            thread::spawn(move || load(web, &end))
        })
        .collect();
    let begin = Instant::now();
    for change in 1..=changes {
        write(change);
        mesh.eventually(&format!("v{change}.test"), "/", |answer| answer.status == 200);
    }
    let took = begin.elapsed();
    end.store(true, Ordering::Relaxed);
    // A client whose connection was closed has failed.
    let loads: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    let longest = loads.iter().map(|(longest, _)| *longest).max().unwrap();
    let count: usize = loads.iter().map(|(_, count)| count).sum();
    println!("{changes} reloads of {ROUTERS} routers in {took:?}, {count} requests, the longest {longest:?}");
    assert!(longest < LONGEST, "{longest:?}");
    assert!(asked.load(Ordering::SeqCst) >= count);
    // One for each client at most, on each worker one for the test's own requests, and one for the probe.
    assert!(
        up.accepted() <= CLIENTS + WORKERS + 1,
        "{} connections to a server that stayed",
        up.accepted()
    );
    let probes = [probes, failed_probes].map(|probes| probes.load(Ordering::SeqCst));
    assert_eq!((probes, spared.load(Ordering::SeqCst)), ([1, 1], 0));
}

#[test]
fn idle_connections_to_servers_of_a_renamed_service_are_closed_soon() {
    let (place, server) = (Place::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let url = format!("http://{}", server.local_addr().unwrap());
    let document = |service: &str| {
        format!(
            "http:\n  routers:\n    one: {{rule: \"Host(`one.test`)\", service: {service}}}\n  services:\n    \
             {service}: {{loadBalancer: {{servers: [{{url: \"{url}\"}}]}}}}\n"
        )
    };
    let file = place.write("routes.yml", &document("before"));
    let mesh = place.start(&words(&flags(&file)));
    let (closed, closings) = mpsc::channel();
    thread::spawn(move || {
        for stream in server.incoming().map_while(Result::ok) {
            let closed = closed.clone();
            thread::spawn(move || {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                while lines.by_ref().take_while(|line| !line.is_empty()).count() > 0 {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                    (&stream).write_all(answer).unwrap();
                }
                let _ = closed.send(Instant::now());
            });
        }
    });
    mesh.eventually("one.test", "/", |answer| answer.status == 200);
    let began = Instant::now();
    place.write("routes.yml", &document("after"));
    let closed = closings.recv_timeout(Duration::from_secs(15)).unwrap();
    assert!(closed - began < Duration::from_secs(5), "{:?}", closed - began);
    assert_eq!(mesh.get("one.test", "/").status, 200);
}

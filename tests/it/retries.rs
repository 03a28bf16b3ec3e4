//! How often servers see a request that none of them answers.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    http,
    http2::{DATA, END_HEADERS, END_STREAM, Frame, HEADERS, PREFACE, RESET, SETTINGS, frame},
    mesh::{Mesh, Place, eventually, flags, words},
    server::Server,
};

/// A server that takes requests and ends each connection without an answer. Gives its URL and how many came.
fn losing() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            // A head ends in an empty line; whoever only knocks has none.
            if lines.take_while(|line| !line.is_empty()).count() > 0 {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (url, seen)
}

#[test]
fn an_outage_of_all_servers_is_not_multiplied() {
    const REQUESTS: usize = 150;
    let place = Place::new();
    let (servers, seen): (Vec<_>, Vec<_>) = (0..3).map(|_| losing()).unzip();
    let servers: Vec<_> = servers.iter().map(|url| format!("{{url: \"{url}\"}}")).collect();
    let servers = servers.join(", ");
    let file = place.write(
        "routes.yml",
        &format!(
            "http:\n  routers:\n    shop: {{rule: \"Host(`shop.test`)\", service: shop}}\n  services:\n    \
             shop:\n      loadBalancer:\n        servers: [{servers}]\n"
        ),
    );
    let mut flags = flags(&file);
    flags.push("--entryPoints.web.http.reasonHeader".to_owned());
    let mesh = place.start(&words(&flags));
    mesh.eventually("shop.test", "/", |answer| answer.status == 502);
    let sent = || -> usize { seen.iter().map(|count| count.load(Ordering::SeqCst)).sum() };
    let before = sent();
    let mut last = None;
    for _ in 0..REQUESTS {
        let answer = mesh.get("shop.test", "/");
        assert_eq!(answer.status, 502);
        last = Some(answer);
    }
    let sent = sent() - before;
    assert!(
        (REQUESTS..=REQUESTS * 12 / 10).contains(&sent),
        "{sent} for {REQUESTS}"
    );
    let reason = last.unwrap();
    let reason = reason.header("x-mesh-reason").unwrap();
    assert!(
        reason.contains("retry budget of service shop@file is used up"),
        "{reason}"
    );
    let metrics = mesh.ask("/metrics").body;
    let count = |sample: &str| -> usize {
        let line = metrics.lines().find_map(|line| line.strip_prefix(sample));
        line.unwrap_or_else(|| panic!("no {sample}"))
            .trim()
            .parse()
            .unwrap()
    };
    let refused = count(r#"mesh_service_retries_refused_total{service="shop@file"}"#);
    let failed = count(r#"mesh_entrypoint_failed_requests_total{entrypoint="web",reason="retry-budget"}"#);
    assert!(refused > REQUESTS / 2 && failed == refused, "{refused}, {failed}");
}

/// A server that answers as long as it is well, and closes each connection on a request after that.
struct Mortal {
    address: SocketAddr,
    is_well: Arc<AtomicBool>,
    seen: Arc<AtomicUsize>,
}

impl Mortal {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mortal = Self {
            address: listener.local_addr().unwrap(),
            is_well: Arc::new(AtomicBool::new(true)),
            seen: Arc::default(),
        };
        let (is_well, seen) = (mortal.is_well.clone(), mortal.seen.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (is_well, seen) = (is_well.clone(), seen.clone());
                thread::spawn(move || {
                    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                    while lines.by_ref().take_while(|line| !line.is_empty()).count() > 0 {
                        seen.fetch_add(1, Ordering::SeqCst);
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                        if !is_well.load(Ordering::SeqCst) || (&stream).write_all(answer).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        mortal
    }
}

/// A document with one service of these options over servers at `addresses`.
fn shop(addresses: &[SocketAddr], options: &str) -> String {
    let servers: Vec<_> = addresses
        .iter()
        .map(|address| format!("{{url: \"http://{address}\"}}"))
        .collect();
    format!(
        "http:\n  routers:\n    shop: {{rule: \"Host(`shop.test`)\", service: shop}}\n  services:\n    \
         shop:\n      loadBalancer:\n        servers: [{}]\n{options}",
        servers.join(", ")
    )
}

fn mortals(count: usize) -> (Vec<Mortal>, Vec<SocketAddr>) {
    let mortals: Vec<_> = (0..count).map(|_| Mortal::new()).collect();
    let addresses = mortals.iter().map(|mortal| mortal.address).collect();
    (mortals, addresses)
}

/// Sends `count` GETs from each of so many clients at once; gives how many were not answered 200.
fn failed(mesh: &Mesh, clients: usize, count: usize) -> usize {
    let address = mesh.address("web");
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            thread::spawn(move || {
                let answers = (0..count).map(|_| http::get(address, "shop.test", "/").status);
                answers.filter(|status| *status != 200).count()
            })
        })
        .collect();
    clients.into_iter().map(|client| client.join().unwrap()).sum()
}

#[test]
fn an_outage_of_all_servers_after_good_times_is_not_multiplied_from_its_first_request_on() {
    const CLIENTS: usize = 4;
    for requests in [100, 1100] {
        let place = Place::new();
        let (mortals, addresses) = mortals(3);
        let file = place.write("routes.yml", &shop(&addresses, ""));
        let mesh = place.start(&words(&flags(&file)));
        mesh.eventually("shop.test", "/", |answer| answer.status == 200);
        assert_eq!(failed(&mesh, CLIENTS, 300), 0);
        let sent = || -> usize {
            mortals
                .iter()
                .map(|mortal| mortal.seen.load(Ordering::SeqCst))
                .sum()
        };
        let (before, began) = (sent(), Instant::now());
        mortals
            .iter()
            .for_each(|mortal| mortal.is_well.store(false, Ordering::SeqCst));
        assert_eq!(failed(&mesh, CLIENTS, requests / CLIENTS), requests);
        let sent = sent() - before;
        // Ten retries are saved, one comes each second; each server is believed once, by each client at most.
        let extra = 10 + began.elapsed().as_secs() as usize + 1 + 2 * CLIENTS;
        assert!(sent <= requests * 12 / 10 + extra, "{sent} for {requests}");
        assert!(sent > requests, "{sent} for {requests}");
    }
}

#[test]
fn servers_that_begin_to_close_connections_fail_no_get_while_others_answer() {
    // A request is offered to three servers: as many may die at one moment as there are left of these.
    for (count, dead) in [(2, 1), (4, 1), (8, 2)] {
        let place = Place::new();
        let (mortals, addresses) = mortals(count);
        let file = place.write("routes.yml", &shop(&addresses, ""));
        let mesh = place.start(&words(&flags(&file)));
        mesh.eventually("shop.test", "/", |answer| answer.status == 200);
        let dying: Vec<_> = mortals[..dead]
            .iter()
            .map(|mortal| mortal.is_well.clone())
            .collect();
        let doom = thread::spawn(move || {
            thread::park_timeout(Duration::from_millis(100));
            dying
                .iter()
                .for_each(|is_well| is_well.store(false, Ordering::SeqCst));
        });
        assert_eq!(failed(&mesh, 8, 150), 0, "{dead} of {count}");
        doom.join().unwrap();
        assert_eq!(failed(&mesh, 8, 50), 0, "{dead} of {count}");
    }
}

#[test]
fn a_server_that_hangs_fails_no_get_while_others_answer() {
    let place = Place::new();
    let (_mortals, mut addresses) = mortals(2);
    // The system accepts for it, and nobody reads.
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    addresses.push(hanging.local_addr().unwrap());
    let options = "        retry: {perTryTimeout: 100ms}\n";
    let file = place.write("routes.yml", &shop(&addresses, options));
    let mesh = place.start(&words(&flags(&file)));
    mesh.eventually("shop.test", "/", |answer| answer.status == 200);
    assert_eq!(failed(&mesh, 4, 30), 0);
}

#[test]
fn a_service_whose_servers_all_refuse_is_passed_over_by_those_above_it() {
    let place = Place::new();
    let live = Server::named("live");
    let refused: Vec<_> = (0..5)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
        .map(|address| format!("{{url: \"http://{address}\"}}"))
        .collect();
    let file = place.write(
        "routes.yml",
        &format!(
            "http:\n  routers:\n    split: {{rule: \"Host(`split.test`)\", service: split}}\n    near: {{rule: \
             \"Host(`near.test`)\", service: near}}\n  services:\n    split: {{weighted: {{services: [{{name: gone, \
             weight: 9}}, {{name: live}}]}}}}\n    near: {{highestRandomWeight: {{services: [{{name: gone, weight: \
             1000000}}, {{name: live}}]}}}}\n    gone: {{loadBalancer: {{servers: [{}]}}}}\n    live: {{loadBalancer: \
             {{servers: [{{url: \"{}\"}}]}}}}\n",
            refused.join(", "),
            live.url()
        ),
    );
    let mesh = place.start(&words(&flags(&file)));
    mesh.eventually("split.test", "/", |answer| answer.status == 200);
    for _ in 0..30 {
        assert_eq!(mesh.get("split.test", "/").body, "live");
        assert_eq!(mesh.get("near.test", "/").body, "live");
    }
}

/// A server of HTTP/2 in the clear that refuses the first `refusals` requests once it has their bodies, and answers
/// all others. Gives its address and the bytes of bodies of each request that it answered.
fn choosy(refusals: usize) -> (SocketAddr, Arc<Mutex<Vec<usize>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answered = Arc::new(Mutex::new(Vec::new()));
    let (told, seen) = (answered.clone(), Arc::new(AtomicUsize::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (told, seen) = (told.clone(), seen.clone());
            thread::spawn(move || converse(stream, refusals, &told, &seen));
        }
    });
    (address, answered)
}

fn converse(mut stream: TcpStream, refusals: usize, answered: &Mutex<Vec<usize>>, seen: &AtomicUsize) {
    let mut preface = [0; PREFACE.len()];
    if stream.read_exact(&mut preface).is_err() {
        return;
    }
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).unwrap();
    let mut bytes = 0;
    while let Some(got) = Frame::read(&mut stream) {
        got.answer(&mut stream);
        if got.kind == DATA {
            bytes += got.payload.len();
        }
        if !matches!(got.kind, DATA | HEADERS) || got.flags & END_STREAM == 0 {
            continue;
        }
        let length = std::mem::take(&mut bytes);
        let reply = match seen.fetch_add(1, Ordering::SeqCst) < refusals {
            // REFUSED_STREAM
            true => frame(RESET, 0, got.stream, &[0, 0, 0, 7]),
            false => {
                answered.lock().unwrap().push(length);
                // `:status: 200`, by its number in the table.
                frame(HEADERS, END_HEADERS | END_STREAM, got.stream, &[0x88])
            }
        };
        stream.write_all(&reply).unwrap();
    }
}

#[test]
fn what_a_server_of_http2_refuses_unread_is_sent_again_with_its_body() {
    let place = Place::new();
    let (address, answered) = choosy(2);
    let text = shop(&[address], "").replace("http://", "h2c://");
    let file = place.write("routes.yml", &text);
    let mesh = place.start(&words(&flags(&file)));
    let post = |body: &str, delay: bool| {
        let mut stream = TcpStream::connect(mesh.address("web")).unwrap();
        let (begin, end) = body.split_at(body.len() / 2);
        let head = format!(
            "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{begin}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        if delay {
            thread::park_timeout(Duration::from_millis(50));
        }
        stream.write_all(end.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    eventually("the route", || {
        post("", false).starts_with("HTTP/1.1 200").then_some(())
    });
    answered.lock().unwrap().clear();
    let (address, answered) = choosy(1);
    place.write("routes.yml", &shop(&[address], "").replace("http://", "h2c://"));
    eventually("the new server", || {
        let answer = post("hello", true);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        (!answered.lock().unwrap().is_empty()).then_some(())
    });
    assert_eq!(answered.lock().unwrap()[0], 5, "the body came whole, and once");
}

#[test]
fn the_time_of_a_request_is_that_of_all_its_tries_by_a_middleware() {
    let place = Place::new();
    let slow = Server::named("slow");
    let text = format!(
        "http:\n  routers:\n    shop: {{rule: \"Host(`shop.test`)\", service: shop, middlewares: [again], timeouts: \
         {{request: 500ms}}}}\n  middlewares:\n    again: {{retry: {{attempts: 10, status: [\"504\"]}}}}\n  services:\n    \
         shop: {{loadBalancer: {{servers: [{{url: \"{}\"}}]}}}}\n",
        slow.url()
    );
    let file = place.write("routes.yml", &text);
    let mesh = place.start(&words(&flags(&file)));
    mesh.eventually("shop.test", "/", |answer| answer.status == 200);
    slow.hold();
    let began = Instant::now();
    assert_eq!(mesh.get("shop.test", "/").status, 504);
    let took = began.elapsed();
    slow.release();
    assert!(took < Duration::from_millis(2500), "{took:?}");
}

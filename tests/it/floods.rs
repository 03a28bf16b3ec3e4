//! Clients of HTTP/2 that send what only costs: bounded memory, others are served, and the worst are sent away.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::{
    mesh::{Mesh, Place, flags, routes, words},
    server::Server,
};

/// What Mesh may hold in memory while it is flooded, in MiB; it starts with about 20, and debug builds with more.
const MOST_MEMORY: u64 = 200;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// GET http://one.test/, without ends.
const HEAD: &[u8] = b"\x82\x86\x84\x41\x08one.test";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What a client sends in its n-th turn.
type Next<'f> = &'f dyn Fn(u32) -> Vec<u8>;

/// Sends what `next` makes until Mesh ends the connection or takes no more; false if it goes on taking it.
fn flood(mesh: &Mesh, reads: bool, mut next: impl FnMut(u32) -> Vec<u8>) -> bool {
    let mut stream = TcpStream::connect(mesh.address("web")).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    stream
        .write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat())
        .unwrap();
    if reads {
        let mut other = stream.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut scratch = [0; 4096];
            while other.read(&mut scratch).is_ok_and(|length| length > 0) {}
        });
    }
    let start = Instant::now();
    let mut turn = 0;
    while start.elapsed() < Duration::from_secs(3) {
        if let Err(error) = stream.write_all(&next(turn)) {
            assert_ne!(error.kind(), ErrorKind::InvalidInput);
            return true;
        }
        turn += 1;
    }
    false
}

fn start(place: &Place) -> Mesh {
    let server = Server::named("one");
    let file = place.write("routes.yml", &routes(&[("one", &server.url())]));
    let flags = flags(&file);
    place.start(&[&words(&flags)[..], &["--workers=1"]].concat())
}

#[test]
#[cfg(target_os = "linux")]
fn who_only_costs_is_sent_away_and_others_are_served() {
    let place = Place::new();
    let mesh = start(&place);
    let resets = |turn: u32| {
        let streams = (0..50).map(|n| 1 + 2 * (50 * turn + n));
        let pairs =
            streams.map(|id| [frame(HEADERS, 5, id, HEAD), frame(RESET, 0, id, &[0, 0, 0, 8])].concat());
        pairs.collect::<Vec<_>>().concat()
    };
    let continuations = |turn: u32| match turn {
        0 => frame(HEADERS, 0, 1, HEAD),
        _ => frame(CONTINUATION, 0, 1, &b"\x00\x01a\x01b".repeat(2000)),
    };
    let empty_continuations = |turn: u32| match turn {
        0 => frame(HEADERS, 0, 1, HEAD),
        _ => frame(CONTINUATION, 0, 1, &[]).repeat(1000),
    };
    let empty_data = |turn: u32| match turn {
        0 => frame(HEADERS, 4, 1, &[&b"\x83"[..], &HEAD[1..]].concat()),
        _ => frame(DATA, 0, 1, &[]).repeat(1000),
    };
    // One large header, and then thousands of references to it.
    let bombs = |turn: u32| {
        let large = [&b"\x40\x01x\x7f\xe1\x1e"[..], &[b'y'; 4000], &[0xbe; 3000]].concat();
        frame(HEADERS, 5, 1 + 2 * turn, &[HEAD, &large].concat())
    };
    let pings = |_: u32| frame(PING, 0, 0, b"12345678").repeat(500);
    let settings = |_: u32| frame(SETTINGS, 0, 0, &[]).repeat(500);
    let floods: [(&str, bool, Next<'_>); 7] = [
        ("resets", true, &resets),
        ("CONTINUATION", false, &continuations),
        ("empty CONTINUATION", false, &empty_continuations),
        ("empty DATA", false, &empty_data),
        ("header bombs", true, &bombs),
        ("PING, and no reading", false, &pings),
        ("SETTINGS, and no reading", false, &settings),
    ];
    for (name, reads, next) in floods {
        assert!(flood(&mesh, reads, next), "{name}: still taken");
        assert!(mesh.memory() < MOST_MEMORY, "{name}: {} MiB", mesh.memory());
        assert_eq!(mesh.get("one.test", "/").body, "one", "after {name}");
    }
    assert!(!mesh.log().join("\n").contains("panic"));
}

#[test]
#[cfg(target_os = "linux")]
fn clients_who_take_no_answers_hold_bounded_memory() {
    let place = Place::new();
    let mesh = start(&place);
    let no_window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let requests: Vec<u8> = (0..200)
        .flat_map(|n| frame(HEADERS, 5, 1 + 2 * n, HEAD))
        .collect();
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(mesh.address("web")).unwrap();
            stream
                .write_all(&[PREFACE, &no_window, &requests].concat())
                .unwrap();
            stream
        })
        .collect();
    assert_eq!(mesh.get("one.test", "/").body, "one");
    assert!(mesh.memory() < MOST_MEMORY, "{} MiB", mesh.memory());
    drop(clients);
}

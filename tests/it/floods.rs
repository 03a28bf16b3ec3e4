//! Clients of HTTP/2 that send what only costs: bounded memory, others are served, and the worst are sent away.

use std::{
    io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::{
    http2::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEAD, HEADERS, PADDED, PING,
        PREFACE, PRIORITY, RESET, SETTINGS, WINDOW_UPDATE, frame,
    },
    measure::mebibytes,
    mesh::{Mesh, Place, flags, routes, words},
    server::Server,
};

/// What Mesh may hold in memory while it is flooded, in MiB; it starts with about 20, and debug builds with more.
const MOST_MEMORY: usize = 200;

/// A kind that nobody knows.
const UNKNOWN: u8 = 0xfa;

/// Flags of a request that is whole.
const WHOLE: u8 = END_HEADERS | END_STREAM;

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
        thread::spawn(move || {
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
        let pairs = streams.map(|id| {
            [
                frame(HEADERS, WHOLE, id, HEAD),
                frame(RESET, 0, id, &[0, 0, 0, 8]),
            ]
            .concat()
        });
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
        0 => frame(HEADERS, END_HEADERS, 1, &[&b"\x83"[..], &HEAD[1..]].concat()),
        _ => frame(DATA, 0, 1, &[]).repeat(1000),
    };
    // One large header, and then thousands of references to it.
    let bombs = |turn: u32| {
        let large = [&b"\x40\x01x\x7f\xe1\x1e"[..], &[b'y'; 4000], &[0xbe; 3000]].concat();
        frame(HEADERS, WHOLE, 1 + 2 * turn, &[HEAD, &large].concat())
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
        assert!(mebibytes(&mesh) < MOST_MEMORY, "{name}: {} MiB", mebibytes(&mesh));
        assert_eq!(mesh.get("one.test", "/").body, "one", "after {name}");
    }
    assert!(!mesh.log().join("\n").contains("panic"));
}

#[test]
#[cfg(target_os = "linux")]
fn who_sends_frames_that_ask_for_nothing_is_sent_away_however_it_reads() {
    let place = Place::new();
    let mesh = start(&place);
    // A request whose body is still to come: what follows is no error of the protocol.
    let open = |turn: u32, flood: Vec<u8>| match turn {
        0 => frame(HEADERS, END_HEADERS, 1, &[&b"\x83"[..], &HEAD[1..]].concat()),
        _ => flood.repeat(500),
    };
    let pings = |turn: u32| open(turn, frame(PING, 0, 0, b"12345678"));
    let answers = |turn: u32| open(turn, frame(PING, ACK, 0, b"12345678"));
    let settings = |turn: u32| open(turn, frame(SETTINGS, 0, 0, &[]));
    let priorities = |turn: u32| open(turn, frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]));
    let idle_priorities = |turn: u32| open(turn, frame(PRIORITY, 0, 1001, &[0, 0, 0, 0, 1]));
    let windows = |turn: u32| open(turn, frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]));
    let stream_windows = |turn: u32| open(turn, frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]));
    let unknown = |turn: u32| open(turn, frame(UNKNOWN, 0, 0, b"?"));
    let empty_data = |turn: u32| open(turn, frame(DATA, 0, 1, &[]));
    let padding = |turn: u32| open(turn, frame(DATA, PADDED, 1, &[0]));
    let idle_resets = |turn: u32| open(turn, frame(RESET, 0, 1001 + 2 * turn, &[0, 0, 0, 8]));
    let old_resets = |turn: u32| match turn {
        0 => frame(HEADERS, WHOLE, 1, HEAD),
        _ => frame(RESET, 0, 1, &[0, 0, 0, 8]).repeat(500),
    };
    let floods: [(&str, Next<'_>); 12] = [
        ("PING", &pings),
        ("PING with ACK", &answers),
        ("SETTINGS", &settings),
        ("PRIORITY", &priorities),
        ("PRIORITY of an idle stream", &idle_priorities),
        ("WINDOW_UPDATE", &windows),
        ("WINDOW_UPDATE of a stream", &stream_windows),
        ("unknown frames", &unknown),
        ("empty DATA", &empty_data),
        ("DATA of padding", &padding),
        ("RST_STREAM of idle streams", &idle_resets),
        ("RST_STREAM of an old stream", &old_resets),
    ];
    for (name, next) in floods {
        for reads in [true, false] {
            assert!(flood(&mesh, reads, next), "{name}: still taken");
        }
        assert!(mebibytes(&mesh) < MOST_MEMORY, "{name}: {} MiB", mebibytes(&mesh));
        assert_eq!(mesh.get("one.test", "/").body, "one", "after {name}");
    }
    assert!(!mesh.log().join("\n").contains("panic"));
}

/// Bytes of an answer that is taken in small parts.
const LARGE: usize = 200 * 1024 * 1024;

/// How far a client that reads in small parts opens its windows at a time.
const SMALL: usize = 512;

/// A server of one answer, of `LARGE` bytes.
fn large_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n").unwrap();
        let part = vec![b'x'; 64 * 1024];
        (0..LARGE / part.len()).for_each(|_| stream.write_all(&part).unwrap());
    });
    url
}

#[test]
fn a_large_answer_may_be_taken_in_small_parts() {
    let place = Place::new();
    let file = place.write("routes.yml", &routes(&[("one", &large_server())]));
    let mesh = place.start(&words(&flags(&file)));
    let stream = TcpStream::connect(mesh.address("web")).unwrap();
    let mut from = BufReader::new(stream.try_clone().unwrap());
    let mut to = BufWriter::new(stream);
    let begin = [
        PREFACE,
        &frame(SETTINGS, 0, 0, &[]),
        &frame(HEADERS, WHOLE, 1, HEAD),
    ]
    .concat();
    to.write_all(&begin).unwrap();
    to.flush().unwrap();
    let (mut taken, mut opened, mut updates) = (0, 0, 0);
    while taken < LARGE {
        let read = Frame::read(&mut from).unwrap();
        assert_ne!(read.kind, GOAWAY, "after {taken} bytes and {updates} updates");
        if read.kind != DATA {
            continue;
        }
        taken += read.payload.len();
        while opened + SMALL <= taken {
            let more = u32::try_from(SMALL).unwrap().to_be_bytes();
            for stream in [0, 1] {
                to.write_all(&frame(WINDOW_UPDATE, 0, stream, &more)).unwrap();
            }
            (opened, updates) = (opened + SMALL, updates + 2);
        }
        to.flush().unwrap();
    }
    assert!(updates > 500_000, "{updates}");
}

#[test]
#[cfg(target_os = "linux")]
fn clients_who_take_no_answers_hold_bounded_memory() {
    let place = Place::new();
    let mesh = start(&place);
    let no_window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let requests: Vec<u8> = (0..200)
        .flat_map(|n| frame(HEADERS, WHOLE, 1 + 2 * n, HEAD))
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
    assert!(mebibytes(&mesh) < MOST_MEMORY, "{} MiB", mebibytes(&mesh));
    drop(clients);
}

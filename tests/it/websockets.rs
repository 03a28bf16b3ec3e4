//! WebSockets live through everything that changes around them.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    measure::{memory, open_files, size},
    mesh::{Place, flags, words},
    peer::Peer,
};

/// Descriptors that Mesh and this process need for other things.
const OTHER_FILES: usize = 300;

/// Opens a WebSocket.
pub(crate) fn open(web: SocketAddr, host: &str) -> TcpStream {
    let mut stream = TcpStream::connect(web).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(
        stream,
        "GET /chat HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    stream
}

/// Sends something over each, and gives the number of those it came back over.
fn alive(websockets: &mut [TcpStream], round: usize) -> usize {
    let message = format!("message of round {round:08}");
    let sent: Vec<_> = websockets
        .iter_mut()
        .map(|websocket| websocket.write_all(message.as_bytes()).is_ok())
        .collect();
    let mut echoed = vec![0; message.len()];
    let mut back = 0;
    for (websocket, sent) in websockets.iter_mut().zip(sent) {
        let comes_back = sent && websocket.read_exact(&mut echoed).is_ok();
        back += usize::from(comes_back && echoed == message.as_bytes());
    }
    back
}

/// The `change`-th configuration: a router comes, and the service of the WebSockets changes in every way.
fn document(change: usize, one: &str, two: &str) -> String {
    let servers = match change % 4 {
        0 => format!("[{{url: \"{one}\"}}]"),
        1 => format!(
            "[{{url: \"{one}\", weight: {}}}, {{url: \"{two}\"}}]",
            2 + change % 7
        ),
        2 => format!("[{{url: \"{two}\"}}]"),
        _ => format!(
            "[{{url: \"{two}\"}}, {{url: \"http://127.0.0.1:{}\"}}]",
            1 + change % 1000
        ),
    };
    // Left out now and then, which takes the router away once it was for long enough.
    let router = match change % 5 {
        4 => "",
        _ => "    ws: {rule: \"Host(`ws.test`)\", service: ws}\n",
    };
    format!(
        "http:\n  routers:\n{router}    v{change}: {{rule: \"Host(`v{change}.test`)\", service: other}}\n  \
         services:\n    ws: {{loadBalancer: {{servers: {servers}}}}}\n    \
         other: {{loadBalancer: {{servers: [{{url: \"{one}\"}}]}}}}\n"
    )
}

#[test]
#[cfg(target_os = "linux")]
fn no_websocket_ends_by_a_change_of_the_configuration() {
    let (wanted, changes) = (size("MESH_WEBSOCKETS", 1000), size("MESH_WEBSOCKET_CHANGES", 100));
    // Mesh and this process have both ends of half the connections each.
    let limit = open_files();
    let count = wanted.min(limit.saturating_sub(OTHER_FILES) / 2);
    if count < wanted {
        println!("{count} WebSockets instead of {wanted}: a process may open {limit} files");
    }
    let (place, one, two) = (Place::new(), Peer::named("one"), Peer::named("two"));
    let write = |text: &str| place.write("routes.yml", text);
    let flags = flags(&write(&document(0, &one.url(), &two.url())));
    let mesh = place.start(&words(&flags));
    mesh.eventually("v0.test", "/", |answer| answer.status == 200);
    let (begin, before) = (Instant::now(), memory(&mesh));
    let web = mesh.address("web");
    let mut websockets: Vec<_> = (0..count).map(|_| open(web, "ws.test")).collect();
    assert_eq!(alive(&mut websockets, 0), count);
    println!("{count} WebSockets opened in {:?}", begin.elapsed());
    let (begin, opened) = (Instant::now(), memory(&mesh));
    for change in 1..=changes {
        write(&document(change, &one.url(), &two.url()));
        mesh.eventually(&format!("v{change}.test"), "/", |answer| answer.status == 200);
        if change % (changes / 5).max(1) == 0 {
            assert_eq!(alive(&mut websockets, change), count, "after {change} changes");
        }
    }
    println!("{changes} changes in {:?}", begin.elapsed());
    // In the end nothing is left of what brought them to their server.
    write("http:\n  routers:\n    last: {rule: \"Host(`last.test`)\", service: noop@internal}\n");
    mesh.eventually("ws.test", "/", |answer| answer.status == 404);
    assert_eq!(alive(&mut websockets, changes + 1), count, "without their route");
    let after = memory(&mesh);
    println!("memory in KiB: {before} at first, {opened} with WebSockets, {after} after the changes");
    // A tunnel holds two sockets, and a small buffer for each way.
    assert!(
        opened - before < 2048 + 64 * count,
        "{} KiB each",
        (opened - before) / count
    );
}

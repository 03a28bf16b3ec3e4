//! A stop, seen by each kind of client. The test itself is the server, so that it knows what is under way.

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    http2::{DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEAD, HEADERS, PREFACE, SETTINGS, frame},
    mesh::{Mesh, Place, eventually, flags, routes, words},
};

/// What nobody should wait for longer.
const DEADLINE: Duration = Duration::from_secs(10);

/// The size of what is transferred while Mesh stops: more than all buffers on the way hold.
const LARGE: usize = 16 * 1024 * 1024;

const GET: &str = "GET / HTTP/1.1\r\nHost: one.test\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// Mesh in front of `server`.
struct Stand {
    mesh: Mesh,
    server: TcpListener,
    _place: Place,
}

impl Stand {
    fn new(more: &[&str]) -> Self {
        let (place, server) = (Place::new(), TcpListener::bind("127.0.0.1:0").unwrap());
        let url = format!("http://{}", server.local_addr().unwrap());
        let flags = flags(&place.write("routes.yml", &routes(&[("one", &url)])));
        let mesh = place.start(&[&words(&flags)[..], more].concat());
        eventually("readiness", || (mesh.ask("/ready").status == 200).then_some(()));
        Self {
            mesh,
            server,
            _place: place,
        }
    }

    /// A client that sends `bytes`, and the other end of the connection that they arrive on.
    fn send(&self, bytes: impl AsRef<[u8]>) -> (TcpStream, TcpStream) {
        let mut client = TcpStream::connect(self.mesh.address("web")).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client.write_all(bytes.as_ref()).unwrap();
        let (mut server, _) = self.server.accept().unwrap();
        server.set_read_timeout(Some(DEADLINE)).unwrap();
        read_until(&mut server, "\r\n\r\n");
        (client, server)
    }

    /// Asks Mesh to stop, and waits until it accepts no more.
    fn stop(&self) -> Instant {
        let web = self.mesh.address("web");
        let begin = Instant::now();
        self.mesh.signal("-TERM");
        eventually("the end of accepting", || TcpStream::connect(web).err());
        begin
    }

    fn ends_well(mut self) {
        assert_eq!(self.mesh.wait().code(), Some(0), "{:?}", self.mesh.log());
    }
}

fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "closed after {text:?}");
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

/// Everything up to an orderly end of the connection.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_stop_tells_clients_of_kept_connections_and_closes_idle_ones() {
    let stand = Stand::new(&[]);
    let (mut idle, mut server) = stand.send(GET);
    server.write_all(OK.as_bytes()).unwrap();
    read_until(&mut idle, "hello");
    drop(server);
    let (mut busy, mut server) = stand.send(GET);
    stand.stop();
    assert_eq!(rest(&mut idle), b"");
    server.write_all(OK.as_bytes()).unwrap();
    let answer = String::from_utf8(rest(&mut busy)).unwrap().to_lowercase();
    assert!(
        answer.contains("\r\nconnection: close\r\n") && answer.ends_with("hello"),
        "{answer}"
    );
    stand.ends_well();
}

#[test]
fn a_stop_lets_downloads_and_uploads_come_to_their_end() {
    let stand = Stand::new(&[]);
    let (mut download, mut from) = stand.send(GET);
    let part = vec![b'd'; LARGE / 2];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n");
    let sending = std::thread::spawn(move || {
        from.write_all(head.as_bytes()).unwrap();
        from.write_all(&part).unwrap();
        (from, part)
    });
    read_until(&mut download, "\r\n\r\n");
    let upload = format!("POST / HTTP/1.1\r\nHost: one.test\r\nContent-Length: {LARGE}\r\n\r\n");
    let (mut upload, mut to) = stand.send(upload);
    stand.stop();

    let receiving = std::thread::spawn(move || rest(&mut download));
    let (mut from, part) = sending.join().unwrap();
    from.write_all(&part).unwrap();
    let taken = receiving.join().unwrap();
    assert!(
        taken.len() == LARGE && taken.iter().all(|byte| *byte == b'd'),
        "{}",
        taken.len()
    );

    let reading = std::thread::spawn(move || {
        let mut body = vec![0; LARGE];
        to.read_exact(&mut body).unwrap();
        to.write_all(OK.as_bytes()).unwrap();
        body
    });
    upload.write_all(&vec![b'u'; LARGE]).unwrap();
    assert!(reading.join().unwrap().iter().all(|byte| *byte == b'u'));
    assert!(rest(&mut upload).ends_with(b"hello"));
    stand.ends_well();
}

#[test]
fn a_websocket_lives_until_the_grace_time_is_over_and_mesh_ends_well() {
    let stand = Stand::new(&["--entryPoints.web.transport.lifeCycle.graceTimeOut=1s"]);
    let (mut client, mut server) =
        stand.send("GET / HTTP/1.1\r\nHost: one.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    let accepted = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    server.write_all(accepted.as_bytes()).unwrap();
    read_until(&mut client, "\r\n\r\n");
    let begin = stand.stop();
    client.write_all(b"ping").unwrap();
    read_until(&mut server, "ping");
    server.write_all(b"pong").unwrap();
    read_until(&mut client, "pong");
    let mut byte = [0];
    let end = client.read(&mut byte);
    let is_cut = match &end {
        Ok(length) => *length == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    };
    assert!(is_cut, "{end:?}");
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    stand.ends_well();
}

/// The next frame; `None` at the end. Answers what wants an answer.
fn next_frame(stream: &mut TcpStream) -> Option<Frame> {
    let frame = Frame::read(stream)?;
    frame.answer(stream);
    Some(frame)
}

#[test]
fn a_stop_sends_goaway_over_http2_and_lets_streams_complete() {
    let stand = Stand::new(&[]);
    let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, HEAD);
    let (mut client, mut server) = stand.send([PREFACE, &frame(SETTINGS, 0, 0, &[]), &request].concat());
    stand.stop();
    while next_frame(&mut client).unwrap().kind != GOAWAY {}
    server.write_all(OK.as_bytes()).unwrap();
    let mut body = Vec::new();
    let is_whole = loop {
        match next_frame(&mut client) {
            Some(frame) if frame.kind == DATA => {
                body.extend(frame.payload);
                if frame.flags & END_STREAM != 0 {
                    break true;
                }
            }
            Some(_) => {}
            None => break false,
        }
    };
    assert!(
        is_whole && body == b"hello",
        "{:?}",
        String::from_utf8_lossy(&body)
    );
    while next_frame(&mut client).is_some() {}
    stand.ends_well();
}

#[test]
fn a_request_whose_body_is_on_its_way_as_http2_says_goaway_is_served_whole() {
    let stand = Stand::new(&[]);
    // POST http://one.test/ with a body that has not begun.
    let head = [b"\x83", &HEAD[1..]].concat();
    let request = frame(HEADERS, END_HEADERS, 1, &head);
    let (mut client, mut server) = stand.send([PREFACE, &frame(SETTINGS, 0, 0, &[]), &request].concat());
    client.write_all(&frame(DATA, 0, 1, b"first ")).unwrap();
    stand.stop();
    let goaway = loop {
        let frame = next_frame(&mut client).unwrap();
        if frame.kind == GOAWAY {
            break frame;
        }
    };
    assert_eq!(goaway.payload[4..8], [0; 4], "not without an error");
    client.write_all(&frame(DATA, 0, 1, b"second ")).unwrap();
    client.write_all(&frame(DATA, END_STREAM, 1, b"last")).unwrap();
    let mut body = String::new();
    while !body.contains("0\r\n\r\n") {
        body.push_str(&read_until(&mut server, "\r\n"));
    }
    let data: Vec<_> = body.split("\r\n").skip(1).step_by(2).collect();
    assert_eq!(data.concat(), "first second last", "{body:?}");
    server.write_all(OK.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let is_whole = loop {
        match next_frame(&mut client) {
            Some(frame) if frame.kind == DATA => {
                answer.extend(frame.payload);
                if frame.flags & END_STREAM != 0 {
                    break true;
                }
            }
            Some(_) => {}
            None => break false,
        }
    };
    assert!(is_whole && answer == b"hello", "{answer:?}");
    while next_frame(&mut client).is_some() {}
    stand.ends_well();
}

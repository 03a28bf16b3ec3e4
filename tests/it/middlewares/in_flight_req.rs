//! `inFlightReq`.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use serde_json::{Value, json};

use super::{Behind, Noted, ok};
use crate::mesh::eventually;

/// Answers `/slow` when it is told to, and says so when it is asked.
fn gate() -> (Sender<()>, Receiver<()>, impl Fn(&Noted) -> String + Send + Sync) {
    let ((open, opened), (came, arrived)) = (channel(), channel());
    let (opened, came) = (Mutex::new(opened), Mutex::new(came));
    let answer = move |noted: &Noted| {
        if noted.target() == "/slow" {
            came.lock().unwrap().send(()).unwrap();
            let _open = opened.lock().unwrap().recv();
        }
        if noted.header("upgrade").is_some() {
            return "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
                .to_owned();
        }
        ok("hello")
    };
    (open, arrived, answer)
}

fn limit(more: &Value) -> Value {
    let mut options = json!({"amount": 1});
    options
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({ "inFlightReq": options })
}

#[test]
fn a_request_beyond_the_limit_of_its_host_is_refused_until_another_one_is_over() {
    let (open, arrived, answer) = gate();
    let behind = Behind::before(&[("limit", limit(&json!({})))], answer);
    thread::scope(|scope| {
        let slow = scope.spawn(|| behind.ask("GET /slow HTTP/1.1"));
        arrived.recv().unwrap();
        let refused = behind.ask("GET / HTTP/1.1");
        assert_eq!(
            (refused.status, refused.text().as_str()),
            (429, "max connections reached: 1")
        );
        let other = behind.send("GET / HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n");
        assert_eq!(other.status, 200, "another host has places of its own");
        open.send(()).unwrap();
        assert_eq!(slow.join().unwrap().status, 200);
    });
    eventually("a free place", || {
        (behind.ask("GET / HTTP/1.1").status == 200).then_some(())
    });
}

#[test]
fn a_websocket_counts_as_long_as_it_is_open() {
    let (_open, _arrived, answer) = gate();
    let criterion = json!({"sourceCriterion": {"requestHeaderName": "X-Tenant"}});
    let behind = Behind::before(&[("limit", limit(&criterion))], answer);
    let mut socket = TcpStream::connect(behind.mesh.address("web")).unwrap();
    socket
        .write_all(
            b"GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\nX-Tenant: blue\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .unwrap();
    let mut start = [0; 12];
    socket.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 101");
    assert_eq!(behind.ask("GET / HTTP/1.1\r\nX-Tenant: blue").status, 429);
    assert_eq!(behind.ask("GET / HTTP/1.1\r\nX-Tenant: red").status, 200);
    drop(socket);
    eventually("the end of the tunnel", || {
        (behind.ask("GET / HTTP/1.1\r\nX-Tenant: blue").status == 200).then_some(())
    });
}

#[test]
fn nothing_passes_a_limit_of_0_and_two_criteria_are_refused() {
    let none = Behind::of(&[("limit", json!({"inFlightReq": {"amount": 0}}))]);
    assert_eq!(none.ask("GET / HTTP/1.1").status, 429);
    let both = json!({"sourceCriterion": {"requestHost": true, "requestHeaderName": "X-A"}});
    let broken = Behind::of(&[("limit", limit(&both))]);
    assert_eq!(broken.ask("GET / HTTP/1.1").status, 503);
    let state = broken.state("limit")["error"].to_string();
    assert!(
        state.contains("sourceCriterion") && state.contains("keep one of"),
        "{state}"
    );
}

#[test]
fn a_host_is_one_source_however_it_is_spelled() {
    let (open, arrived, answer) = gate();
    let behind = Behind::before(&[("limit", limit(&json!({})))], answer);
    thread::scope(|scope| {
        let slow = scope.spawn(|| behind.ask("GET /slow HTTP/1.1"));
        arrived.recv().unwrap();
        for host in ["A.test", "a.test:80", "a.test."] {
            let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            assert_eq!(behind.send(request).status, 429, "{host}");
        }
        open.send(()).unwrap();
        assert_eq!(slow.join().unwrap().status, 200);
    });
}

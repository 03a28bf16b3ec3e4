//! `buffering` through the binary.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::json;

use super::{Behind, answer, ok};

const KIB: usize = 1024;

fn post(body: &[u8]) -> Vec<u8> {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ";
    [format!("{head}{}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

#[test]
fn chunks_become_a_length_in_memory_and_in_a_file() {
    let settings = json!({"buffering": {"memRequestBodyBytes": 100, "memResponseBodyBytes": 100}});
    let chunked = |body: &str| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
    };
    let behind = Behind::before(&[("buffering", settings)], move |noted| {
        chunked(std::str::from_utf8(&noted.body).unwrap())
    });
    for length in [50, 300 * KIB] {
        let body = "x".repeat(length);
        let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
        let got = behind.send(format!("{head}{length:x}\r\n{body}\r\n0\r\n\r\n"));
        let announced = length.to_string();
        let noted = behind.server.last();
        assert_eq!(noted.header("content-length"), Some(announced.as_str()));
        assert!(noted.body == body.as_bytes(), "{length}");
        assert_eq!(got.header("content-length"), Some(announced.as_str()));
        assert_eq!(got.header("transfer-encoding"), None);
        assert!(got.body == body.as_bytes(), "{length}");
    }
}

#[test]
fn no_byte_of_a_request_is_passed_on_before_the_last_has_come() {
    let behind = Behind::of(&[("buffering", json!({"buffering": {}}))]);
    let mut stream = TcpStream::connect(behind.mesh.address("web")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = post(b"abcdef");
    let (first, last) = request.split_at(request.len() - 1);
    stream.write_all(first).unwrap();
    // Another one is answered meanwhile, so that the first had its time.
    assert_eq!(behind.ask("GET /other HTTP/1.1").status, 200);
    assert_eq!(behind.server.noted().len(), 1);
    stream.write_all(last).unwrap();
    let mut got = String::new();
    stream.read_to_string(&mut got).unwrap();
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    assert_eq!(behind.server.last().body, b"abcdef");
}

#[test]
fn what_is_too_long_is_not_passed_on() {
    let settings = json!({"buffering": {"maxRequestBodyBytes": 5, "maxResponseBodyBytes": 5}});
    let behind = Behind::before(&[("buffering", settings)], |noted| match noted.target() {
        "/long" => ok("abcdef"),
        "/chunked" => {
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n".to_owned()
        }
        _ => ok("abcde"),
    });
    assert_eq!(behind.send(post(b"abcde")).status, 200);
    let sent = behind.server.noted().len();
    assert_eq!(behind.send(post(b"abcdef")).status, 413);
    let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(behind.send(format!("{head}6\r\nabcdef\r\n0\r\n\r\n")).status, 413);
    assert_eq!(behind.server.noted().len(), sent, "neither reached the server");
    for target in ["/long", "/chunked"] {
        let got = behind.ask(&format!("GET {target} HTTP/1.1"));
        assert_eq!(got.status, 500, "{target}");
        assert!(!got.text().contains("abc"), "{target}");
    }
    let head = behind.ask("HEAD /long HTTP/1.1");
    assert_eq!((head.status, head.header("content-length")), (200, Some("6")));
}

#[test]
fn an_expression_sends_a_request_again_with_its_body() {
    let expression = "ResponseCode() == 503 && RequestMethod() == \"POST\" && Attempts() < 3";
    let asked = AtomicUsize::new(0);
    let settings = json!({"buffering": {"retryExpression": expression, "memRequestBodyBytes": 2}});
    let behind = Behind::before(&[("buffering", settings)], move |_| {
        match asked.fetch_add(1, Ordering::Relaxed) {
            2 => ok("third"),
            _ => answer("503 Service Unavailable", "X-Dropped: 1\r\n", "no"),
        }
    });
    let got = behind.send(post(b"abcdef"));
    assert_eq!(
        (got.status, got.text().as_str(), got.header("x-dropped")),
        (200, "third", None)
    );
    let bodies: Vec<_> = behind
        .server
        .noted()
        .into_iter()
        .map(|noted| noted.body)
        .collect();
    assert_eq!(bodies, [b"abcdef"; 3]);
    assert_eq!(behind.ask("GET / HTTP/1.1").status, 503, "it is no POST");
    assert_eq!(behind.server.noted().len(), 4);
}

#[test]
fn an_answer_that_breaks_off_is_one_of_502() {
    let asked = AtomicUsize::new(0);
    let settings = json!({"buffering": {"retryExpression": "IsNetworkError() && Attempts() < 2"}});
    let behind = Behind::before(&[("buffering", settings)], move |_| {
        match asked.fetch_add(1, Ordering::Relaxed) {
            1 => ok("whole"),
            _ => "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nhalf".to_owned(),
        }
    });
    assert_eq!(behind.ask("GET / HTTP/1.1").text(), "whole");
    assert_eq!(behind.ask("GET / HTTP/1.1").status, 502);
    assert_eq!(behind.server.noted().len(), 4);
}

#[test]
fn another_protocol_passes() {
    let behind = Behind::before(&[("buffering", json!({"buffering": {}}))], |_| {
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello"
            .to_owned()
    });
    let mut stream = TcpStream::connect(behind.mesh.address("web")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        .unwrap();
    let mut got = Vec::new();
    while !got.ends_with(b"hello") {
        let mut part = [0; 100];
        let length = stream.read(&mut part).unwrap();
        assert!(length > 0, "{}", String::from_utf8_lossy(&got));
        got.extend_from_slice(&part[..length]);
    }
    assert!(got.starts_with(b"HTTP/1.1 101"));
}

#[test]
fn an_expression_that_is_none_is_refused() {
    let settings = json!({"buffering": {"retryExpression": "Latency() > 1"}});
    let behind = Behind::of(&[("buffering", settings)]);
    assert_eq!(behind.ask("GET / HTTP/1.1").status, 503);
    let error = behind.state("buffering")["error"].to_string();
    assert!(error.contains("Latency is unknown"), "{error}");
}

//! `compress` through the binary.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::json;

use super::{Behind, Raw, answer, document};

/// Text that is worth it.
fn text() -> String {
    "All work and no play makes Jack a dull boy.\n".repeat(100)
}

/// Answers as the target says.
fn server(noted: &super::Noted) -> String {
    let html = "Content-Type: text/html\r\nETag: \"1\"\r\nAccept-Ranges: bytes\r\n";
    match noted.target() {
        "/short" => answer("200 OK", html, "short"),
        "/encoded" => answer("200 OK", "Content-Encoding: br\r\n", &text()),
        "/png" => answer("200 OK", "Content-Type: image/png\r\n", &text()),
        "/chunked" => format!(
            "HTTP/1.1 200 OK\r\n{html}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
            text().len(),
            text()
        ),
        "/chunked/short" => {
            format!("HTTP/1.1 200 OK\r\n{html}Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n0\r\n\r\n")
        }
        "/broken" => {
            format!("HTTP/1.1 200 OK\r\n{html}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsh")
        }
        "/none" => format!("HTTP/1.1 304 Not Modified\r\n{html}\r\n"),
        _ => answer("200 OK", html, &text()),
    }
}

fn behind() -> Behind {
    let settings = json!({"compress": {"excludedContentTypes": ["image/png"], "defaultEncoding": "zstd"}});
    Behind::before(&[("compress", settings)], server)
}

fn get(behind: &Behind, target: &str, accepted: &str) -> Raw {
    behind.ask(&format!("GET {target} HTTP/1.1\r\nAccept-Encoding: {accepted}"))
}

fn decoded(answer: &Raw) -> String {
    let bytes = answer.bytes();
    let mut text = String::new();
    let mut reader: Box<dyn Read> = match answer.header("content-encoding") {
        Some("gzip") => Box::new(flate2::read::GzDecoder::new(bytes.as_slice())),
        Some("br") => Box::new(brotli::Decompressor::new(bytes.as_slice(), 4096)),
        Some("zstd") => Box::new(zstd::Decoder::new(bytes.as_slice()).unwrap()),
        other => panic!("{other:?}"),
    };
    reader.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn clients_get_the_coding_that_they_like_best() {
    let behind = behind();
    for (accepted, coding) in [
        ("gzip", "gzip"),
        ("gzip;q=0.5, br", "br"),
        ("*", "zstd"),
        ("zstd, br, gzip", "gzip"),
    ] {
        for target in ["/", "/chunked"] {
            let got = get(&behind, target, accepted);
            assert_eq!(
                got.header("content-encoding"),
                Some(coding),
                "{accepted} {target}"
            );
            assert_eq!(decoded(&got), text());
            assert_eq!(
                (got.header("etag"), got.header("vary")),
                (Some("W/\"1\""), Some("Accept-Encoding"))
            );
            assert_eq!(
                (got.header("content-length"), got.header("accept-ranges")),
                (None, None)
            );
            assert!(got.body.len() < 300, "{}", got.body.len());
        }
    }
    let silent = behind.ask("GET / HTTP/1.1");
    assert_eq!(
        (silent.header("content-encoding"), decoded(&silent)),
        (Some("zstd"), text())
    );
}

#[test]
fn what_is_to_stay_as_it_is_stays() {
    let behind = behind();
    for (target, accepted, encoding, varies) in [
        ("/", "", None, true),
        ("/", "identity, gzip;q=0.1", None, true),
        ("/short", "gzip", None, true),
        ("/chunked/short", "gzip", None, true),
        ("/encoded", "gzip", Some("br"), false),
        ("/png", "gzip", None, false),
        ("/none", "gzip", None, true),
    ] {
        let got = get(&behind, target, accepted);
        assert_eq!(got.header("content-encoding"), encoding, "{target} {accepted}");
        assert_eq!(got.header("vary").is_some(), varies, "{target} {accepted}");
        let expected = match target {
            "/short" | "/chunked/short" => "short".to_owned(),
            "/none" => String::new(),
            _ => text(),
        };
        assert_eq!(got.text(), expected, "{target}");
    }
    let head = behind.ask("HEAD / HTTP/1.1\r\nAccept-Encoding: gzip");
    assert_eq!(head.header("content-encoding"), None);
    assert_eq!(head.header("vary"), Some("Accept-Encoding"));
    assert_eq!(
        head.header("content-length"),
        Some(text().len().to_string().as_str())
    );
    assert_eq!(
        get(&behind, "/broken", "gzip").status,
        502,
        "nothing of it was sent"
    );
}

#[test]
fn events_reach_the_client_one_by_one_and_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, next) = mpsc::channel::<()>();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _request = stream.read(&mut [0; 4096]).unwrap();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        // Each event waits until the client has the one before, the first until it has the head.
        for _ in 0..3 {
            next.recv().unwrap();
            stream.write_all(b"b\r\ndata: 123\n\n\r\n").unwrap();
        }
        stream.write_all(b"0\r\n\r\n").unwrap();
    });
    let behind = behind();
    let mut live = document(&[("compress", json!({"compress": {}}))], &behind.server);
    live["http"]["services"]["all"]["loadBalancer"]["servers"][0]["url"] = json!(format!("http://{address}"));
    live["http"]["routers"]["all"]["rule"] = json!("Path(`/live`)");
    behind.write(&live);
    crate::mesh::eventually("the other server", || {
        (behind.ask("GET / HTTP/1.1").status == 404).then_some(())
    });
    let mut stream = TcpStream::connect(behind.mesh.address("web")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = "GET /live HTTP/1.0\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut one = [0];
        stream.read_exact(&mut one).unwrap();
        head.push(one[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut decoder = flate2::read::GzDecoder::new(stream);
    for _ in 0..3 {
        seen.send(()).unwrap();
        let mut event = [0; 11];
        decoder.read_exact(&mut event).unwrap();
        assert_eq!(&event, b"data: 123\n\n");
    }
    let mut rest = Vec::new();
    decoder.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
}

#[test]
fn codings_that_contradict_are_refused() {
    let settings = json!({"compress": {"encodings": ["br"], "defaultEncoding": "gzip"}});
    let behind = Behind::of(&[("compress", settings)]);
    assert_eq!(behind.ask("GET / HTTP/1.1").status, 503);
    assert!(
        behind.state("compress")["error"]
            .to_string()
            .contains("defaultEncoding")
    );
}

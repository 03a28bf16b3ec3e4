//! The lines before the body.

use super::{Row, Stand};
use crate::measure::mebibytes;

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";

/// A request with one odd line among its fields.
fn with(line: &str) -> String {
    format!("GET /g HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n{HIDDEN}")
}

#[test]
fn a_field_that_is_none_is_refused() {
    let stand = Stand::echoing();
    let lines = [
        "X A: b",
        "X-A : b",
        "X-A\t: b",
        ": b",
        "X\0A: b",
        "X(A): b",
        "\"X\": b",
        "X@A: b",
        "X[A]: b",
        "{X}: b",
        "X/A: b",
        "X",
        "X A",
        "\u{e9}: b",
        "X: a\0b",
        "X: a\rb",
        "X: a\r",
        "X: a\x07b",
        "X: a\x7fb",
        "X: a\r\n b",
        "X: a\r\n\tb",
        "X: a\r\n \r\nY: b",
        "X: a\r\r\nY: b",
    ];
    stand.play(lines.map(|line| Row::refused(with(line))));
    stand.play([
        Row::refused(format!(
            "GET /g HTTP/1.1\r\n Host: evil\r\nHost: h\r\n\r\n{HIDDEN}"
        )),
        Row::refused(format!("GET /g HTTP/1.1\r\n\tX: a\r\nHost: h\r\n\r\n{HIDDEN}")),
        Row::refused(format!("GET /g HTTP/1.1\rHost: h\r\r{HIDDEN}")),
    ]);
    let mut latin = b"GET /g HTTP/1.1\r\nHost: h\r\nX\xe9: b\r\n\r\n".to_vec();
    latin.extend_from_slice(HIDDEN.as_bytes());
    stand.play([Row::refused(latin)]);
}

#[test]
fn line_ends_without_cr_are_refused() {
    let stand = Stand::echoing();
    for head in [
        "GET /g HTTP/1.1\nHost: h\n\n",
        "GET /g HTTP/1.1\nHost: h\r\n\r\n",
        "GET /g HTTP/1.1\r\nHost: h\nX: a\r\n\r\n",
        "GET /g HTTP/1.1\r\nHost: h\r\nX: a\n\n",
        "GET /g HTTP/1.1\r\nHost: h\r\nX: a\r\n\n",
        "GET /g HTTP/1.1\r\nHost: h\n\r\n",
        "\nGET /g HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST /g HTTP/1.1\r\nHost: h\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /g HTTP/1.1\r\nHost: h\r\nX: y\nContent-Length: 2\r\n\r\nhi",
    ] {
        stand.play([Row::refused(format!("{head}{HIDDEN}"))]);
    }
    let trailers = "POST /g HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\nY: b\r\n\r\n";
    stand.play([Row::refused(format!("{trailers}{HIDDEN}")).broken_off()]);
    // Empty lines before a request are nothing (RFC 9112 2.2).
    let seen = [("GET /g", ""), ("GET /hidden", "")];
    let head = "\r\n\r\nGET /g HTTP/1.1\r\nHost: h\r\n\r\n";
    stand.play([Row::becomes(format!("{head}{HIDDEN}"), &seen)]);
}

#[test]
fn a_request_line_that_is_none_is_refused() {
    let stand = Stand::echoing();
    for line in [
        "GET  /g HTTP/1.1",
        "GET\t/g HTTP/1.1",
        " GET /g HTTP/1.1",
        "GET /g  HTTP/1.1",
        "GET /g HTTP/1.1 ",
        "GET /g d HTTP/1.1",
        "GET /g",
        "GET /g HTTP/1.10",
        "GET /g HTTP/1.2",
        "GET /g HTTP/2.0",
        "GET /g HTTP/0.9",
        "GET /g HTTP/1",
        "GET /g http/1.1",
        "GET /g HTTPS/1.1",
        "GET /g\0 HTTP/1.1",
        "GET /g\x0b HTTP/1.1",
        "GET /\x7f HTTP/1.1",
        "G(T /g HTTP/1.1",
        "G\0T /g HTTP/1.1",
        "/g HTTP/1.1",
        "GET HTTP/1.1",
        "PROXY TCP4 6.6.6.6 127.0.0.1 1 80",
        "\r\n\r\n\r\n\0GET /g HTTP/1.1",
    ] {
        stand.play([Row::refused(format!("{line}\r\nHost: h\r\n\r\n{HIDDEN}"))]);
    }
}

#[test]
fn methods_are_kept_as_they_are_and_those_of_proxies_are_405() {
    let stand = Stand::echoing();
    for method in ["GET", "DELETE", "PATCH", "PROPFIND", "get", "X-1"] {
        let line = format!("{method} /g");
        stand.play([Row::becomes(
            format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n{HIDDEN}"),
            &[(&line, ""), ("GET /hidden", "")],
        )]);
    }
    stand.play([
        Row::refused_with(
            405,
            format!("CONNECT evil:80 HTTP/1.1\r\nHost: evil:80\r\n\r\n{HIDDEN}"),
        ),
        Row::refused_with(405, format!("TRACE /g HTTP/1.1\r\nHost: h\r\n\r\n{HIDDEN}")),
    ]);
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let stand = Stand::new(
        super::Recorder::new(|_, _| super::Act::Echo),
        &["--entryPoints.web.http.maxHeaderBytes=16384"],
    );
    let fields = |count: usize| "X: y\r\n".repeat(count);
    stand.play([
        Row::refused_with(
            431,
            format!(
                "GET /g HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n{HIDDEN}",
                "x".repeat(20_000)
            ),
        ),
        Row::refused_with(
            431,
            format!("GET /g HTTP/1.1\r\nHost: h\r\n{}\r\n{HIDDEN}", fields(2000)),
        ),
        Row::refused_with(
            431,
            format!("GET /g HTTP/1.1\r\nHost: h\r\nX: {}", "x".repeat(4 << 20)),
        ),
    ]);
    let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n{HIDDEN}", "x".repeat(65_536));
    let text = stand.talk(long.as_bytes(), false);
    assert!(
        text.starts_with("HTTP/1.1 414") || text.starts_with("HTTP/1.1 431"),
        "{text}"
    );
    stand.bystander("a long target");
}

#[test]
#[cfg(target_os = "linux")]
fn heads_without_measure_are_refused_within_bounded_memory() {
    let stand = Stand::echoing();
    let before = mebibytes(&stand.mesh);
    let fields = |count: usize| "X: y\r\n".repeat(count);
    let endless = |size: usize| "x".repeat(size);
    for head in [
        format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", endless(70_000)),
        format!("GET /?{} HTTP/1.1\r\nHost: h\r\n\r\n", endless(70_000)),
        format!("GET /g HTTP/1.1\r\nHost: h\r\n{}\r\n", fields(2000)),
        format!("GET /g HTTP/1.1\r\nHost: h\r\nX: {}", endless(4 << 20)),
        format!("GET /g HTTP/1.1\r\nHost: h\r\n{}", fields(700_000)),
        format!("GET /{}", endless(4 << 20)),
        endless(4 << 20),
        "\r\n".repeat(2 << 20),
    ] {
        let text = stand.talk(head.as_bytes(), false);
        let statuses = super::stand::statuses(&text);
        assert!(
            matches!(statuses[..], [400 | 414 | 431]),
            "{}: {text}",
            &head[..40]
        );
        stand.bystander(&head[..40]);
    }
    // Many at a time, none of which comes to an end.
    let clients: Vec<_> = (0..100)
        .map(|_| {
            let mut caller = super::Caller::new(&stand);
            caller.send(format!("GET /g HTTP/1.1\r\nHost: h\r\nX: {}", endless(100_000)));
            caller
        })
        .collect();
    stand.bystander("many heads");
    let grown = mebibytes(&stand.mesh) - before;
    assert!(grown < 64, "{grown} MiB");
    drop(clients);
    let seen = stand.server.requests();
    assert!(
        seen.iter()
            .all(|request| request.target.starts_with("/bystander")),
        "{seen:?}"
    );
}

#[test]
fn a_large_head_within_the_limit_passes_whole() {
    let stand = Stand::echoing();
    let large = "x".repeat(60_000);
    let seen = [("GET /g", ""), ("GET /hidden", "")];
    let head = format!("GET /g HTTP/1.1\r\nHost: h\r\nX: {large}\r\nY: {large}\r\n\r\n");
    stand.play([Row::becomes(format!("{head}{HIDDEN}"), &seen)]);
    let requests = stand.server.requests();
    assert_eq!(
        (requests[0].values("x"), requests[0].values("y")),
        (vec![&*large], vec![&*large])
    );
}

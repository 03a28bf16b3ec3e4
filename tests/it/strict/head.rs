//! The lines before the body.

use super::{Row, Stand};

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
fn a_line_end_without_cr_is_refused_and_empty_lines_before_a_request_are_not() {
    let stand = Stand::echoing();
    for head in [
        "GET /g HTTP/1.1\nHost: h\n\n",
        "GET /g HTTP/1.1\r\nHost: h\nX: a\r\n\r\n",
        "GET /g HTTP/1.1\r\nHost: h\r\nX: a\n\n",
        "\nGET /g HTTP/1.1\r\nHost: h\r\n\r\n",
    ] {
        stand.play([Row::refused(format!("{head}{HIDDEN}"))]);
    }
    stand.play([Row::becomes(
        format!("\r\n\r\nGET /g HTTP/1.1\r\nHost: h\r\n\r\n{HIDDEN}"),
        &[("GET /g", ""), ("GET /hidden", "")],
    )]);
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

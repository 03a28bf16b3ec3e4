//! `grpcWeb` through the binary. The server speaks as one of gRPC does, over HTTP/1.1.

use serde_json::json;

use super::{Behind, Noted, Raw, ok};

/// A message of gRPC: `hello`.
const MESSAGE: &str = "\0\0\0\0\x05hello";

/// The same in Base64, by what clients of gRPC-Web write it with.
const TEXT: &str = "AAAAAAVoZWxsbw==";

/// Answers requests of gRPC with their message and trailers, others as they are.
fn server(noted: &Noted) -> String {
    if noted.header("content-type") != Some("application/grpc+proto") {
        return ok("plain");
    }
    let body = std::str::from_utf8(&noted.body).unwrap();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/grpc+proto\r\nTrailer: grpc-status\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\ngrpc-status: 0\r\n\r\n",
        body.len()
    )
}

fn behind() -> Behind {
    let settings = json!({"grpcWeb": {"allowOrigins": ["https://a.example"]}});
    Behind::before(&[("web", settings)], server)
}

fn post(behind: &Behind, kind: &str, body: &str) -> Raw {
    behind.send(format!(
        "POST /a.B/C HTTP/1.1\r\nHost: a\r\nConnection: close\r\nOrigin: https://a.example\r\n\
         Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

#[test]
fn a_message_goes_to_the_server_as_grpc_and_comes_back_with_its_trailers() {
    let behind = behind();
    let got = post(&behind, "application/grpc-web+proto", MESSAGE);
    assert_eq!(got.header("content-type"), Some("application/grpc-web+proto"));
    let expected = [MESSAGE.as_bytes(), b"\x80\0\0\0\x10grpc-status: 0\r\n"].concat();
    assert_eq!(got.bytes(), expected);
    assert_eq!(
        got.header("access-control-allow-origin"),
        Some("https://a.example")
    );
    assert_eq!(got.header("access-control-allow-credentials"), Some("true"));
    let exposed = got.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("grpc-status"), "{exposed}");
    let noted = behind.server.last();
    assert_eq!(
        (noted.header("te"), noted.body.as_slice()),
        (Some("trailers"), MESSAGE.as_bytes())
    );
}

#[test]
fn text_is_read_and_written() {
    let behind = behind();
    let got = post(&behind, "application/grpc-web-text+proto", TEXT);
    assert_eq!(
        got.header("content-type"),
        Some("application/grpc-web-text+proto")
    );
    assert_eq!(behind.server.last().body, MESSAGE.as_bytes());
    // Whether there is padding between depends on how the answer came.
    let text = got.text();
    let trailers = "gAAAABBncnBjLXN0YXR1czogMA0K";
    let joined = "AAAAAAVoZWxsb4AAAAAQZ3JwYy1zdGF0dXM6IDANCg==";
    assert!(text == format!("{TEXT}{trailers}") || text == joined, "{text}");

    let wrong = post(&behind, "application/grpc-web-text+proto", "AAA?");
    assert_eq!(wrong.status, 400);
}

#[test]
fn browsers_that_ask_first_are_answered_and_others_pass() {
    let behind = behind();
    let preflight = |origin: &str| {
        behind.ask(&format!(
            "OPTIONS /a.B/C HTTP/1.1\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: content-type,x-grpc-web"
        ))
    };
    let allowed = preflight("https://a.example");
    assert_eq!(allowed.status, 204);
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        Some("https://a.example")
    );
    assert_eq!(
        allowed.header("access-control-allow-headers"),
        Some("content-type, x-grpc-web")
    );
    assert_eq!(
        preflight("https://b.example").header("access-control-allow-origin"),
        None
    );
    assert!(behind.server.noted().is_empty());

    let other = post(&behind, "application/json", "{}");
    assert_eq!(
        (other.text().as_str(), other.header("access-control-allow-origin")),
        ("plain", None)
    );
    assert_eq!(behind.ask("OPTIONS / HTTP/1.1").text(), "plain");
}

#[test]
fn what_is_no_origin_is_refused() {
    let behind = Behind::of(&[("web", json!({"grpcWeb": {"allowOrigins": ["a.example"]}}))]);
    assert_eq!(behind.ask("GET / HTTP/1.1").status, 503);
    assert!(behind.state("web")["error"].to_string().contains("allowOrigins"));
}

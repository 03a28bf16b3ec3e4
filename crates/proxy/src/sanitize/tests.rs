//! What a sanitized request looks like.

use http::Request;

use super::*;
use crate::settings::ForwardedHeaders;

fn settings(trusted: bool) -> EntryPoint {
    let mut settings = EntryPoint::new(":0".parse().unwrap());
    settings.forwarded_headers.insecure = trusted;
    settings
}

fn peer(settings: &ForwardedHeaders) -> Peer {
    Peer::new(
        [192, 0, 2, 7].into(),
        HeaderValue::from_static("edge-1"),
        settings,
    )
}

fn run(
    settings: &EntryPoint,
    uri: &str,
    headers: &[(&str, &str)],
) -> Result<(request::Parts, Sanitized), Rejection> {
    let mut request = Request::builder().uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (mut head, ()) = request.body(()).unwrap().into_parts();
    let sanitized = sanitize(&mut head, &peer(&settings.forwarded_headers), settings)?;
    append_peer(
        &mut head.headers,
        &peer(&settings.forwarded_headers),
        &settings.forwarded_headers,
    );
    Ok((head, sanitized))
}

fn header<'h>(head: &'h request::Parts, name: &str) -> Vec<&'h str> {
    head.headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect()
}

#[test]
fn how_the_body_was_framed_is_not_told() {
    let (head, _) = run(
        &settings(false),
        "/",
        &[("host", "h"), ("transfer-encoding", "Chunked")],
    )
    .unwrap();
    assert!(
        header(&head, "transfer-encoding").is_empty(),
        "framing was copied"
    );
}

#[test]
fn exactly_one_valid_host_is_asked_for() {
    for hosts in [
        &[][..],
        &[("host", "a"), ("host", "b")],
        &[("host", "a, b")],
        &[("host", "")],
    ] {
        assert_eq!(
            run(&settings(false), "/", hosts).unwrap_err(),
            Rejection::Host,
            "{hosts:?}"
        );
    }
}

#[test]
fn the_authority_of_an_absolute_target_wins_over_host() {
    let (head, _) = run(
        &settings(false),
        "http://a.example:81/x/../y?q",
        &[("host", "evil")],
    )
    .unwrap();
    assert_eq!(header(&head, "host"), ["a.example:81"]);
    assert_eq!(head.uri, "/y?q");
    let userinfo = run(&settings(false), "http://u@a.example/", &[("host", "a.example")]);
    assert_eq!(userinfo.unwrap_err(), Rejection::Host);
    let scheme = run(&settings(false), "ftp://a.example/", &[("host", "a.example")]);
    assert_eq!(scheme.unwrap_err(), Rejection::Target);
}

#[test]
fn targets_without_a_path_are_refused() {
    for target in ["example.com:80", "*"] {
        let refused = run(&settings(false), target, &[("host", "h")]);
        assert_eq!(refused.unwrap_err(), Rejection::Target, "{target}");
    }
}

#[test]
fn what_an_untrusted_peer_claims_is_replaced() {
    let claims = [
        ("host", "a.example:8080"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-for", "7.7.7.7"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-prefix", "/evil"),
        ("x-real-ip", "6.6.6.6"),
        ("forwarded", "for=6.6.6.6"),
        ("x_forwarded_for", "6.6.6.6"),
        ("x-forwarded.host", "evil"),
    ];
    let (head, _) = run(&settings(false), "/", &claims).unwrap();
    for (name, values) in [
        ("x-forwarded-for", vec!["192.0.2.7"]),
        ("x-forwarded-host", vec!["a.example:8080"]),
        ("x-forwarded-proto", vec!["http"]),
        ("x-forwarded-port", vec!["8080"]),
        ("x-forwarded-server", vec!["edge-1"]),
        ("x-real-ip", vec!["192.0.2.7"]),
        ("x-forwarded-prefix", vec![]),
        ("forwarded", vec![]),
        ("x_forwarded_for", vec![]),
        ("x-forwarded.host", vec![]),
    ] {
        assert_eq!(header(&head, name), values, "{name}");
    }
}

#[test]
fn what_a_trusted_peer_says_is_kept_and_added_to() {
    let says = [
        ("host", "a.example"),
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-for", "2.2.2.2"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-server", "other"),
    ];
    let (head, _) = run(&settings(true), "/", &says).unwrap();
    assert_eq!(header(&head, "x-forwarded-for"), ["1.1.1.1, 2.2.2.2, 192.0.2.7"]);
    assert_eq!(header(&head, "x-forwarded-proto"), ["https"]);
    assert_eq!(header(&head, "x-forwarded-server"), ["edge-1"]);
}

#[test]
fn connection_takes_its_headers_with_it_but_none_that_mesh_owns() {
    let named = [
        ("host", "h"),
        ("connection", "close, X-Hop, Host"),
        ("connection", "x-forwarded-for, content-length"),
        ("x-hop", "1"),
        ("keep-alive", "5"),
        ("proxy-authorization", "x"),
        ("content-length", "0"),
        ("x-forwarded-for", "1.1.1.1"),
        ("te", "trailers, deflate"),
        ("expect", "100-continue"),
    ];
    let (head, sanitized) = run(&settings(true), "/", &named).unwrap();
    for gone in [
        "connection",
        "x-hop",
        "keep-alive",
        "proxy-authorization",
        "te",
        "expect",
    ] {
        assert!(header(&head, gone).is_empty(), "{gone} stayed");
    }
    assert_eq!(header(&head, "host"), ["h"]);
    assert_eq!(header(&head, "content-length"), ["0"]);
    assert_eq!(header(&head, "x-forwarded-for"), ["1.1.1.1, 192.0.2.7"]);
    assert!(sanitized.trailers);
}

#[test]
fn one_protocol_is_an_upgrade_and_several_are_none() {
    let ask = |upgrade: &str| {
        let headers = [
            ("host", "h"),
            ("connection", "Upgrade, HTTP2-Settings"),
            ("upgrade", upgrade),
            ("http2-settings", "x"),
        ];
        let (head, sanitized) = run(&settings(false), "/", &headers).unwrap();
        assert!(header(&head, "upgrade").is_empty() && header(&head, "http2-settings").is_empty());
        let proto = header(&head, "x-forwarded-proto")[0].to_owned();
        (sanitized.upgrade, proto)
    };
    let one = |name: &str| Some(HeaderValue::from_str(name).unwrap());
    assert_eq!(ask("WebSocket"), (one("WebSocket"), "ws".to_owned()));
    assert_eq!(ask("foo/1 ,"), (one("foo/1"), "http".to_owned()));
    for other in ["websocket, h2c", ","] {
        assert_eq!(ask(other), (None, "http".to_owned()), "{other}");
    }
}

#[test]
fn underscores_in_names_are_treated_as_set() {
    let sent = [("host", "h"), ("my_header", "1")];
    let with = |strategy| {
        let mut settings = settings(false);
        settings.http.underscore_headers_strategy = strategy;
        run(&settings, "/", &sent).map(|(head, _)| header(&head, "my_header").len())
    };
    use crate::settings::UnderscoreHeaders::{Delete, Keep, Reject};
    assert_eq!(with(Keep).unwrap(), 1);
    assert_eq!(with(Delete).unwrap(), 0);
    assert_eq!(with(Reject).unwrap_err(), Rejection::Underscore);
}

#[test]
fn connect_and_trace_are_not_served() {
    for method in [Method::CONNECT, Method::TRACE] {
        let (mut head, ()) = Request::builder()
            .method(method)
            .uri("/")
            .body(())
            .unwrap()
            .into_parts();
        let settings = settings(false);
        let refused = sanitize(&mut head, &peer(&settings.forwarded_headers), &settings).unwrap_err();
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}

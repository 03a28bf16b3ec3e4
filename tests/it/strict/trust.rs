//! Headers that say who the client is, and headers of one connection.

use super::{Act, Message, Recorder, Row, Stand};

/// What the server gets of a request with these fields.
fn through(stand: &Stand, fields: &str) -> Message {
    stand.play([Row::becomes(
        format!("GET /g HTTP/1.1\r\nHost: a.test:8080\r\n{fields}\r\n"),
        &[("GET /g", "")],
    )]);
    let heard = stand.server.heard();
    heard.into_iter().flat_map(|heard| heard.requests).next().unwrap()
}

#[test]
fn what_a_stranger_says_of_itself_is_replaced() {
    let stand = Stand::echoing();
    for name in [
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Server",
        "X-Forwarded-Prefix",
        "X-Forwarded-Tls-Client-Cert",
        "X-Forwarded-Tls-Client-Cert-Info",
        "X-Forwarded-Uri",
        "X-Forwarded-Anything",
        "X-Real-Ip",
        "Forwarded",
        "X_Forwarded_For",
        "X-Forwarded_Host",
        "X.Forwarded.For",
        "x-FORWARDED-for",
        "X_Real_Ip",
        "X-Mesh-Reason",
        "X_Mesh_Reason",
    ] {
        for fields in [
            format!("{name}: forged\r\n"),
            format!("{name}: 6.6.6.6\r\n{name}: forged\r\n"),
        ] {
            let seen = through(&stand, &fields);
            let forged = seen
                .headers
                .iter()
                .find(|(_, value)| value.contains("forged") || value.contains("6.6.6.6"));
            assert_eq!(forged, None, "{name}: {seen:?}");
            assert_eq!(seen.values("x-forwarded-for"), ["127.0.0.1"], "{name}: {seen:?}");
            assert_eq!(seen.values("x-real-ip"), ["127.0.0.1"], "{name}: {seen:?}");
            assert_eq!(
                seen.values("x-forwarded-host"),
                ["a.test:8080"],
                "{name}: {seen:?}"
            );
            assert_eq!(seen.values("x-forwarded-proto"), ["http"], "{name}: {seen:?}");
            assert_eq!(seen.values("x-forwarded-port"), ["8080"], "{name}: {seen:?}");
        }
    }
}

#[test]
fn connection_cannot_name_what_mesh_says() {
    let stand = Stand::echoing();
    for name in [
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Real-Ip",
        "X-Forwarded-Port",
        "Host",
    ] {
        let seen = through(
            &stand,
            &format!("Connection: {name}\r\nConnection: keep-alive, {name}\r\nX-Real-Ip: 6.6.6.6\r\n"),
        );
        assert_eq!(seen.values(&name.to_lowercase()).len(), 1, "{name}: {seen:?}");
        assert!(
            seen.headers.iter().all(|(_, value)| value != "6.6.6.6"),
            "{seen:?}"
        );
    }
    for name in ["Content-Length", "Transfer-Encoding"] {
        let framing = match name {
            "Content-Length" => "Content-Length: 2\r\n\r\nhi",
            _ => "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        };
        stand.play([Row::becomes(
            format!("POST /p HTTP/1.1\r\nHost: h\r\nConnection: {name}\r\n{framing}GET /next HTTP/1.1\r\nHost: h\r\n\r\n"),
            &[("POST /p", "hi"), ("GET /next", "")],
        )]);
    }
}

#[test]
fn what_belongs_to_the_clients_connection_stays_there() {
    let stand = Stand::echoing();
    let seen = through(
        &stand,
        "Connection: close, X-Hop, x-other\r\nX-Hop: 1\r\nX-OTHER: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\n\
         TE: trailers, deflate\r\nUpgrade: foo\r\nProxy-Authorization: x\r\nProxy-Authenticate: x\r\n\
         HTTP2-Settings: x\r\nX-Kept: 1\r\n",
    );
    for gone in [
        "x-hop",
        "x-other",
        "keep-alive",
        "proxy-connection",
        "upgrade",
        "proxy-authorization",
        "proxy-authenticate",
        "http2-settings",
        "connection",
    ] {
        assert!(seen.values(gone).is_empty(), "{gone} in {seen:?}");
    }
    assert!(matches!(&*seen.values("te"), [] | ["trailers"]), "{seen:?}");
    assert_eq!(seen.values("x-kept"), ["1"]);
}

#[test]
fn names_that_servers_take_for_framing_are_dropped() {
    let stand = Stand::echoing();
    for name in [
        "Content_Length",
        "Transfer_Encoding",
        "Content.Length",
        "Transfer.Encoding",
    ] {
        let seen = through(&stand, &format!("{name}: chunked\r\n"));
        assert!(
            seen.headers.iter().all(|(_, value)| value != "chunked"),
            "{seen:?}"
        );
    }
}

#[test]
fn what_a_trusted_peer_says_is_kept_and_added_to() {
    let flag = "--entryPoints.web.forwardedHeaders.trustedIPs=127.0.0.0/8";
    let stand = Stand::new(Recorder::new(|_, _| Act::Echo), &[flag]);
    let seen = through(
        &stand,
        "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Proto: https\r\nX_Forwarded_For: 6.6.6.6\r\n\
         Connection: X-Forwarded-For\r\n",
    );
    assert_eq!(
        seen.values("x-forwarded-for"),
        ["1.1.1.1, 2.2.2.2, 127.0.0.1"],
        "{seen:?}"
    );
    assert_eq!(seen.values("x-forwarded-proto"), ["https"]);
    assert!(seen.values("x_forwarded_for").is_empty(), "{seen:?}");
}

//! Requests to speak another protocol.

use std::time::Duration;

use super::{Caller, Recorder, Stand};

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";

/// A server that waits a while for what follows the head of an upgrade, and says `early` at once if anything does.
fn waiting(answer: &'static str) -> Stand {
    let server = Recorder::by_hand(move |talk| {
        while let Some(head) = talk.head() {
            if !head.starts_with("GET /chat") {
                let line = head.split(" HTTP").next().unwrap_or_default();
                talk.write(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{line}",
                    line.len()
                ));
                continue;
            }
            if !talk.pending_within(Duration::from_millis(200)).is_empty() {
                talk.write("HTTP/1.1 500 Early\r\nContent-Length: 0\r\n\r\n");
                return;
            }
            talk.write(answer);
            if answer.starts_with("HTTP/1.1 101") {
                while let Some(bytes) = talk.pending(1) {
                    talk.write(bytes);
                }
            }
        }
    });
    Stand::new(server, &[])
}

#[test]
fn bytes_behind_an_upgrade_wait_until_the_server_has_agreed() {
    let stand = waiting(SWITCHING);
    let mut caller = Caller::new(&stand);
    caller.send(format!("{UPGRADE}early bytes"));
    assert_eq!(caller.answer("GET").status, 101);
    caller.read_until("early bytes");
    caller.send(" and more");
    caller.read_until("early bytes and more");
    stand.bystander("a tunnel");
}

#[test]
fn bytes_behind_an_upgrade_that_is_refused_are_read_as_what_they_are() {
    let stand = waiting("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
    let mut caller = Caller::new(&stand);
    caller.send(format!("{UPGRADE}{HIDDEN}"));
    assert_eq!(caller.answer("GET").text(), "no");
    assert_eq!(caller.answer("GET").text(), "GET /hidden");
    caller.send(format!("{UPGRADE}\0garbage"));
    assert_eq!(caller.answer("GET").text(), "no");
    assert_eq!(caller.answer("GET").status, 400);
    assert_eq!(caller.rest().0, "");
    stand.bystander("a refused upgrade");
}

#[test]
fn a_switch_to_something_else_is_502() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nplanted",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\nplanted",
    ] {
        let stand = waiting(answer);
        let mut caller = Caller::new(&stand);
        caller.send(UPGRADE);
        let answered = caller.answer("GET");
        assert_eq!(answered.status, 502, "{answer:?}");
        assert!(!answered.text().contains("planted"));
        stand.bystander(answer);
    }
}

#[test]
fn an_upgrade_of_an_old_client_or_with_a_body_is_a_plain_request() {
    let stand = Stand::echoing();
    let old = UPGRADE.replace("HTTP/1.1", "HTTP/1.0");
    let unsaid = UPGRADE.replace("Connection: Upgrade\r\n", "");
    for (request, line) in [(&old, "GET /chat"), (&unsaid, "GET /chat")] {
        stand.server.forget();
        let mut caller = Caller::new(&stand);
        caller.send(request);
        assert_eq!(caller.answer("GET").text(), line);
        let seen = &stand.server.requests()[0];
        assert!(seen.values("upgrade").is_empty(), "{seen:?}");
        assert!(seen.values("connection").is_empty(), "{seen:?}");
    }
    let with_body = UPGRADE.replace("Host: h\r\n", "Host: h\r\nContent-Length: 2\r\n");
    let mut caller = Caller::new(&stand);
    caller.send(format!("{with_body}hi{HIDDEN}"));
    let answer = caller.answer("GET");
    match answer.status {
        200 => assert_eq!(caller.answer("GET").text(), "GET /hidden"),
        status => assert_eq!(status, 400),
    }
    stand.bystander("an upgrade with a body");
}

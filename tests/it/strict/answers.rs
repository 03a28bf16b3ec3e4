//! What servers do wrong, and what clients see of it.

use super::{
    Act, Recorder, Stand,
    stand::{read_to_end, statuses},
};
use crate::measure::mebibytes;

/// A server that does `act` for `/fault` and echoes all else.
fn faulty(act: Act, more: &[&str]) -> Stand {
    let script = move |message: &super::Message, _| match message.target == "/fault" {
        true => act.clone(),
        false => Act::Echo,
    };
    Stand::new(Recorder::new(script), more)
}

fn ask(stand: &Stand, method: &str) -> String {
    let length = if method == "POST" {
        "Content-Length: 2\r\n"
    } else {
        ""
    };
    let body = if method == "POST" { "hi" } else { "" };
    let request = format!("{method} /fault HTTP/1.1\r\nHost: h\r\n{length}\r\n{body}");
    stand.talk(request.as_bytes(), true)
}

/// How often the server got the request.
fn executions(stand: &Stand) -> usize {
    let heard = stand.server.heard();
    let requests = heard.iter().flat_map(|heard| &heard.requests);
    requests.filter(|request| request.target == "/fault").count()
}

#[test]
fn an_answer_that_is_none_is_502_and_nothing_of_it_is_passed_on() {
    for answer in [
        "garbage planted\r\n\r\n",
        "<html>planted</html>",
        "\x15\x03\x01\x00\x02\x02\x28",
        "HTTP/2.0 200 OK\r\nX: planted\r\n\r\n",
        "HTTP/1.1 20 OK\r\nX: planted\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nX: planted\r\n\r\n",
        "HTTP/1.1 999 OK\r\nX: planted\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 abc OK\r\nX: planted\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: planted\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX: planted\r\nContent-Length: -5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX: planted\r\nContent-Length: 5x\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX: planted\0\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: planted\rY: z\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: planted\r\n y\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX planted: y\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: planted\r\nTransfer-Encoding: foo\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: planted\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nX: planted\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\nplanted",
        "HTTP/1.1 101 Switching Protocols\r\nX: planted\r\n\r\n",
        "HTTP/0.9 200 OK\r\nX: planted\r\n\r\n",
        "HTTP/1.1 -200 OK\r\nX: planted\r\n\r\n",
        "HTTP/1.1 099 OK\r\nX: planted\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 000 OK\r\nX: planted\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2 0 OK\r\nX: planted\r\n\r\n",
        "http/1.1 200 OK\r\nX: planted\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\rX: planted\r\rplanted",
        "HTTP/1.1 200 OK\r\n X: planted\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: planted\r\nContent-Length: 5, 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX: planted\r\nContent-Length:\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX: planted\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX: planted\r\nContent-Length: 18446744073709551621\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX: planted\r\nContent-Length : 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX: planted\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: planted\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: planted\r\nTransfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\nX: planted\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: planted\r\n: y\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: planted\r\nY\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: planted\r\nY: a\x07b\r\nContent-Length: 0\r\n\r\n",
        "\0HTTP/1.1 200 OK\r\nX: planted\r\nContent-Length: 0\r\n\r\n",
    ] {
        let stand = faulty(Act::write_and_close(answer), &[]);
        let text = ask(&stand, "POST");
        assert_eq!(statuses(&text), [502], "{answer:?} became {text:?}");
        assert!(!text.contains("planted"), "{answer:?} became {text:?}");
        assert_eq!(executions(&stand), 1, "{answer:?}");
        stand.bystander(answer);
    }
}

#[test]
fn heads_without_end_are_502_within_bounds() {
    let ok = "HTTP/1.1 200 OK\r\n";
    for endless in [
        format!("{ok}X: {}", "x".repeat(8 << 20)),
        format!("{ok}{}", "X: y\r\n".repeat(1 << 20)),
        format!("{ok}{}\r\n", "X: y\r\n".repeat(2000)),
        format!("HTTP/1.1 200 {}", "x".repeat(8 << 20)),
        "HTTP/1.1 100 Continue\r\n\r\n".repeat(1 << 18),
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeat(1 << 18),
        "\r\n".repeat(1 << 22),
    ] {
        let stand = faulty(Act::write_and_close(&endless), &[]);
        #[cfg(target_os = "linux")]
        let before = mebibytes(&stand.mesh);
        assert_eq!(statuses(&ask(&stand, "POST")), [502], "{}", &endless[..40]);
        stand.bystander("an endless head");
        #[cfg(target_os = "linux")]
        assert!(mebibytes(&stand.mesh) < before + 32, "{}", &endless[..40]);
    }
}

#[test]
fn a_server_that_ends_before_its_answer_is_502_and_gets_a_post_once() {
    for act in [
        Act::write_and_close(""),
        Act::Reset,
        Act::write_and_close("HTTP/1.1 2"),
    ] {
        let stand = faulty(act, &[]);
        assert_eq!(statuses(&ask(&stand, "POST")), [502]);
        assert_eq!(executions(&stand), 1);
        stand.bystander("a server that ends");
    }
}

#[test]
fn a_server_that_never_answers_is_504_and_gets_a_post_once() {
    let document = "--serversTransport.forwardingTimeouts.responseHeaderTimeout=200ms";
    let stand = faulty(Act::Nothing, &[document]);
    assert_eq!(statuses(&ask(&stand, "POST")), [504]);
    assert_eq!(executions(&stand), 1);
    stand.bystander("silence");
}

#[test]
fn an_answer_that_is_cut_is_seen_to_be_cut() {
    for (answer, whole) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "never"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            "0\r\n\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
            "0\r\n\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
            "0\r\n\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n",
            "0\r\n\r\n",
        ),
    ] {
        let stand = faulty(Act::write_and_close(answer), &[]);
        // The client waits: it is Mesh that has to end the connection.
        let text = stand.talk(b"GET /fault HTTP/1.1\r\nHost: h\r\n\r\n", false);
        assert!(!text.ends_with(whole), "{answer:?} became {text:?}");
        let announced = text.to_lowercase().contains("content-length: 10") || text.contains("chunked");
        assert!(
            announced || statuses(&text) == [502],
            "{answer:?} became {text:?}"
        );
        stand.bystander(answer);
    }
}

#[test]
fn an_answer_that_stalls_is_cut_at_its_limit() {
    let limit = "--serversTransport.forwardingTimeouts.readTimeout=200ms";
    let stand = faulty(
        Act::write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        &[limit],
    );
    let text = stand.talk(b"GET /fault HTTP/1.1\r\nHost: h\r\n\r\n", false);
    assert!(text.ends_with("abc"), "{text:?}");
    stand.bystander("a stall");
}

#[test]
fn bytes_behind_an_answer_reach_nobody() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let planted = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted";
    for (method, answer) in [
        ("GET", format!("{ok}{planted}")),
        ("GET", format!("{ok}planted")),
        (
            "HEAD",
            format!("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{planted}"),
        ),
        ("GET", format!("HTTP/1.1 204 No Content\r\n\r\n{planted}")),
        ("GET", format!("HTTP/1.1 304 Not Modified\r\n\r\n{planted}")),
        (
            "GET",
            "HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\nplanted".to_owned(),
        ),
    ] {
        let stand = faulty(Act::write(&answer), &[]);
        let request = format!("{method} /fault HTTP/1.1\r\nHost: h\r\n\r\n");
        let text = stand.talk(request.as_bytes(), true);
        assert!(!text.contains("planted"), "{answer:?} became {text:?}");
        for _ in 0..3 {
            stand.bystander(&answer);
        }
    }
}

#[test]
fn interim_answers_are_dropped() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n".repeat(3);
    let answer = format!("{interim}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    let stand = faulty(Act::write(&answer), &[]);
    let text = ask(&stand, "GET");
    assert!(
        text.starts_with("HTTP/1.1 200 OK") && text.ends_with("\r\n\r\nhi"),
        "{text:?}"
    );
    assert!(!text.contains("Link"), "{text:?}");
    stand.bystander("interim answers");
}

#[test]
fn what_belongs_to_the_servers_connection_stays_there() {
    let answer = "HTTP/1.1 200 OK\r\nConnection: close, X-Hop, Date\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\n\
                  Proxy-Authenticate: x\r\nX-Mesh-Reason: forged\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nhi";
    let stand = faulty(Act::write(answer), &[]);
    let mut client = stand.connect();
    let request =
        b"GET /fault HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    std::io::Write::write_all(&mut client, request).unwrap();
    let text = read_to_end(&mut client, request).to_lowercase();
    let first = text.split("http/1.1 ").nth(1).unwrap();
    for gone in [
        "x-hop",
        "keep-alive",
        "upgrade",
        "proxy-authenticate",
        "forged",
        "connection",
    ] {
        assert!(!first.contains(gone), "{gone} in {text:?}");
    }
    assert!(first.contains("x-kept: 1"), "{text:?}");
    assert!(text.ends_with("get /next"), "{text:?}");
}

#[test]
fn a_length_beside_chunks_is_dropped_from_an_answer() {
    let answer =
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let stand = faulty(Act::write(answer), &[]);
    let text = ask(&stand, "GET").to_lowercase();
    assert!(
        text.ends_with("2\r\nhi\r\n0\r\n\r\n") && !text.contains("content-length"),
        "{text:?}"
    );
    stand.bystander(answer);
}

#[test]
fn an_answer_that_nobody_asked_for_reaches_nobody() {
    for unasked in [
        "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 7\r\n\r\nplanted",
        "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted",
        "planted",
    ] {
        let (told, tell) = std::sync::mpsc::channel::<()>();
        let (told, tell) = (std::sync::Mutex::new(told), std::sync::Mutex::new(tell));
        let (written, is_written) = std::sync::mpsc::channel::<()>();
        let server = Recorder::by_hand(move |talk| {
            while let Some(request) = talk.request() {
                talk.act(Act::Echo, &request);
                if request.target == "/first" {
                    // When the client has its answer and the connection has gone back.
                    let _told = tell.lock().unwrap().recv();
                    talk.write(unasked);
                    written.send(()).unwrap();
                }
            }
        });
        let stand = Stand::new(server, &[]);
        for method in ["GET", "POST"] {
            let length = if method == "POST" {
                "Content-Length: 0\r\n"
            } else {
                ""
            };
            let request = |target: &str| format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{length}\r\n");
            assert!(stand.talk(request("/first").as_bytes(), true).ends_with("/first"));
            told.lock().unwrap().send(()).unwrap();
            is_written.recv().unwrap();
            for target in ["/second", "/third"] {
                let text = stand.talk(request(target).as_bytes(), true);
                let own = format!("\r\n\r\n{method} {target}");
                assert!(text.ends_with(&own), "after {unasked:?}: {text:?}");
            }
        }
    }
}

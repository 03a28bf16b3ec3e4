//! Answers as old and new clients can read them, and clients that have said all they will.

use std::time::Duration;

use super::{Act, Caller, End, Message, Recorder, Stand};

/// A server with an answer for each way to frame one.
fn framing() -> Stand {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";
    let script = move |message: &Message, _| match &*message.target {
        "/length" => Act::write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        "/length-0" => Act::write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        "/chunks" => Act::write(&format!("{chunked}\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n")),
        "/chunks-0" => Act::write(&format!("{chunked}\r\n0\r\n\r\n")),
        "/close" => Act::write_and_close("HTTP/1.1 200 OK\r\n\r\nhello"),
        "/close-0" => Act::write_and_close("HTTP/1.1 200 OK\r\n\r\n"),
        "/old" => Act::write_and_close("HTTP/1.0 200 OK\r\n\r\nhello"),
        "/old-kept" => {
            Act::write("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello")
        }
        "/trailers" => Act::write(&format!(
            "{chunked}Trailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n"
        )),
        "/unannounced" => Act::write(&format!("{chunked}\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n")),
        "/204" => Act::write("HTTP/1.1 204 No Content\r\n\r\n"),
        "/304" => Act::write("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"),
        "/cut-length" => Act::write_and_close("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"),
        "/cut-chunks" => Act::write_and_close(&format!("{chunked}\r\n5\r\nhello\r\n")),
        "/head-length" => Act::write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        "/head-chunks" => Act::write(&format!("{chunked}\r\n")),
        "/head-close" => Act::write("HTTP/1.1 200 OK\r\n\r\n"),
        _ => Act::Echo,
    };
    Stand::new(Recorder::new(script), &[])
}

/// Answers that say `hello`, or nothing where the name says so.
const WHOLE: [&str; 10] = [
    "/length",
    "/chunks",
    "/close",
    "/old",
    "/old-kept",
    "/trailers",
    "/unannounced",
    "/length-0",
    "/chunks-0",
    "/close-0",
];

fn body_of(target: &str) -> &'static str {
    if target.ends_with("-0") { "" } else { "hello" }
}

#[test]
fn every_answer_is_whole_and_framed_for_a_client_of_http_1_1() {
    let stand = framing();
    let mut caller = Caller::new(&stand);
    for target in WHOLE.into_iter().chain(WHOLE) {
        caller.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let answer = caller.answer("GET");
        assert_eq!(answer.version, "HTTP/1.1", "{target}");
        assert_eq!(
            (answer.status, &*answer.text()),
            (200, body_of(target)),
            "{target}"
        );
        assert!(!answer.until_close && !answer.closes(), "{target}: {answer:?}");
    }
}

#[test]
fn every_answer_is_whole_for_a_client_of_http_1_0_and_never_in_chunks() {
    let stand = framing();
    for target in WHOLE {
        let mut caller = Caller::new(&stand);
        caller.send(format!("GET {target} HTTP/1.0\r\nHost: h\r\n\r\n"));
        let answer = caller.answer("GET");
        assert_eq!(
            (answer.status, &*answer.text()),
            (200, body_of(target)),
            "{target}"
        );
        assert!(
            answer.values("transfer-encoding").is_empty(),
            "{target}: {answer:?}"
        );
        assert_eq!(caller.rest(), (String::new(), End::Closed), "{target}");
    }
}

#[test]
fn a_client_of_http_1_0_that_asks_keeps_its_connection_where_the_length_is_known() {
    let stand = framing();
    for target in WHOLE {
        let mut caller = Caller::new(&stand);
        let get = format!("GET {target} HTTP/1.0\r\nHost: h\r\nConnection: Keep-Alive\r\n\r\n");
        caller.send(&get);
        let answer = caller.answer("GET");
        assert_eq!(
            (answer.status, &*answer.text()),
            (200, body_of(target)),
            "{target}"
        );
        assert!(
            answer.values("transfer-encoding").is_empty(),
            "{target}: {answer:?}"
        );
        let keeps = answer
            .values("connection")
            .iter()
            .any(|value| value.eq_ignore_ascii_case("keep-alive"));
        assert_eq!(
            keeps,
            answer.values("content-length").len() == 1,
            "{target}: {answer:?}"
        );
        if keeps {
            caller.send(&get);
            assert_eq!(caller.answer("GET").text(), body_of(target), "{target}");
        } else {
            assert_eq!(caller.rest().0, "", "{target}");
        }
    }
}

#[test]
fn an_answer_that_is_cut_looks_cut_to_old_clients_too() {
    let stand = framing();
    for target in ["/cut-length", "/cut-chunks"] {
        let mut caller = Caller::new(&stand);
        caller.send(format!("GET {target} HTTP/1.0\r\nHost: h\r\n\r\n"));
        let (text, end) = caller.rest();
        let announced = text.to_lowercase().contains("content-length: 9");
        assert!(announced || end == End::Reset, "{target}: {end:?} after {text:?}");
        stand.bystander(target);
    }
}

#[test]
fn an_old_client_needs_no_host_and_servers_get_a_whole_request() {
    let stand = Stand::echoing();
    let mut caller = Caller::new(&stand);
    caller.send("GET /old HTTP/1.0\r\n\r\n");
    let answer = caller.answer("GET");
    assert!(matches!(answer.status, 200 | 400), "{answer:?}");
    assert_eq!(caller.rest().0, "");
    // What the recorder takes for a request has one Host.
    let heard = stand.server.heard();
    assert!(heard.iter().all(|heard| heard.bad.is_none()), "{heard:?}");
}

#[test]
fn answers_to_head_have_no_body_and_leave_the_connection_in_order() {
    let stand = framing();
    let mut caller = Caller::new(&stand);
    for target in [
        "/head-length",
        "/head-chunks",
        "/head-close",
        "/204",
        "/304",
        "/x",
    ] {
        caller.send(format!(
            "HEAD {target} HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n"
        ));
        let answer = caller.answer("HEAD");
        assert!(matches!(answer.status, 200 | 204 | 304), "{target}: {answer:?}");
        assert_eq!(caller.answer("GET").text(), "GET /next", "{target}");
        if target == "/head-length" {
            assert_eq!(answer.values("content-length"), ["5"]);
        }
    }
    for target in ["/204", "/304"] {
        caller.send(format!(
            "GET {target} HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n"
        ));
        assert_eq!(caller.answer("GET").body, b"", "{target}");
        assert_eq!(caller.answer("GET").text(), "GET /next", "{target}");
    }
}

#[test]
fn trailers_reach_clients_that_take_them_and_harm_no_others() {
    let stand = framing();
    let mut caller = Caller::new(&stand);
    for target in ["/trailers", "/unannounced"] {
        for fields in ["", "TE: trailers\r\n", "TE: trailers\r\nConnection: TE\r\n"] {
            caller.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
            let answer = caller.answer("GET");
            assert_eq!(answer.text(), "hello", "{target} {fields:?}");
            let trailers: Vec<_> = answer
                .trailers
                .iter()
                .map(|(name, value)| (&**name, &**value))
                .collect();
            assert!(
                matches!(trailers[..], [] | [("x-sum", "7")]),
                "{target}: {answer:?}"
            );
            assert!(answer.values("x-sum").is_empty(), "{target}: {answer:?}");
            let must = target == "/trailers" && !fields.is_empty();
            assert!(!must || !trailers.is_empty(), "{target} {fields:?}: {answer:?}");
        }
    }
}

#[test]
fn trailers_of_a_request_pass_where_they_are_announced() {
    let stand = Stand::echoing();
    let mut caller = Caller::new(&stand);
    for (fields, must) in [("Trailer: X-Sum\r\n", true), ("", false)] {
        stand.server.forget();
        caller.send(format!(
            "POST /p HTTP/1.1\r\nHost: h\r\n{fields}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n"
        ));
        assert_eq!(caller.answer("POST").status, 200);
        let request = &stand.server.requests()[0];
        let passed = request.trailers == [("x-sum".to_owned(), "7".to_owned())];
        assert!(passed || request.trailers.is_empty(), "{request:?}");
        assert!(!must || passed, "{request:?}");
        assert!(request.values("x-sum").is_empty(), "{request:?}");
    }
}

#[test]
fn a_client_that_has_said_all_it_will_still_gets_its_answers() {
    let server = Recorder::by_hand(|talk| {
        while let Some(request) = talk.request() {
            // Longer than the end of the client takes to arrive.
            let _nothing = talk.pending_within(Duration::from_millis(100));
            if !talk.act(Act::Echo, &request) {
                return;
            }
        }
    });
    let stand = Stand::new(server, &[]);
    let mut caller = Caller::new(&stand);
    caller
        .send("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhiGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    caller.half_close();
    assert_eq!(caller.answer("POST").text(), "POST /1");
    assert_eq!(caller.answer("GET").text(), "GET /2");
    assert_eq!(caller.rest(), (String::new(), End::Closed));
}

#[test]
fn a_client_that_ends_within_its_request_sends_none() {
    let stand = Stand::echoing();
    for part in [
        "GET /cut HTTP/1.1\r\nHost: h\r\n",
        "POST /cut HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab",
        "POST /cut HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        "POST /cut HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
        "POST /cut HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let mut caller = Caller::new(&stand);
        caller.send(part);
        caller.half_close();
        let (text, _) = caller.rest();
        assert!(!text.contains(" 200 "), "{part:?}: {text:?}");
        stand.bystander(part);
        let requests = stand.server.requests();
        assert!(
            requests.iter().all(|request| request.target != "/cut"),
            "{part:?}: {requests:?}"
        );
    }
}

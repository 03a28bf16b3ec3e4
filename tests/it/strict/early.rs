//! Answers that come before the request is complete, and what becomes of the rest of it.

use std::thread;

use super::{Act, Caller, Recorder, Stand};

/// What must not be taken for a request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

const LARGE: &str = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n";

/// A server that refuses uploads at their head, and then closes, reads on or does nothing more.
fn refusing(after: After) -> Stand {
    let server = Recorder::by_hand(move |talk| {
        while let Some(head) = talk.head() {
            if !head.starts_with("POST /upload") {
                let line = head.split(" HTTP").next().unwrap_or_default();
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{line}", line.len());
                talk.write(answer);
                continue;
            }
            match after {
                After::Close => {
                    talk.write(format!("{LARGE}Connection: close\r\n\r\nlarge"));
                    return;
                }
                After::Read => {
                    talk.write(format!("{LARGE}\r\nlarge"));
                    let length = head.to_lowercase();
                    let length = length
                        .split("content-length: ")
                        .nth(1)
                        .and_then(|rest| rest.lines().next());
                    let Some(length) = length.and_then(|length| length.parse().ok()) else {
                        return;
                    };
                    if talk.skip(length).is_none() {
                        return;
                    }
                }
                After::Nothing => {
                    talk.write(format!("{LARGE}\r\nlarge"));
                    talk.wait_for_end();
                    return;
                }
            }
        }
    });
    Stand::new(server, &[])
}

/// What a server does after an early answer.
#[derive(Debug, Clone, Copy)]
enum After {
    Close,
    /// Reads the rest, and takes further requests.
    Read,
    /// Reads nothing more, for ever.
    Nothing,
}

/// True if a server got the request that was none.
fn is_smuggled(stand: &Stand) -> bool {
    stand.server.heard().iter().any(|heard| {
        let text = String::from_utf8_lossy(&heard.bytes).to_lowercase();
        // In a body it is as it was sent; as a request it has what Mesh adds.
        let mut heads = text.split("\r\n\r\n");
        heads.any(|head| head.contains("/smuggled http/1.1") && head.contains("x-forwarded-for"))
    })
}

#[test]
fn a_client_that_is_uploading_sees_an_early_answer() {
    for after in [After::Close, After::Read, After::Nothing] {
        for expect in ["", "Expect: 100-continue\r\n"] {
            let stand = refusing(after);
            let mut caller = Caller::new(&stand);
            let size = 8 << 20;
            caller.send(format!(
                "POST /upload HTTP/1.1\r\nHost: h\r\n{expect}Content-Length: {size}\r\n\r\n"
            ));
            let mut writer = caller.writer();
            // A client that writes everything before it would read.
            let writing = thread::spawn(move || {
                let part = SMUGGLED.repeat(2000);
                let mut left = size;
                while left > 0 && writer.try_send(&part[..part.len().min(left)]) {
                    left -= part.len().min(left);
                }
            });
            let answer = caller.answer("POST");
            assert_eq!(
                (answer.status, &*answer.text()),
                (413, "large"),
                "{after:?} {expect:?}"
            );
            drop(caller);
            writing.join().unwrap();
            stand.bystander("an early answer");
            assert!(!is_smuggled(&stand), "{after:?} {expect:?}");
        }
    }
}

#[test]
fn what_follows_an_early_answer_is_the_rest_of_its_body_and_then_a_request() {
    for after in [After::Close, After::Read] {
        let stand = refusing(after);
        let mut caller = Caller::new(&stand);
        let size = 2 * SMUGGLED.len();
        caller.send(format!(
            "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n{SMUGGLED}"
        ));
        assert_eq!(caller.answer("POST").status, 413, "{after:?}");
        // Mesh may read the rest or close; it must do one of them.
        caller.try_send(SMUGGLED);
        caller.try_send("GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
        let next = caller.try_answer("GET");
        if let Some(next) = next {
            assert_eq!(next.text(), "GET /next", "{after:?}");
        }
        stand.bystander("an early answer");
        assert!(!is_smuggled(&stand), "{after:?}");
    }
}

#[test]
fn a_body_that_mesh_does_not_want_is_no_request() {
    let server = Recorder::new(|_, _| Act::Echo);
    let document = format!(
        "http:\n  routers:\n    one: {{rule: \"Path(`/next`) || PathPrefix(`/bystander`)\", service: one}}\n    none: {{rule: \
         \"Path(`/none`) || Path(`/ready`)\", service: none}}\n  services:\n    none: {{loadBalancer: {{servers: []}}}}\n    one: \
         {{loadBalancer: {{servers: [{{url: \"http://{}\"}}]}}}}\n",
        server.address
    );
    let stand = Stand::with_document(server, &document, &[]);
    for (path, status) in [("/none", 503), ("/nowhere", 404)] {
        for at_once in [true, false] {
            for framing in ["Content-Length", "Transfer-Encoding"] {
                let (fields, parts) = match framing {
                    "Content-Length" => (
                        format!("Content-Length: {}", 2 * SMUGGLED.len()),
                        [SMUGGLED.to_owned(), SMUGGLED.to_owned()],
                    ),
                    _ => (
                        "Transfer-Encoding: chunked".to_owned(),
                        [
                            format!("{:x}\r\n{SMUGGLED}\r\n", SMUGGLED.len()),
                            format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len()),
                        ],
                    ),
                };
                let head = format!("POST {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n");
                let next = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";
                let mut caller = Caller::new(&stand);
                let case = format!("{path} {at_once} {framing}");
                if at_once {
                    caller.send(format!("{head}{}{next}", parts.concat()));
                    assert_eq!(caller.answer("POST").status, status, "{case}");
                } else {
                    caller.send(format!("{head}{}", parts[0]));
                    assert_eq!(caller.answer("POST").status, status, "{case}");
                    caller.try_send(&parts[1]);
                    caller.try_send(next);
                }
                if let Some(next) = caller.try_answer("GET") {
                    assert_eq!(next.text(), "GET /next", "{case}");
                }
                stand.bystander(&case);
                assert!(!is_smuggled(&stand), "{case}");
            }
        }
    }
}

#[test]
fn a_client_that_waits_for_100_gets_one_and_the_server_its_body() {
    let server = Recorder::new(|message, _| match &*message.target {
        // A server that says it, too.
        "/also" => Act::write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        _ => Act::write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    });
    let stand = Stand::new(server, &[]);
    for (target, expect) in [
        ("/p", "100-continue"),
        ("/p", "100-Continue"),
        ("/also", "100-continue"),
        ("/p", "100-continue\r\nExpect: 100-continue"),
    ] {
        for (fields, body) in [
            ("Content-Length: 2", "hi"),
            ("Transfer-Encoding: chunked", "2\r\nhi\r\n0\r\n\r\n"),
        ] {
            stand.server.forget();
            let mut caller = Caller::new(&stand);
            caller.send(format!(
                "POST {target} HTTP/1.1\r\nHost: h\r\nExpect: {expect}\r\n{fields}\r\n\r\n"
            ));
            caller.read_until("HTTP/1.1 100 Continue\r\n\r\n");
            caller.send(body);
            let answer = caller.answer("POST");
            let shown = format!("{target} {expect:?} {fields}");
            assert_eq!((answer.status, &*answer.interim), (200, &[100][..]), "{shown}");
            assert_eq!(stand.server.requests()[0].body, b"hi", "{shown}");
        }
    }
}

#[test]
fn nobody_else_gets_a_100() {
    let stand = Stand::echoing();
    for request in [
        "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi",
        "POST /p HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
        "GET /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n",
        "POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
    ] {
        let mut caller = Caller::new(&stand);
        caller.send(request);
        let answer = caller.answer("POST");
        assert_eq!((answer.status, &*answer.interim), (200, &[][..]), "{request:?}");
    }
}

#[test]
fn a_final_answer_in_place_of_100_leaves_no_request_behind() {
    for after in [After::Close, After::Read] {
        let stand = refusing(after);
        let mut caller = Caller::new(&stand);
        let size = SMUGGLED.len();
        caller.send(format!(
            "POST /upload HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: {size}\r\n\r\n"
        ));
        assert_eq!(caller.answer("POST").status, 413, "{after:?}");
        // What has the length of the body is the body, whether the client takes it for one or not.
        caller.try_send(SMUGGLED);
        caller.half_close();
        assert!(caller.try_answer("GET").is_none(), "{after:?}");
        stand.bystander("no 100");
        assert!(!is_smuggled(&stand), "{after:?}");
    }
}

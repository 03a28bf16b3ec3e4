//! Requests that do not wait for answers, and segments that end anywhere.

use std::{thread, time::Duration};

use super::{Act, Caller, Recorder, Row, Stand};

/// Requests of all kinds, as one client sends them, and as servers get them.
const REQUESTS: [(&str, &str, &str); 6] = [
    ("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n", "GET /1", ""),
    (
        "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        "POST /2",
        "abc",
    ),
    ("HEAD /3 HTTP/1.1\r\nHost: h\r\n\r\n", "HEAD /3", ""),
    (
        "PUT /4 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nX-Sum: 1\r\n\r\n",
        "PUT /4",
        "abc",
    ),
    (
        "POST /5 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /5",
        "",
    ),
    (
        "GET http://other.test/6?q=%20 HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /6?q=%20",
        "",
    ),
];

/// What of them all was answered and received.
fn check(stand: &Stand, caller: &mut Caller, case: &str) {
    for (_, line, _) in REQUESTS {
        let method = line.split(' ').next().unwrap_or_default();
        let answer = caller.answer(method);
        assert_eq!(answer.status, 200, "{case}");
        let body = if method == "HEAD" { "" } else { line };
        assert_eq!(answer.text(), body, "{case}");
    }
    let seen: Vec<_> = stand
        .server
        .requests()
        .iter()
        .map(|request| {
            (
                request.line(),
                String::from_utf8_lossy(&request.body).into_owned(),
            )
        })
        .collect();
    let sent = REQUESTS.map(|(_, line, body)| (line.to_owned(), body.to_owned()));
    assert_eq!(seen, sent, "{case}");
    stand.server.forget();
}

#[test]
fn requests_in_one_segment_are_answered_in_order() {
    let stand = Stand::echoing();
    let all = REQUESTS.map(|(bytes, _, _)| bytes).concat();
    let mut caller = Caller::new(&stand);
    for turn in 0..20 {
        caller.send(&all);
        check(&stand, &mut caller, &format!("turn {turn}"));
    }
}

#[test]
fn requests_mean_the_same_wherever_they_are_cut() {
    let stand = Stand::echoing();
    let all = REQUESTS.map(|(bytes, _, _)| bytes).concat();
    let mut caller = Caller::new(&stand);
    for cut in 1..all.len() {
        caller.send(&all[..cut]);
        // Nothing depends on it, but for Mesh to find the parts apart.
        thread::park_timeout(Duration::from_millis(1));
        caller.send(&all[cut..]);
        check(&stand, &mut caller, &format!("cut at {cut}"));
    }
    for byte in all.as_bytes() {
        caller.send([*byte]);
    }
    check(&stand, &mut caller, "byte by byte");
}

#[test]
fn a_request_waits_for_the_answer_to_the_one_before() {
    let server = Recorder::by_hand(|talk| {
        while let Some(request) = talk.request() {
            if request.target == "/1" {
                // Nothing more comes until it is answered.
                let early = talk.pending_within(Duration::from_millis(100));
                let body = String::from_utf8(early).unwrap();
                talk.write(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                ));
            } else if !talk.act(Act::Echo, &request) {
                return;
            }
        }
    });
    let stand = Stand::new(server, &[]);
    let mut caller = Caller::new(&stand);
    caller.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(caller.answer("GET").text(), "");
    assert_eq!(caller.answer("GET").text(), "GET /2");
}

#[test]
fn the_first_request_that_is_refused_is_the_last() {
    let stand = Stand::echoing();
    let get = "GET /g HTTP/1.1\r\nHost: h\r\n\r\n";
    let hidden = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";
    for refused in [
        "GET /x HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: h\r\nX: y\r\n z\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\nx",
        "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "\0",
    ] {
        let seen = [("GET /g", ""), ("GET /g", "")];
        stand.play([Row::becomes(format!("{get}{get}{refused}{hidden}"), &seen).then_refused(400)]);
    }
}

#[test]
fn a_fragment_is_refused_in_a_request_that_did_not_wait_too() {
    let stand = Stand::echoing();
    let get = "GET /g HTTP/1.1\r\nHost: h\r\n\r\n";
    for target in ["/a#b", "/a?b#c", "/#", "http://h/#c", "/a%23b#"] {
        let refused = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        let seen = [("GET /g", ""), ("GET /g", "")];
        stand.play([Row::becomes(format!("{get}{get}{refused}{get}"), &seen).then_refused(400)]);
    }
}

//! Where one message ends and the next begins.

use super::{Row, Stand};

/// A second request, hidden in what the first one may or may not own.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";

fn post(fields: &str, body: &str) -> String {
    format!("POST /p HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n{body}")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked", body)
}

#[test]
fn a_length_that_can_be_read_in_two_ways_is_refused() {
    let stand = Stand::echoing();
    let lengths = [
        "+5",
        "-5",
        "0x5",
        "5 0",
        "5,6",
        "5, 6",
        "",
        " ",
        "5_0",
        "5.0",
        "5e0",
        "\"5\"",
        "five",
        "5;a",
        "\u{0665}",
        "18446744073709551621",
        "18446744073709551616",
        "99999999999999999999999",
        "\t+0",
    ];
    stand.play(lengths.map(|length| {
        Row::refused(post(
            &format!("Content-Length: {length}"),
            &format!("abcde{HIDDEN}"),
        ))
    }));
    let pairs = [("5", "6"), ("0", "34"), ("5", ""), ("5", "05x"), ("5", "5, 6")];
    stand.play(pairs.map(|(one, two)| {
        let fields = format!("Content-Length: {one}\r\nContent-Length: {two}");
        Row::refused(post(&fields, &format!("abcde{HIDDEN}")))
    }));
}

#[test]
fn a_length_that_is_said_twice_alike_is_sent_once_or_refused() {
    let stand = Stand::echoing();
    stand.play([Row::becomes(
        post("Content-Length: 5\r\nContent-Length: 5", "abcde"),
        &[("POST /p", "abcde")],
    )]);
    stand.play([Row::refused(post("Content-Length: 5, 5", "abcde"))]);
}

#[test]
fn a_length_beside_chunks_ends_the_connection_and_is_not_sent_on() {
    let stand = Stand::echoing();
    let both = |length: &str, coding: &str| {
        let fields = format!("Content-Length: {length}\r\nTransfer-Encoding: {coding}");
        post(&fields, &format!("0\r\n\r\n{HIDDEN}"))
    };
    stand.play([
        Row::becomes(both("39", "chunked"), &[("POST /p", "")]).closed(),
        Row::becomes(
            post(
                &format!("Transfer-Encoding: chunked\r\nContent-Length: {}", 5),
                &format!("0\r\n\r\n{HIDDEN}"),
            ),
            &[("POST /p", "")],
        )
        .closed(),
    ]);
}

#[test]
fn a_coding_other_than_exactly_chunked_is_refused() {
    let stand = Stand::echoing();
    let codings = [
        "xchunked",
        "\x0bchunked",
        "chunked\0",
        "\"chunked\"",
        "chunked;a=b",
        "chunked, identity",
        "gzip, chunked",
        "identity, chunked",
        "chunked, chunked",
        ",chunked",
        "chunked,",
        "chunked chunked",
        "identity",
        "",
        "gzip",
        "chunke",
        "\u{212a}chunked",
        "chunked\r\nTransfer-Encoding: chunked",
        "chunked\r\nTransfer-Encoding: identity",
        "identity\r\nTransfer-Encoding: chunked",
        "chunked\r\n , identity",
        "\r\n chunked",
        "chunked\r",
    ];
    for body in [
        format!("0\r\n\r\n{HIDDEN}"),
        format!("5\r\nabcde\r\n0\r\n\r\n{HIDDEN}"),
    ] {
        stand.play(codings.map(|coding| Row::refused(post(&format!("Transfer-Encoding: {coding}"), &body))));
        let lines = ["Transfer-Encoding : chunked", "X: y\rTransfer-Encoding: chunked"];
        stand.play(lines.map(|line| Row::refused(post(line, &body))));
    }
    stand.play(["Chunked", "CHUNKED", "chunked \t", "\tchunked"].map(|coding| {
        let fields = format!("tRANSFER-eNCODING:{coding}");
        Row::becomes(post(&fields, "2\r\nhi\r\n0\r\n\r\n"), &[("POST /p", "hi")])
    }));
}

#[test]
fn a_coding_in_a_message_of_http_1_0_is_refused() {
    let stand = Stand::echoing();
    for kept in ["Connection: keep-alive", "Connection: close"] {
        let head = format!("POST /p HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n{kept}\r\n\r\n");
        stand.play([Row::refused(format!("{head}0\r\n\r\n{HIDDEN}"))]);
    }
}

#[test]
fn chunks_that_are_none_break_the_request_off() {
    let stand = Stand::echoing();
    let bodies = [
        "0x5\r\nabcde\r\n0\r\n\r\n",
        "+5\r\nabcde\r\n0\r\n\r\n",
        "-5\r\nabcde\r\n0\r\n\r\n",
        " 5\r\nabcde\r\n0\r\n\r\n",
        "5g\r\nabcde\r\n0\r\n\r\n",
        "\r\nabcde\r\n0\r\n\r\n",
        "5\0\r\nabcde\r\n0\r\n\r\n",
        "5_\r\nabcde\r\n0\r\n\r\n",
        "10000000000000005\r\nabcde\r\n0\r\n\r\n",
        "5\nabcde\r\n0\r\n\r\n",
        "5\r\nabcde\n0\r\n\r\n",
        "5\r\nabcdeXX0\r\n\r\n",
        "5\r\nabcde\r0\r\n\r\n",
        "5\rabcde\r\n0\r\n\r\n",
        "5;a\nabcde\r\n0\r\n\r\n",
        "5;a\rb\r\nabcde\r\n0\r\n\r\n",
        "4\r\nabcde\r\n0\r\n\r\n",
        "5\r\nabcde\r\n0\n\r\n",
        "5\r\nabcde\r\nX\r\n\r\n",
        "5\r\nabcde\r\n;a\r\n\r\n",
    ];
    stand.play(bodies.map(|body| Row::refused(chunked(&format!("{body}{HIDDEN}"))).broken_off()));
}

#[test]
fn chunks_are_framed_anew_without_their_extensions() {
    let stand = Stand::echoing();
    let five = [("POST /p", "abcde")];
    stand.play([
        Row::becomes(chunked("5;a=b;c=\"d\"\r\nabcde\r\n0;z\r\n\r\n"), &five),
        Row::becomes(chunked("0005\r\nabcde\r\n000\r\n\r\n"), &five),
        Row::becomes(chunked("2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"), &five),
        Row::becomes(
            chunked("A\r\nabcdefghij\r\n0\r\n\r\n"),
            &[("POST /p", "abcdefghij")],
        ),
        Row::becomes(
            chunked(&format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len())),
            &[("POST /p", HIDDEN)],
        ),
    ]);
    let extended = format!("1;{}\r\nx\r\n", "e".repeat(400)).repeat(200);
    stand.play([Row::refused(chunked(&format!("{extended}0\r\n\r\n{HIDDEN}"))).broken_off()]);
}

#[test]
fn what_follows_a_body_is_a_request_of_its_own() {
    let stand = Stand::echoing();
    let hidden = ("GET /hidden", "");
    stand.play([
        Row::becomes(post("Content-Length: 0", HIDDEN), &[("POST /p", ""), hidden]),
        Row::becomes(
            post("Content-Length: 2", &format!("hi{HIDDEN}")),
            &[("POST /p", "hi"), hidden],
        ),
        Row::becomes(
            chunked(&format!("2\r\nhi\r\n0\r\n\r\n{HIDDEN}")),
            &[("POST /p", "hi"), hidden],
        ),
        Row::becomes(
            format!("GET /g HTTP/1.1\r\nHost: h\r\n\r\n{HIDDEN}"),
            &[("GET /g", ""), hidden],
        ),
        Row::becomes(post("X: 1", HIDDEN), &[("POST /p", ""), hidden]),
        Row::becomes(
            post("Content-Length: 2", &format!("hi\r\n{HIDDEN}")),
            &[("POST /p", "hi"), hidden],
        ),
        Row::becomes(
            post("Content-Length: 2", "hiGARBAGE\r\n\r\n"),
            &[("POST /p", "hi")],
        )
        .then_refused(400),
    ]);
    let get = format!(
        "GET /g HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{HIDDEN}",
        HIDDEN.len()
    );
    stand.play([Row::becomes(get, &[("GET /g", HIDDEN)])]);
}

#[test]
fn trailers_do_not_become_headers_and_forged_ones_are_dropped() {
    let stand = Stand::echoing();
    let names = [
        "X-Forwarded-For",
        "X_Forwarded_For",
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Authorization",
        "X-Sum",
    ];
    for name in names {
        stand.play([Row::becomes(
            chunked(&format!("2\r\nhi\r\n0\r\n{name}: forged\r\n\r\n")),
            &[("POST /p", "hi")],
        )]);
        let request = stand
            .server
            .heard()
            .into_iter()
            .flat_map(|heard| heard.requests)
            .next()
            .unwrap();
        assert!(
            request.headers.iter().all(|(_, value)| value != "forged"),
            "{request:?}"
        );
        let passed = request.trailers.iter().any(|(_, value)| value == "forged");
        assert!(!passed || name == "X-Sum", "{request:?}");
    }
    for bad in ["X : y", "X\0: y", ": y", "X: a\0b", "X: a\n b", "X: a\rY: b", "X"] {
        let body = format!("2\r\nhi\r\n0\r\n{bad}\r\n\r\n{HIDDEN}");
        stand.play([Row::refused(chunked(&body)).broken_off()]);
    }
}

#[test]
fn an_expectation_is_met_or_dropped_and_frames_nothing() {
    let stand = Stand::echoing();
    let seen = [("POST /p", "hi")];
    for expected in [
        "y 100-continue",
        "100-continue\r\nExpect: 100-continue",
        "nothing",
    ] {
        stand.play([Row::becomes(
            post(&format!("Expect: {expected}\r\nContent-Length: 2"), "hi"),
            &seen,
        )]);
    }
    let get = "GET /g HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n";
    stand.play([Row::becomes(
        format!("{get}{HIDDEN}"),
        &[("GET /g", ""), ("GET /hidden", "")],
    )]);
}

#[test]
fn an_upgrade_that_no_server_grants_ends_where_its_framing_says() {
    let stand = Stand::echoing();
    for token in ["foo", "h2c", "websocket", "TLS/1.0", "websocket, h2c"] {
        let head = format!(
            "GET /u HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {token}\r\n\
                            HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n{HIDDEN}"
        );
        stand.play([Row::becomes(head, &[("GET /u", ""), ("GET /hidden", "")])]);
        let heard = stand
            .server
            .heard()
            .into_iter()
            .flat_map(|heard| heard.requests)
            .next()
            .unwrap();
        assert!(
            token == "websocket" || heard.values("upgrade").is_empty(),
            "{heard:?}"
        );
    }
}

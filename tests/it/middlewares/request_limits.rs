//! `requestLimits`: what is larger than a service wants does not reach it.

use serde_json::json;

use super::{Behind, Raw, ok};

fn behind() -> Behind {
    let limits = json!({"requestLimits": {"maxBodyBytes": 10, "maxHeaderCount": 5, "maxHeaderBytes": 200}});
    Behind::before(&[("limits", limits)], |noted| {
        ok(&String::from_utf8_lossy(&noted.body))
    })
}

fn chunked(behind: &Behind, chunks: &[&str]) -> Raw {
    let mut request =
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            .to_owned();
    for chunk in chunks {
        request += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
    }
    behind.send(request + "0\r\n\r\n")
}

#[test]
fn a_body_is_refused_by_its_length_or_cut_where_it_becomes_too_long() {
    let behind = behind();
    let told = |length: usize| behind.ask(&format!("POST / HTTP/1.1\r\nContent-Length: {length}"));
    // Nothing of it was sent: it is refused at once.
    assert_eq!(told(11).status, 413);
    assert!(behind.server.noted().is_empty());
    let sent = behind
        .send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789");
    assert_eq!((sent.status, sent.text().as_str()), (200, "0123456789"));
    assert_eq!(
        behind.server.last().header("content-length"),
        Some("10"),
        "a body that is told stays so"
    );

    let whole = chunked(&behind, &["01234", "56789"]);
    assert_eq!((whole.status, whole.text().as_str()), (200, "0123456789"));
    for chunks in [&["01234", "567890"][..], &["01234567890"], &["0123456789", "0"]] {
        let cut = chunked(&behind, chunks);
        assert_eq!(cut.status, 413, "{chunks:?}: {cut:?}");
    }
    assert_eq!(
        behind.server.noted().len(),
        2,
        "no server has seen the whole of another one"
    );
}

#[test]
fn headers_are_counted() {
    let behind = behind();
    // Host is one of them; what belongs to the connection is not.
    assert_eq!(
        behind
            .ask("GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4")
            .status,
        200
    );
    assert_eq!(
        behind
            .ask("GET / HTTP/1.1\r\nA: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5")
            .status,
        431
    );
    let long = "x".repeat(200);
    assert_eq!(behind.ask(&format!("GET / HTTP/1.1\r\nA: {long}")).status, 431);
    assert_eq!(behind.server.noted().len(), 1);
}

#[test]
fn limits_that_limit_nothing_close_the_router() {
    let behind = Behind::of(&[("limits", json!({"requestLimits": {}}))]);
    assert_eq!(behind.ask("GET / HTTP/1.1").status, 503);
    let state = behind.state("limits")["error"].to_string();
    assert!(state.contains("limits nothing"), "{state}");
}

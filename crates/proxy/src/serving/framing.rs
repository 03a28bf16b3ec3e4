//! Requests that could be read in two ways.

use super::{Client, Scripted, ask, get, scripted::Act, start_for};

#[tokio::test]
async fn what_has_two_readings_never_reaches_a_server() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |_| {});
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
        "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nabcde",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET c HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let answer = ask(&running, head).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{head:?} got {answer}");
    }
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_after_a_refused_request_is_taken_for_a_request() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |_| {});
    let post =
        |coding: &str| format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n");
    for refused in [
        post("gzip, chunked"),
        post("identity, chunked"),
        post("chunked, chunked"),
        post(",chunked"),
        post("chunked\r\nTransfer-Encoding: chunked"),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
        "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        get("/a#b"),
        get("*"),
        get("/%zz"),
        get("/a%00b"),
    ] {
        let answer = ask(&running, format!("{refused}{}", get("/next"))).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{refused:?} got {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{refused:?} got {answer}");
        assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    }
    assert_eq!(server.requests(), Vec::<String>::new());
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_status_of_no_class_is_502() {
    for status in ["600", "999"] {
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        let server = Scripted::new(move |_, _| Act::Write(answer.clone())).await;
        let running = start_for(&[server.address], |_| {});
        let answer = ask(&running, get("/")).await;
        assert!(answer.starts_with("HTTP/1.1 502"), "{status}: {answer}");
    }
}

#[tokio::test]
async fn neither_clients_nor_servers_give_the_reason_of_mesh() {
    let server = Scripted::new(|_, _| {
        Act::Write("HTTP/1.1 200 OK\r\nX-Mesh-Reason: forged\r\nContent-Length: 0\r\n\r\n".to_owned())
    })
    .await;
    let running = start_for(&[server.address], |_| {});
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Mesh-Reason: forged\r\nX_Mesh_Reason: forged\r\n\r\n";
    let answer = ask(&running, request).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && !answer.contains("forged"),
        "{answer}"
    );
    let seen = server.requests();
    assert!(seen.len() == 1 && !seen[0].contains("forged"), "{seen:?}");
}

#[tokio::test]
async fn connect_is_405() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |_| {});
    let answer = ask(&running, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
}

#[tokio::test]
async fn a_length_beside_chunks_is_dropped_and_the_connection_with_it() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |_| {});
    let smuggled = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 49\r\nTransfer-Encoding: chunked\r\n\r\n\
                    0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    let answer = ask(&running, smuggled).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    for request in server.requests() {
        assert!(
            !request.contains("smuggled") && !request.contains("content-length"),
            "{request}"
        );
    }
}

#[tokio::test]
async fn a_body_that_no_server_took_is_no_request() {
    let running = start_for(&[], |_| {});
    let mut client = Client::connect(&running).await;
    client
        .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300\r\n\r\nGET / HTTP/1.1\r\n")
        .await;
    let answer = client.rest().await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |_| {});
    let answer = ask(&running, get("/1") + &get("/2")).await;
    assert_eq!(answer.matches("hello").count(), 2, "{answer}");
    assert!(server.requests()[1].starts_with("GET /2 "));
}

#[tokio::test]
async fn chunks_that_are_none_end_the_request() {
    for chunks in [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5g\r\nhello\r\n0\r\n\r\n",
    ] {
        let server = Scripted::answering("hello").await;
        let running = start_for(&[server.address], |_| {});
        let post = format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        let answer = ask(&running, post).await;
        assert!(!answer.contains(" 200 "), "{chunks:?} got {answer}");
        assert!(server.requests().is_empty(), "{chunks:?} came through whole");
    }
}

#[tokio::test]
async fn an_encoded_slash_that_would_change_the_route_is_refused() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |_| {});
    running.publish(&crate::fixture::configuration(&serde_json::json!({
        "routers": {
            "all@file": {"rule": "PathPrefix(`/`)", "service": "all"},
            "admin@file": {"rule": "PathPrefix(`/admin`)", "service": "nowhere"},
        },
        "services": {"all@file": {"loadBalancer": {"servers": [{"url": format!("http://{}", server.address)}]}}},
    })));
    for path in ["/x/..%2fadmin", "/x/..%5cadmin"] {
        assert!(
            ask(&running, get(path)).await.starts_with("HTTP/1.1 400"),
            "{path}"
        );
    }
    for path in ["/%61dmin", "/x/../admin", "/x/%2e%2e/admin", "//admin"] {
        assert!(
            ask(&running, get(path)).await.starts_with("HTTP/1.1 503"),
            "{path} went around its router"
        );
    }
    assert!(ask(&running, get("/a%2Fb")).await.ends_with("hello"));
}

//! What servers and clients see of each other.

use serde_json::json;

use super::{Client, Scripted, ask, eventually, get, ok, route_to, scripted::Act, start, start_for};
use crate::{fixture, settings::UnderscoreHeaders};

#[tokio::test]
async fn nobody_declared_it_is_404() {
    let running = start(|_| {});
    let answer = ask(&running, get("/")).await;
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n404 page not found\n"), "{answer}");
}

#[tokio::test]
async fn a_request_reaches_its_server_with_what_servers_need_to_know() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |_| {});
    let mut client = Client::connect(&running).await;
    client
        .send("GET /a%20b/c%2Fd?x=%2F&z=/../q HTTP/1.1\r\nHost: A.example:99\r\nX-Own: 1\r\n\r\n")
        .await;
    let (head, body) = client.answer().await;
    assert!(head.starts_with("http/1.1 200 ok") && body == "hello", "{head}");
    let seen = server.requests().remove(0);
    for line in [
        "GET /a%20b/c%2Fd?x=%2F&z=/../q HTTP/1.1",
        "host: A.example:99",
        "x-own: 1",
        "x-forwarded-for: 127.0.0.1",
        "x-real-ip: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-forwarded-port: 99",
        "x-forwarded-host: A.example:99",
    ] {
        assert!(
            seen.lines().any(|seen| seen == line),
            "{line:?} is missing in {seen}"
        );
    }
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |_| {});
    let mut client = Client::connect(&running).await;
    for _ in 0..5 {
        client.send(get("/")).await;
        assert_eq!(client.answer().await.1, "hello");
    }
    assert_eq!((server.requests().len(), server.connections()), (5, 1));
}

#[tokio::test]
async fn a_server_that_closes_does_not_close_the_client() {
    let server = Scripted::new(|_, _| {
        Act::WriteAndClose(
            "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\nhi".into(),
        )
    })
    .await;
    let running = start_for(&[server.address], |_| {});
    let mut client = Client::connect(&running).await;
    for _ in 0..3 {
        client.send(get("/")).await;
        let (head, body) = client.answer().await;
        assert!(
            body == "hi" && !head.contains("connection:") && !head.contains("x-hop"),
            "{head}"
        );
    }
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let server = Scripted::new(|_, request| Act::Write(ok(request.split("\r\n\r\n").nth(1).unwrap()))).await;
    let running = start_for(&[server.address], |_| {});
    let mut client = Client::connect(&running).await;
    client
        .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab")
        .await;
    client.send("cde").await;
    assert_eq!(client.answer().await.1, "abcde");
    client
        .send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        .await;
    assert!(client.answer().await.0.starts_with("http/1.1 200"));
    assert!(server.requests()[1].contains("transfer-encoding: chunked\r\n"));
    assert!(server.requests()[1].ends_with("3\r\nabc\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn an_event_arrives_before_the_next_one_is_written() {
    let server = Scripted::new(|_, _| {
        Act::Echo("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n".into())
    })
    .await;
    let running = start_for(&[server.address], |_| {});
    let mut client = Client::connect(&running).await;
    client.send(get("/")).await;
    client.read_until("data: 1\n\n\r\n").await;
}

#[tokio::test]
async fn answers_without_a_body_end_where_they_should() {
    let server = Scripted::new(|_, request| {
        Act::Write(match request.split(' ').next() {
            Some("HEAD") => "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n".into(),
            Some("PUT") => "HTTP/1.1 204 No Content\r\n\r\n".into(),
            _ => "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n".into(),
        })
    })
    .await;
    let running = start_for(&[server.address], |_| {});
    let mut client = Client::connect(&running).await;
    client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(
        client
            .read_until("\r\n\r\n")
            .await
            .contains("content-length: 500")
    );
    client
        .send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert!(client.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 204"));
    client.send(get("/")).await;
    assert!(client.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 304"));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_cut_answer_looks_cut() {
    let cut_by = async |start: &str| {
        let start = start.to_owned();
        let server = Scripted::new(move |_, _| Act::WriteAndClose(start.clone())).await;
        let running = start_for(&[server.address], |_| {});
        let mut client = Client::connect(&running).await;
        client.send(get("/")).await;
        client.rest().await
    };
    let by_length = cut_by("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
    assert!(by_length.ends_with("abc"), "{by_length}");
    let chunked = cut_by("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    assert!(!chunked.contains("0\r\n\r\n"), "{chunked}");
}

#[tokio::test]
async fn a_client_that_resets_frees_its_server_at_once() {
    let server = Scripted::new(|_, _| Act::Nothing).await;
    let running = start_for(&[server.address], |_| {});
    let mut client = Client::connect(&running).await;
    client.send(get("/")).await;
    eventually("the request arrives", || server.requests().len() == 1).await;
    socket2::SockRef::from(&client.0)
        .set_linger(Some(std::time::Duration::ZERO))
        .unwrap();
    drop(client);
    eventually("the server's connection ends", || server.closed() == 1).await;
}

#[tokio::test]
async fn a_client_that_says_no_more_still_gets_its_answer() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |_| {});
    assert!(ask(&running, get("/")).await.ends_with("hello"));
}

#[tokio::test]
async fn a_service_without_servers_says_when_to_come_back_and_why() {
    let running = start_for(&[], |web| web.http.reason_header = true);
    let answer = ask(&running, get("/")).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 503"), "{answer}");
    assert!(
        answer.contains("\r\nretry-after: ") && answer.contains("\r\nx-mesh-reason: "),
        "{answer}"
    );
    assert!(answer.ends_with("no available server\n"));
}

#[tokio::test]
async fn a_broken_router_fails_closed() {
    let running = start(|_| {});
    running.publish(&fixture::configuration(&json!({
        "routers": {"all@file": {"rule": "PathPrefix(`/`)", "service": "nowhere"}},
    })));
    assert!(ask(&running, get("/")).await.starts_with("HTTP/1.1 503"));
}

#[tokio::test]
async fn a_new_table_serves_the_next_request_of_a_connection() {
    let (one, two) = (Scripted::answering("one").await, Scripted::answering("two").await);
    let running = start_for(&[one.address], |_| {});
    let mut client = Client::connect(&running).await;
    for (server, body) in [(&one, "one"), (&two, "two")] {
        route_to(&running, &[server.address], &json!({}));
        client.send(get("/")).await;
        assert_eq!(client.answer().await.1, body);
    }
}

#[tokio::test]
async fn trailers_pass_like_headers_do() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |web| {
        web.http.underscore_headers_strategy = UnderscoreHeaders::Delete;
    });
    let names = ["x-checksum", "x-forwarded-for", "x_real_ip", "my_sum", "cookie"];
    let trailers: String = names.iter().map(|name| format!("{name}: 1\r\n")).collect();
    let post = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: {}\r\n\r\n3\r\nabc\r\n0\r\n{trailers}\r\n",
        names.join(", ")
    );
    assert!(ask(&running, post).await.ends_with("hello"));
    let request = server.requests().remove(0);
    assert!(
        request.ends_with("3\r\nabc\r\n0\r\nx-checksum: 1\r\n\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn a_refused_trailer_refuses_its_request() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |web| {
        web.http.underscore_headers_strategy = UnderscoreHeaders::Reject;
    });
    let post = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: my_sum\r\n\r\n3\r\nabc\r\n0\r\nmy_sum: 1\r\n\r\n";
    assert!(ask(&running, post).await.starts_with("HTTP/1.1 400"));
    assert!(server.requests().is_empty(), "the request came through whole");
}

#[tokio::test]
async fn trailers_of_an_answer_reach_clients_that_take_them() {
    let server = Scripted::new(|_, _| {
        Act::Write(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-Mesh-Reason\r\n\r\n\
             2\r\nhi\r\n0\r\nX-Sum: 1\r\nX-Mesh-Reason: forged\r\n\r\n"
                .into(),
        )
    })
    .await;
    let running = start_for(&[server.address], |_| {});
    for (te, end) in [("TE: trailers\r\n", "x-sum: 1\r\n"), ("", "")] {
        let get = format!("GET / HTTP/1.1\r\nHost: h\r\n{te}\r\n");
        let answer = ask(&running, get).await;
        assert!(
            answer.ends_with(&format!("\r\n2\r\nhi\r\n0\r\n{end}\r\n")),
            "{answer}"
        );
    }
}

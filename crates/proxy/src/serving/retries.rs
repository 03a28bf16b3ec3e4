//! Which requests are sent again, and which never.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Client, Scripted, ask, get, ok, route_to, scripted::Act, start, start_for};
use crate::fixture::Refusing;

#[tokio::test]
async fn a_server_that_refuses_is_passed_over() {
    let server = Scripted::answering("hello").await;
    let refusing = [Refusing::new(), Refusing::new()];
    let servers = [refusing[0].address(), server.address, refusing[1].address()];
    let running = start_for(&servers, |_| {});
    for _ in 0..6 {
        let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
        assert!(ask(&running, post).await.ends_with("hello"));
    }
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.ends_with("\r\n\r\nabc"))
    );
}

#[tokio::test]
async fn half_of_many_servers_may_refuse_at_once_and_no_client_notices() {
    let server = Scripted::answering("hello").await;
    let refusing: Vec<_> = std::iter::repeat_with(Refusing::new).take(4).collect();
    let dead = refusing.iter().map(Refusing::address);
    let servers: Vec<_> = dead.chain([server.address]).collect();
    let running = start_for(&servers, |_| {});
    for _ in 0..30 {
        assert!(ask(&running, get("/")).await.ends_with("hello"));
    }
    let once = json!({"retry": {"attempts": 1}});
    running.publish(&crate::fixture::configuration(&super::everything_to(
        &servers, once,
    )));
    let mut refused = 0;
    for _ in 0..5 {
        refused += usize::from(ask(&running, get("/")).await.starts_with("HTTP/1.1 502"));
    }
    assert_eq!(refused, 4, "one attempt is one server");
}

#[tokio::test]
async fn a_client_that_is_slow_to_send_makes_no_server_seem_to_fail() {
    let server = Scripted::answering("hello").await;
    let running = start(|_| {});
    let options = json!({"passiveHealthCheck": {}, "timeouts": {"request": "100ms"}});
    running.publish(&crate::fixture::configuration(&super::everything_to(
        &[server.address],
        options,
    )));
    let mut client = Client::connect(&running).await;
    client
        .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc")
        .await;
    assert!(client.answer().await.0.starts_with("http/1.1 504"));
    assert!(ask(&running, get("/")).await.ends_with("hello"));
}

#[tokio::test]
async fn the_time_that_a_client_takes_is_not_that_of_one_try() {
    let server = Scripted::answering("hello").await;
    let running = start(|_| {});
    let options = json!({"retry": {"perTryTimeout": "50ms"}});
    running.publish(&crate::fixture::configuration(&super::everything_to(
        &[server.address],
        options,
    )));
    let mut client = Client::connect(&running).await;
    client
        .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc")
        .await;
    // Three times as long as a server has.
    tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    client.send("def").await;
    assert_eq!(client.answer().await.1, "hello");
}

#[tokio::test]
async fn when_all_servers_refuse_the_answer_is_502() {
    let refusing = [Refusing::new(), Refusing::new()];
    let running = start_for(&refusing.each_ref().map(Refusing::address), |web| {
        web.http.reason_header = true
    });
    let answer = ask(&running, get("/")).await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert!(
        answer.contains("x-mesh-reason: cannot connect to 127.0.0.1:"),
        "{answer}"
    );
}

/// A server that answers the first request of all and lets the next die on the connection that is kept.
async fn stale() -> Scripted {
    Scripted::new(|number, _| match number {
        2 => Act::WriteAndClose(String::new()),
        _ => Act::Write(ok("hello")),
    })
    .await
}

#[tokio::test]
async fn a_get_on_a_connection_that_died_is_sent_again() {
    let server = stale().await;
    let running = start_for(&[server.address], |_| {});
    for _ in 0..2 {
        assert!(ask(&running, get("/")).await.ends_with("hello"));
    }
    assert_eq!((server.requests().len(), server.connections()), (3, 2));
}

#[tokio::test]
async fn a_post_on_a_connection_that_died_runs_at_most_once() {
    let server = stale().await;
    let other = Scripted::answering("other").await;
    let running = start_for(&[server.address], |_| {});
    assert!(ask(&running, get("/")).await.ends_with("hello"));
    route_to(&running, &[server.address], &json!({}));
    let answer = ask(
        &running,
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert_eq!((server.requests().len(), other.requests().len()), (2, 0));
}

/// A server that loses its first `lost` requests.
async fn losing(lost: usize) -> Scripted {
    Scripted::new(move |number, _| match number <= lost {
        true => Act::WriteAndClose(String::new()),
        false => Act::Write(ok("hello")),
    })
    .await
}

#[tokio::test]
async fn a_get_that_a_server_lost_goes_to_another() {
    let (ending, server) = (losing(usize::MAX).await, Scripted::answering("hello").await);
    let running = start_for(&[ending.address, server.address], |_| {});
    for _ in 0..4 {
        assert!(ask(&running, get("/")).await.ends_with("hello"));
    }
    assert!(!ending.requests().is_empty() && server.requests().len() == 4);
}

#[tokio::test]
async fn a_get_that_the_only_server_lost_is_sent_three_times_at_most() {
    let server = losing(2).await;
    let running = start_for(&[server.address], |_| {});
    assert!(ask(&running, get("/")).await.ends_with("hello"));
    let server = losing(usize::MAX).await;
    let other = losing(usize::MAX).await;
    let running = start_for(&[server.address, other.address], |_| {});
    assert!(ask(&running, get("/")).await.starts_with("HTTP/1.1 502"));
    assert_eq!(server.requests().len() + other.requests().len(), 3);
}

#[tokio::test]
async fn a_post_that_a_server_lost_is_not_sent_again() {
    let (server, other) = (losing(usize::MAX).await, losing(usize::MAX).await);
    let running = start_for(&[server.address, other.address], |_| {});
    for length in [0, 1] {
        let post = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
        let body = "x".repeat(length);
        assert!(ask(&running, post + &body).await.starts_with("HTTP/1.1 502"));
        assert_eq!(server.requests().len() + other.requests().len(), length + 1);
    }
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_reach_no_client() {
    let server = Scripted::new(|number, _| {
        Act::Write(match number {
            1 => format!("{}{}", ok("hello"), ok("planted")),
            _ => ok("second"),
        })
    })
    .await;
    let running = start_for(&[server.address], |_| {});
    let mut client = Client::connect(&running).await;
    for body in ["hello", "second", "second"] {
        client.send(get("/")).await;
        assert_eq!(client.answer().await.1, body);
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_is_504() {
    let server = Scripted::new(|_, _| Act::Nothing).await;
    let running = start(|_| {});
    route_to(
        &running,
        &[server.address],
        &json!({"responseHeaderTimeout": "50ms"}),
    );
    let answer = ask(
        &running,
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_server_that_takes_no_further_bytes_is_504() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = start(|_| {});
    route_to(
        &running,
        &[listener.local_addr().unwrap()],
        &json!({"writeTimeout": "50ms"}),
    );
    let mut client = Client::connect(&running).await;
    let (_never_read, sent) = tokio::join!(listener.accept(), async {
        client
            .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n")
            .await;
        let (mut answers, mut requests) = client.0.into_split();
        let body = vec![b'x'; 65536];
        let sending = tokio::spawn(async move { while requests.write_all(&body).await.is_ok() {} });
        let mut answer = [0; 12];
        answers.read_exact(&mut answer).await.unwrap();
        sending.abort();
        answer
    });
    assert_eq!(&sent, b"HTTP/1.1 504");
}

#[tokio::test]
async fn a_server_that_falls_silent_within_an_answer_is_cut() {
    let server =
        Scripted::new(|_, _| Act::Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".into())).await;
    let running = start(|_| {});
    route_to(&running, &[server.address], &json!({"readTimeout": "50ms"}));
    assert!(ask(&running, get("/")).await.ends_with("abc"));
}

#[tokio::test]
async fn answers_that_are_none_are_502() {
    for bytes in [
        "garbage\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: foo\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
    ] {
        let server = Scripted::new(move |_, _| Act::WriteAndClose(bytes.into())).await;
        let running = start_for(&[server.address], |_| {});
        let answer = ask(&running, get("/")).await;
        assert!(answer.starts_with("HTTP/1.1 502"), "{bytes:?} became {answer}");
    }
}

#[tokio::test]
async fn interim_answers_are_dropped_and_a_length_beside_chunks_too() {
    let server = Scripted::new(|_, _| {
        Act::Write(
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 99\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
                .into(),
        )
    })
    .await;
    let running = start_for(&[server.address], |_| {});
    let answer = ask(&running, get("/")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.ends_with("2\r\nhi\r\n0\r\n\r\n") && !answer.contains("content-length"),
        "{answer}"
    );
}

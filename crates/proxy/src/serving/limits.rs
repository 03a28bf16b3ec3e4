//! Limits in time, size and number.

use std::time::Duration;

use super::{Client, Scripted, ask, get, start_for};

const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_head_that_does_not_end_is_408() {
    let running = start_for(&[], |web| {
        web.transport.responding_timeouts.read_header_timeout = SHORT
    });
    let mut client = Client::connect(&running).await;
    client.send("GET / HTTP/1.1\r\nHo").await;
    assert!(client.rest().await.starts_with("HTTP/1.1 408"));
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time_and_not_by_the_limit_of_heads() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |web| {
        web.transport.responding_timeouts.read_header_timeout = Duration::from_millis(1);
        web.transport.responding_timeouts.idle_timeout = Duration::from_millis(300);
    });
    let mut client = Client::connect(&running).await;
    let begin = std::time::Instant::now();
    assert_eq!(client.rest().await, "");
    assert!(
        begin.elapsed() >= Duration::from_millis(250),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn a_body_that_stalls_is_408() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |web| {
        web.transport.responding_timeouts.read_timeout = SHORT
    });
    let mut client = Client::connect(&running).await;
    client
        .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab")
        .await;
    assert!(client.rest().await.starts_with("HTTP/1.1 408"));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let running = start_for(&[], |web| web.http.max_header_bytes = 8192);
    let head = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "a".repeat(9000));
    assert!(ask(&running, head).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn the_last_request_of_a_connection_says_so() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |web| web.transport.keep_alive_max_requests = 2);
    let mut client = Client::connect(&running).await;
    client.send(get("/")).await;
    assert!(!client.answer().await.0.contains("connection: close"));
    client.send(get("/")).await;
    assert!(client.answer().await.0.contains("connection: close"));
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_room() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |web| web.max_connections = 1);
    let mut first = Client::connect(&running).await;
    first.send(get("/")).await;
    first.answer().await;
    let mut second = Client::connect(&running).await;
    second.send(get("/")).await;
    first.send(get("/")).await;
    first.answer().await;
    assert_eq!(server.requests().len(), 2);
    drop(first);
    assert_eq!(second.answer().await.1, "hello");
}

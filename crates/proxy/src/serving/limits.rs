//! Limits in time, size and number.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{Client, Scripted, ask, eventually, get, ok, scripted::Act, start_for};

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
async fn a_client_that_takes_no_further_bytes_is_cut() {
    let large: &'static str = "x".repeat(64 * 1024 * 1024).leak();
    let server = Scripted::new(move |_, _| Act::Write(ok(large))).await;
    let running = start_for(&[server.address], |web| {
        web.transport.responding_timeouts.write_timeout = SHORT;
    });
    let mut client = Client::connect(&running).await;
    client.send(get("/")).await;
    eventually("the server is let go", || server.closed() == 1).await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.len() < large.len());
}

/// Sends a body of 40 bytes, one each 5 ms, to an entrypoint with these settings, and gives the answer.
async fn trickle(min_body_rate: u64, body_grace_time: Duration) -> String {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |web| {
        web.transport.responding_timeouts.min_body_rate = min_body_rate;
        web.transport.responding_timeouts.body_grace_time = body_grace_time;
    });
    let client = Client::connect(&running).await;
    let (mut answers, mut requests) = client.0.into_split();
    let sending = tokio::spawn(async move {
        let head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\n";
        requests.write_all(head).await.unwrap();
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if requests.write_all(b"x").await.is_err() {
                return;
            }
        }
        requests.shutdown().await.unwrap();
    });
    let mut answer = Vec::new();
    let _reset = answers.read_to_end(&mut answer).await;
    sending.await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_body_below_the_minimum_rate_is_408() {
    let answer = trickle(1_000_000, SHORT).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_slow_body_lives_above_the_minimum_rate_and_without_one() {
    let long = Duration::from_secs(5);
    for (rate, grace) in [(10, long), (0, SHORT), (1_000_000, Duration::ZERO)] {
        let answer = trickle(rate, grace).await;
        assert!(answer.ends_with("hello"), "{rate}, {grace:?}: {answer}");
    }
}

#[tokio::test]
async fn a_client_is_not_blamed_for_a_server_that_reads_slowly() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let size = 16 * 1024 * 1024;
    let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n");
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // Longer than the client may take.
        tokio::time::sleep(SHORT * 40).await;
        let mut request = Vec::new();
        while !request.ends_with(b"!") {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
        }
        stream.write_all(ok("hello").as_bytes()).await.unwrap();
    });
    let running = start_for(&[address], |web| {
        web.transport.responding_timeouts.min_body_rate = 1_000_000_000;
        web.transport.responding_timeouts.body_grace_time = SHORT * 20;
    });
    let mut client = Client::connect(&running).await;
    client.send(head).await;
    client.send("x".repeat(size - 1) + "!").await;
    assert_eq!(client.answer().await.1, "hello");
    server.await.unwrap();
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

#[tokio::test]
async fn an_upload_that_goes_on_after_its_answer_is_no_new_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, mut uploads) = tokio::sync::mpsc::unbounded_channel();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\nabc") {
            assert_ne!(stream.read_buf(&mut text).await.unwrap(), 0);
        }
        stream.write_all(ok("early").as_bytes()).await.unwrap();
        while !text.ends_with(b"abcd#f") {
            assert_ne!(stream.read_buf(&mut text).await.unwrap(), 0);
        }
        seen.send(()).unwrap();
        while !text.ends_with(b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut text).await.unwrap(), 0);
        }
        stream.write_all(ok("second").as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let limit = Duration::from_millis(100);
    let running = start_for(&[address], |web| {
        web.transport.responding_timeouts.read_header_timeout = limit;
    });
    let mut client = Client::connect(&running).await;
    client
        .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc")
        .await;
    assert_eq!(client.answer().await.1, "early");
    client.send("d").await;
    // Longer than the head of a request may take.
    tokio::time::sleep(limit * 3).await;
    client.send("#f").await;
    uploads.recv().await.unwrap();
    client.send(get("/")).await;
    assert_eq!(client.answer().await.1, "second");
    server.abort();
}

#[tokio::test]
async fn the_rest_of_a_body_that_nobody_takes_is_no_new_request() {
    let limit = Duration::from_millis(100);
    let running = start_for(&[], |web| {
        web.transport.responding_timeouts.read_header_timeout = limit;
    });
    let mut client = Client::connect(&running).await;
    // The rest comes together with the head, or after the answer.
    for (now, later) in [("abc", ""), ("", "abc")] {
        let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
        client.send(format!("{head}{now}")).await;
        assert!(client.answer().await.0.starts_with("http/1.1 503"));
        client.send(later).await;
        tokio::time::sleep(limit * 3).await;
    }
    assert_eq!(
        client.rest().await,
        "",
        "there is an answer that nobody asked for"
    );
}

#[tokio::test]
async fn a_client_that_sends_on_sees_the_answer_of_a_server_that_closed_early() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            assert_ne!(stream.read(&mut head).await.unwrap(), 0);
            let answer =
                "HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge";
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    let running = start_for(&[address], |_| {});
    let mut client = Client::connect(&running).await;
    let size = 16 * 1024 * 1024;
    let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n");
    client.send(head).await;
    // As clients do that write everything before they read.
    let smuggled = get("/smuggled").repeat(1024);
    let mut left = size;
    while left > 0 {
        let part = smuggled.get(..left).unwrap_or(&smuggled);
        client.send(part).await;
        left -= part.len();
    }
    let answers = client.rest().await;
    assert!(answers.starts_with("HTTP/1.1 413"), "{answers}");
    assert!(answers.ends_with("\r\n\r\nlarge"), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
    server.abort();
}

#[tokio::test]
async fn what_a_client_takes_slowly_is_not_cut_as_if_it_were_idle() {
    let large: &'static str = "x".repeat(8 * 1024 * 1024).leak();
    let server = Scripted::new(move |_, _| Act::Write(ok(large))).await;
    let running = start_for(&[server.address], |web| {
        web.transport.responding_timeouts.idle_timeout = 2 * SHORT;
    });
    let mut client = Client::connect(&running).await;
    client.send(get("/")).await;
    let (mut taken, mut part) = (0, vec![0; 64 * 1024]);
    loop {
        tokio::time::sleep(SHORT / 2).await;
        match client.0.read(&mut part).await {
            Ok(length @ 1..) => taken += length,
            _ => break,
        }
    }
    assert!(taken > large.len(), "{taken} of {}", large.len());
}

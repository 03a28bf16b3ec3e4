//! Requests over HTTP/2, with servers of HTTP/1.1 behind.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};

use super::{Client, PATIENCE, Scripted, eventually, ok, scripted::Act, start, start_for};
use crate::{Running, settings::EntryPoint};

pub(super) type Body = BoxBody<Bytes, std::convert::Infallible>;

/// A client of HTTP/2 that knows beforehand that Mesh speaks it.
pub(super) async fn connect(running: &Running) -> SendRequest<Body> {
    let stream = TcpStream::connect(running.addresses()["web"]).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

pub(super) fn get(path: &str) -> Request<Body> {
    Request::get(format!("http://a.example{path}"))
        .body(Empty::new().boxed())
        .unwrap()
}

pub(super) fn post(path: &str, body: &'static str) -> Request<Body> {
    let body = Full::from(body).boxed();
    Request::post(format!("http://a.example{path}"))
        .body(body)
        .unwrap()
}

pub(super) async fn text(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |_| {});
    let mut client = connect(&running).await;
    let answers = (0..100).map(|n| client.send_request(get(&format!("/{n}"))));
    for answer in join_all(answers).await {
        let answer = answer.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(text(answer).await, "hello");
    }
    assert_eq!(server.requests().len(), 100);
}

#[tokio::test]
async fn a_server_sees_an_ordinary_request() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |_| {});
    let mut client = connect(&running).await;
    let request = Request::post("http://a.example:81/x?y=1")
        .header(header::COOKIE, "a=1")
        .header(header::COOKIE, "b=2")
        .header("te", "trailers")
        .body(Full::from("body").boxed())
        .unwrap();
    let answer = client.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let seen = server.requests().remove(0).to_lowercase();
    assert!(seen.starts_with("post /x?y=1 http/1.1\r\n"), "{seen}");
    for line in [
        "host: a.example:81",
        "cookie: a=1; b=2",
        "content-length: 4",
        "te: trailers",
        "x-forwarded-proto: http",
        "x-forwarded-for: 127.0.0.1",
    ] {
        assert!(
            seen.contains(&format!("\r\n{line}\r\n")),
            "{line} is not in {seen}"
        );
    }
}

#[tokio::test]
async fn bodies_stream_both_ways_and_trailers_follow() {
    let server = Scripted::new(|_, text| {
        let trailer = text.contains("x-sum: 7");
        Act::Write(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-status\r\n\r\n5\r\nhello\r\n0\r\ngrpc-status: {}\r\n\r\n",
            u8::from(!trailer)
        ))
    })
    .await;
    let running = start_for(&[server.address], |_| {});
    let mut client = connect(&running).await;
    let (parts, received) = mpsc::channel(1);
    let frames = futures::stream::unfold(received, |mut received| async move {
        received.recv().await.map(|frame| (frame, received))
    });
    let request = Request::post("http://a.example/")
        .header(header::TRAILER, "x-sum")
        .body(StreamBody::new(frames).boxed())
        .unwrap();
    let answer = client.send_request(request);
    parts.send(Ok(Frame::data(Bytes::from("abc")))).await.unwrap();
    let trailers = [("x-sum".parse().unwrap(), "7".parse().unwrap())];
    parts
        .send(Ok(Frame::trailers(trailers.into_iter().collect())))
        .await
        .unwrap();
    drop(parts);
    let body = timeout(PATIENCE, answer).await.unwrap().unwrap().into_body();
    let collected = body.collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(collected.to_bytes(), "hello");
}

#[tokio::test]
async fn what_is_refused_ends_alone() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |_| {});
    let mut client = connect(&running).await;
    let mut evil = get("/");
    evil.headers_mut()
        .insert(header::HOST, "b.example".parse().unwrap());
    assert_eq!(
        client.send_request(evil).await.unwrap().status(),
        StatusCode::BAD_REQUEST
    );
    let traced = Request::builder()
        .method("TRACE")
        .uri("http://a/")
        .body(Empty::new().boxed());
    let answer = client.send_request(traced.unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(
        client.send_request(get("/")).await.unwrap().status(),
        StatusCode::OK
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_ends_in_a_reset() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    let server = Scripted::new(move |_, _| Act::WriteAndClose(cut.to_owned())).await;
    let running = start_for(&[server.address], |_| {});
    let mut client = connect(&running).await;
    let answer = client.send_request(get("/")).await.unwrap();
    assert!(answer.into_body().collect().await.is_err());
}

#[tokio::test]
async fn a_client_that_leaves_one_request_keeps_its_connection_and_frees_the_server() {
    let server = Scripted::new(|_, text| match text.contains("/slow") {
        true => Act::Nothing,
        false => Act::Write(ok("hello")),
    })
    .await;
    let running = start_for(&[server.address], |_| {});
    let mut client = connect(&running).await;
    let slow = timeout(Duration::from_millis(100), client.send_request(get("/slow")));
    assert!(slow.await.is_err());
    eventually("the server is told", || server.closed() == 1).await;
    assert_eq!(
        client.send_request(get("/")).await.unwrap().status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn one_who_gives_up_all_requests_is_sent_away() {
    let server = Scripted::new(|_, _| Act::Nothing).await;
    let running = start_for(&[server.address], |_| {});
    let mut client = connect(&running).await;
    let mut given_up = 0;
    while !client.is_closed() {
        let asked = client.send_request(get("/"));
        if let Ok(Err(_)) = timeout(Duration::from_millis(2), asked).await {
            break;
        }
        given_up += 1;
        assert!(given_up < 1000, "still served");
    }
    assert!(given_up > 100, "{given_up} is what a browser may do");
}

#[tokio::test]
async fn an_answer_that_is_not_taken_ends_alone_and_frees_the_server() {
    let server = Scripted::new(|_, text| match text.contains("/large") {
        true => Act::Write(ok(&"x".repeat(16 << 20))),
        false => Act::Write(ok("hello")),
    })
    .await;
    let running = start_for(&[server.address], |web| {
        web.transport.responding_timeouts.write_timeout = Duration::from_secs(1);
    });
    let mut client = connect(&running).await;
    let large = client.send_request(get("/large")).await.unwrap();
    let asking = async {
        while server.closed() == 0 {
            let answer = client.send_request(get("/")).await.unwrap();
            assert_eq!(text(answer).await, "hello");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, asking).await.expect("the server is kept");
    assert!(large.into_body().collect().await.is_err());
    assert_eq!(text(client.send_request(get("/")).await.unwrap()).await, "hello");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn an_answer_that_is_taken_slowly_comes_to_its_end() {
    let (limit, length) = (Duration::from_secs(1), 16 << 20);
    let server = Scripted::new(move |_, _| Act::Write(ok(&"x".repeat(length)))).await;
    let running = start_for(&[server.address], |web| {
        web.transport.responding_timeouts.write_timeout = limit;
    });
    let mut client = connect(&running).await;
    let begin = std::time::Instant::now();
    let mut body = client.send_request(get("/")).await.unwrap().into_body();
    let mut taken = 0;
    while taken < length {
        // Longer than the limit in all, and never as long at a time.
        while begin.elapsed() < 2 * limit * u32::try_from(taken * 100 / length).unwrap() / 100 {
            tokio::time::sleep(limit / 100).await;
        }
        taken += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
    assert!(begin.elapsed() > limit);
}

#[tokio::test]
async fn who_sends_what_only_costs_is_told_why_it_is_sent_away() {
    let running = start(|_| {});
    let mut client = Client::connect(&running).await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    let unknown = [0, 0, 0, 0xfa, 0, 0, 0, 0, 0].repeat(100);
    for _ in 0..25 {
        client.send(&unknown).await;
    }
    let mut bytes = Vec::new();
    let _reset = timeout(PATIENCE, client.0.read_to_end(&mut bytes)).await.unwrap();
    let go_away = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11];
    assert!(bytes.ends_with(&go_away), "{bytes:?}");
}

#[tokio::test]
async fn a_connection_is_closed_after_its_last_request() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |web: &mut EntryPoint| {
        web.transport.keep_alive_max_requests = 2
    });
    let mut client = connect(&running).await;
    for _ in 0..2 {
        assert_eq!(
            client.send_request(get("/")).await.unwrap().status(),
            StatusCode::OK
        );
    }
    eventually("closed", || client.is_closed()).await;
}

#[tokio::test]
async fn an_idle_connection_ends_in_time() {
    let running = start(|web| web.transport.responding_timeouts.idle_timeout = Duration::from_millis(100));
    let mut client = connect(&running).await;
    assert_eq!(
        client.send_request(get("/")).await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
    eventually("closed", || client.is_closed()).await;
}

#[tokio::test]
async fn the_preface_may_come_in_pieces() {
    let running = start(|_| {});
    let mut client = Client::connect(&running).await;
    for part in ["P", "RI * HTTP/2.0\r\n", "\r\nSM\r\n\r\n"] {
        client.send(part).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Its settings, before it has seen those of the client.
    let mut head = [0; 9];
    client.0.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "{head:?}");
    let mut client = Client::connect(&running).await;
    client.send("P").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    client
        .send("OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert!(client.answer().await.0.starts_with("http/1.1 404"));
    client.0.shutdown().await.unwrap();
}

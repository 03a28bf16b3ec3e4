//! Servers that answer before they have read the request, and what becomes of the rest of it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

use super::{Client, PATIENCE, eventually, ok, route_to, start, start_for};
use crate::Drained;

/// A server that answers each connection's first head at once, and keeps all that it reads.
struct Hasty {
    address: SocketAddr,
    read: Arc<Mutex<Vec<u8>>>,
}

impl Hasty {
    async fn answering(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let read = Arc::<Mutex<Vec<u8>>>::default();
        let kept = read.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (kept, answer) = (kept.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut is_answered = false;
                    let mut bytes = [0; 4096];
                    while let Ok(length @ 1..) = stream.read(&mut bytes).await {
                        kept.lock().extend_from_slice(&bytes[..length]);
                        let has_head = kept.lock().windows(4).any(|window| window == b"\r\n\r\n");
                        if has_head && !std::mem::replace(&mut is_answered, true) {
                            stream.write_all(answer.as_bytes()).await.unwrap();
                        }
                    }
                });
            }
        });
        Self { address, read }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.read.lock()).into_owned()
    }
}

#[tokio::test]
async fn nothing_is_taken_for_a_request_behind_what_is_no_chunk_however_early_the_answer() {
    for broken in ["zz\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n"] {
        let server = Hasty::answering(ok("early")).await;
        let running = start_for(&[server.address], |_| {});
        let mut client = Client::connect(&running).await;
        client
            .send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await;
        assert_eq!(client.answer().await.1, "early");
        client
            .send(format!("{broken}GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"))
            .await;
        assert_eq!(client.rest().await, "", "{broken:?}");
        assert!(!server.text().contains("hidden"), "{broken:?}");
    }
}

#[tokio::test]
async fn an_upload_goes_on_when_its_answer_was_the_last_of_the_connection() {
    for head in [
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n",
        "POST / HTTP/1.0\r\nHost: h\r\n",
    ] {
        let server = Hasty::answering(ok("early")).await;
        let running = start_for(&[server.address], |_| {});
        let mut client = Client::connect(&running).await;
        client
            .send(format!("{head}Content-Length: 10\r\n\r\n01234"))
            .await;
        // The client learns that it has the whole answer, and finishes what it sends.
        assert!(client.rest().await.ends_with("early"));
        client.send("56789").await;
        eventually("the server has all of it", || {
            server.text().ends_with("0123456789")
        })
        .await;
    }
}

#[tokio::test]
async fn an_upload_is_given_up_when_its_server_has_answered_and_reads_no_more() {
    for (early, write) in [("100ms", "10m"), ("0s", "100ms")] {
        for answer in [ok("early"), ok("")] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let expected = answer.clone();
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.read_exact(&mut [0]).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
                std::future::pending::<()>().await;
            });
            let running = start(|_| {});
            let timeouts = json!({"earlyAnswerTimeout": early, "writeTimeout": write});
            route_to(&running, &[address], &timeouts);
            let (mut answers, mut upload) = Client::connect(&running).await.0.into_split();
            let sending = tokio::spawn(async move {
                let head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
                upload.write_all(head).await.unwrap();
                let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
                while upload.write_all(chunk.as_bytes()).await.is_ok() {}
            });
            let mut text = Vec::new();
            let told = timeout(PATIENCE, answers.read_to_end(&mut text)).await;
            told.expect("the upload has no end").unwrap();
            let text = String::from_utf8(text).unwrap().to_lowercase();
            let body = expected.split("\r\n\r\n").nth(1).unwrap();
            assert!(text.starts_with("http/1.1 200") && text.ends_with(body), "{text}");
            sending.abort();
            server.abort();
        }
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_reset_when_it_is_cut() {
    let server = Hasty::answering("HTTP/1.1 200 OK\r\n\r\nthe first half".to_owned()).await;
    let running = start_for(&[server.address], |web| {
        web.transport.life_cycle.grace_time_out = Duration::from_millis(50);
    });
    let mut client = Client::connect(&running).await;
    client.send("GET / HTTP/1.0\r\nHost: h\r\n\r\n").await;
    client.read_until("half").await;
    assert_eq!(running.drain().await, Drained::Cut(1));
    assert!(client.0.read(&mut [0]).await.is_err(), "a cut answer looks whole");
}

/// Asks for what never comes, does `after`, and waits until Mesh has let the server go.
async fn leaves(after: &[u8], half_closed: bool, reset: bool) {
    let server = super::Scripted::new(|_, _| super::scripted::Act::Nothing).await;
    let running = start_for(&[server.address], |web| {
        web.transport.responding_timeouts.half_closed_timeout = Duration::from_millis(100);
    });
    let mut client = Client::connect(&running).await;
    client.send(super::get("/")).await;
    eventually("the request is on its way", || server.requests().len() == 1).await;
    client.send(after).await;
    if half_closed {
        client.0.shutdown().await.unwrap();
    }
    if reset {
        let socket = socket2::SockRef::from(&client.0);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }
    drop(client);
    eventually("the server is let go", || server.closed() == 1).await;
}

#[tokio::test]
async fn a_server_is_let_go_when_its_client_is_gone_whatever_it_sent_before() {
    leaves(b"", false, true).await;
    leaves(b"\n", false, true).await;
    leaves(b"GET /next", false, true).await;
    leaves(b"", false, false).await;
    leaves(b"", true, true).await;
}

#[tokio::test]
async fn a_client_that_ended_its_side_gets_its_answer() {
    let server = Hasty::answering(ok("late")).await;
    let running = start_for(&[server.address], |_| {});
    assert!(super::ask(&running, super::get("/")).await.ends_with("late"));
}

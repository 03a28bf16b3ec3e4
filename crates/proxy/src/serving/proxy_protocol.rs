//! Connections that a proxy passes on, and says so.

use std::time::Duration;

use super::{Client, Scripted, get, start_for};
use crate::{
    Running,
    settings::{EntryPoint, ProxyProtocol},
};

fn trusting(ranges: &[&str]) -> impl FnOnce(&mut EntryPoint) {
    let trusted_ips = ranges.iter().map(|range| range.parse().unwrap()).collect();
    |web| {
        web.proxy_protocol = Some(ProxyProtocol {
            trusted_ips,
            header_timeout: Duration::from_millis(200),
            ..ProxyProtocol::default()
        });
    }
}

/// Everything that comes back for `bytes`.
async fn ask(running: &Running, bytes: &[u8]) -> String {
    super::ask(running, bytes).await
}

fn binary(command: u8, more: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, 0x11, 0, u8::try_from(12 + more.len()).unwrap()]);
    header.extend([203, 0, 113, 7, 127, 0, 0, 1, 0x10, 0, 0, 80]);
    header.extend(more);
    header
}

#[tokio::test]
async fn the_client_that_a_trusted_peer_names_is_the_client() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], trusting(&["127.0.0.0/8"]));
    for header in [
        b"PROXY TCP4 203.0.113.7 127.0.0.1 4096 80\r\n".to_vec(),
        binary(0x21, &[]),
        binary(0x21, b"\x04\0\x02ab"),
    ] {
        let answer = ask(&running, &[&header[..], get("/").as_bytes()].concat()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let seen = server.requests().pop().unwrap().to_lowercase();
        assert!(seen.contains("\r\nx-forwarded-for: 203.0.113.7\r\n"), "{seen}");
        assert!(seen.contains("\r\nx-real-ip: 203.0.113.7\r\n"), "{seen}");
    }
}

#[tokio::test]
async fn a_header_that_names_nobody_leaves_the_peer() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], trusting(&["127.0.0.1"]));
    for header in [b"PROXY UNKNOWN\r\n".to_vec(), binary(0x20, &[])] {
        let answer = ask(&running, &[&header[..], get("/").as_bytes()].concat()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let seen = server.requests().pop().unwrap().to_lowercase();
        assert!(seen.contains("\r\nx-forwarded-for: 127.0.0.1\r\n"), "{seen}");
    }
}

#[tokio::test]
async fn a_trusted_peer_without_a_header_is_refused() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], trusting(&["127.0.0.1"]));
    for bytes in [
        get("/"),
        format!("PROXY TCP4 nonsense\r\n{}", get("/")),
        format!("PROXY UNKNOWN\n{}", get("/")),
        format!("PROXY UNKNOWN {}\r\n{}", "x".repeat(200), get("/")),
    ] {
        assert_eq!(ask(&running, bytes.as_bytes()).await, "", "{bytes}");
    }
    let mut slow = Client::connect(&running).await;
    slow.send("PROXY TCP4 ").await;
    assert_eq!(slow.rest().await, "", "it has 200 ms");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_header_in_pieces_is_one() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], trusting(&["127.0.0.1"]));
    let mut client = Client::connect(&running).await;
    for part in ["PRO", "XY TCP4 203.0.113.7 ", "127.0.0.1 4096 80\r", "\nGET / HT"] {
        client.send(part).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    client.send("TP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.answer().await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn nobody_else_may_send_one() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], trusting(&["10.0.0.0/8"]));
    let forged = format!("PROXY TCP4 203.0.113.7 127.0.0.1 1 80\r\n{}", get("/"));
    assert!(ask(&running, forged.as_bytes()).await.starts_with("HTTP/1.1 400"));
    assert!(
        ask(&running, get("/").as_bytes())
            .await
            .starts_with("HTTP/1.1 200")
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn with_insecure_anybody_may_and_need_not() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |web| {
        web.proxy_protocol = Some(ProxyProtocol {
            insecure: true,
            ..ProxyProtocol::default()
        });
    });
    let header = b"PROXY TCP6 2001:db8::7 ::1 1 80\r\n";
    for (header, client) in [(&header[..], "2001:db8::7"), (b"", "127.0.0.1")] {
        let answer = ask(&running, &[header, get("/").as_bytes()].concat()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let seen = server.requests().pop().unwrap().to_lowercase();
        assert!(
            seen.contains(&format!("\r\nx-forwarded-for: {client}\r\n")),
            "{seen}"
        );
    }
}

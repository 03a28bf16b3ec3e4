//! Bodies on their way to a server and back.

use super::{Client, Scripted, ok, scripted::Act, start_for};

/// What chunks say, and what follows the last one.
fn joined(mut wire: &str) -> (String, &str) {
    let mut body = String::new();
    loop {
        let (size, rest) = wire.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (body, rest);
        }
        let (data, rest) = rest.split_at(size);
        body.push_str(data);
        wire = rest.strip_prefix("\r\n").unwrap();
    }
}

/// A body of `size` bytes.
fn digits(size: usize) -> String {
    "0123456789".chars().cycle().take(size).collect()
}

/// Sizes around those at which bodies are handled in another way.
const SIZES: [usize; 6] = [1, 8 * 1024, 16 * 1024, 16 * 1024 + 1, 64 * 1024, 100_000];

#[tokio::test]
async fn bodies_of_any_size_reach_a_server_as_they_were_sent() {
    let server = Scripted::answering("hello").await;
    let running = start_for(&[server.address], |_| {});
    let mut client = Client::connect(&running).await;
    for (number, size) in SIZES.into_iter().enumerate() {
        let body = digits(size);
        let head = "POST / HTTP/1.1\r\nHost: h\r\n";
        client
            .send(format!("{head}Content-Length: {size}\r\n\r\n{body}"))
            .await;
        assert_eq!(client.answer().await.1, "hello");
        let (first, second) = body.split_at(size / 2);
        let chunks = [first, second].into_iter().filter(|chunk| !chunk.is_empty());
        let chunks: String = chunks
            .map(|chunk| format!("{:X};x=1\r\n{chunk}\r\n", chunk.len()))
            .collect();
        let coding = "Trailer: X-Sum\r\nTransfer-Encoding: chunked";
        client
            .send(format!("{head}{coding}\r\n\r\n{chunks}0\r\nX-Sum: 7\r\n\r\n"))
            .await;
        assert_eq!(client.answer().await.1, "hello");
        let requests = server.requests();
        let seen = |at: usize| requests[at].split_once("\r\n\r\n").unwrap();
        let (head, seen_body) = seen(2 * number);
        assert!(head.contains(&format!("content-length: {size}")) && seen_body == body);
        let (head, seen_body) = seen(2 * number + 1);
        assert!(head.contains("transfer-encoding: chunked") && !head.contains("content-length"));
        assert_eq!(joined(seen_body), (body, "x-sum: 7\r\n\r\n"));
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn answers_of_any_size_reach_a_client_as_they_were_sent() {
    let server = Scripted::new(|number, _| {
        let size = SIZES[(number - 1) / 2];
        let body = digits(size);
        Act::Write(match number % 2 {
            0 => ok(&body),
            _ => format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n"
            ),
        })
    })
    .await;
    let running = start_for(&[server.address], |_| {});
    for size in SIZES {
        let body = digits(size);
        let mut client = Client::connect(&running).await;
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        let mut seen = client.read_until("\r\n0\r\n\r\n").await;
        let chunked = seen.split_off(seen.find("\r\n\r\n").unwrap() + 4);
        assert_eq!(joined(&chunked).0, body);
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        assert_eq!(client.answer().await.1, body);
    }
    assert_eq!(server.connections(), 1);
}

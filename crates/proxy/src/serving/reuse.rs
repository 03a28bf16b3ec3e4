//! Connections that servers close while Mesh keeps them for the next request.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use super::{Client, Scripted, eventually, get, ok, scripted::Act, start_for};

/// When a server closes a connection, without a word of it before.
#[derive(Clone, Copy)]
enum Closing {
    /// After so many answers.
    After(usize),
    /// When nothing came for so long after an answer.
    Idle(Duration),
    /// The same, with a reset.
    Reset(Duration),
    /// When nothing came for so long, on a fresh connection too.
    Early(Duration),
}

/// A server that closes; ends with the test's runtime.
async fn closing(when: Closing) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, when));
        }
    });
    address
}

async fn converse(mut stream: TcpStream, when: Closing) -> Option<()> {
    for answered in 0.. {
        let mut request = Vec::new();
        if matches!(when, Closing::After(limit) if answered == limit) {
            return None;
        }
        let limit = match when {
            Closing::Idle(limit) | Closing::Reset(limit) if answered > 0 => limit,
            Closing::Early(limit) => limit,
            Closing::After(_) | Closing::Idle(_) | Closing::Reset(_) => Duration::MAX,
        };
        while !request.ends_with(b"\r\n\r\n") {
            match timeout(limit, stream.read_buf(&mut request)).await {
                Ok(Ok(count)) if count > 0 => {}
                Err(_) if matches!(when, Closing::Reset(_)) => {
                    let socket = socket2::SockRef::from(&stream);
                    return socket.set_linger(Some(Duration::ZERO)).ok();
                }
                Ok(_) | Err(_) => return None,
            }
        }
        stream.write_all(ok("hello").as_bytes()).await.ok()?;
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_do_not_notice_servers_that_close_idle_connections() {
    let idle = Duration::from_millis(3);
    let servers = [
        closing(Closing::After(1)).await,
        closing(Closing::After(7)).await,
        closing(Closing::Idle(idle)).await,
        closing(Closing::Reset(idle)).await,
        closing(Closing::Early(idle)).await,
    ];
    let running = start_for(&servers, |web| web.http.reason_header = true);
    let mut clients = JoinSet::new();
    for number in 0..24 {
        let mut client = Client::connect(&running).await;
        clients.spawn(async move {
            for turn in 0..100 {
                client.send(get("/")).await;
                let (head, body) = client.answer().await;
                assert!(
                    head.starts_with("http/1.1 200") && body == "hello",
                    "{turn}: {head}"
                );
                // About as long as the server waits.
                tokio::time::sleep(idle * ((turn + number) % 4) / 2).await;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
}

#[tokio::test]
async fn no_post_is_sent_over_a_connection_that_the_server_has_closed() {
    let server = Scripted::new(|_, _| Act::WriteAndClose(ok("hello"))).await;
    let running = start_for(&[server.address], |_| {});
    let mut client = Client::connect(&running).await;
    for turn in 1..20 {
        client
            .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
            .await;
        let (head, _) = client.answer().await;
        assert!(head.starts_with("http/1.1 200"), "{turn}: {head}");
        eventually("the server closes", || server.closed() == turn).await;
    }
}

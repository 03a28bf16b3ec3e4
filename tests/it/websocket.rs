//! WebSockets with real frames, over HTTP/2 and HTTP/1.1.

use std::{net::SocketAddr, thread, time::Duration};

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::{client::conn::http2, ext::Protocol, upgrade::Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    runtime,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, accept_async, client_async,
    tungstenite::{Message, protocol::Role},
};

use crate::mesh::{Mesh, Place, eventually, flags, routes, words};

const PATIENCE: Duration = Duration::from_secs(15);

fn runtime() -> runtime::Runtime {
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// A server that sends messages back; runs to the end of the test process.
fn echo() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        runtime().block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let Ok(socket) = accept_async(stream).await else {
                        return;
                    };
                    let (sink, stream) = socket.split();
                    let messages = stream.filter(|message| {
                        std::future::ready(!matches!(message, Ok(Message::Ping(_) | Message::Close(_))))
                    });
                    let _end = messages.forward(sink).await;
                });
            }
        });
    });
    address
}

async fn open_http2(
    address: SocketAddr,
) -> (
    http2::SendRequest<Empty<Bytes>>,
    WebSocketStream<TokioIo<Upgraded>>,
) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let get = Request::get("http://nowhere.test/").body(Empty::new()).unwrap();
    client.send_request(get).await.unwrap();
    // The codec sends no such request to a peer that does not offer it; the answer came behind what Mesh offers.
    let connect = Request::connect("http://one.test/chat")
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .body(Empty::new())
        .unwrap();
    let mut answer = client.send_request(connect).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let upgraded = TokioIo::new(hyper::upgrade::on(&mut answer).await.unwrap());
    let socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
    (client, socket)
}

/// Sends messages of several kinds and sizes and takes them back.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>) {
    let large: Vec<u8> = (0_u32..1 << 20)
        .flat_map(u32::to_be_bytes)
        .take(1 << 20)
        .collect();
    for message in [Message::text("hello"), Message::binary(large), Message::text("")] {
        socket.send(message.clone()).await.unwrap();
        let back = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        assert!(back == message, "another message came back");
    }
    let ping = Message::Ping(Bytes::from_static(b"still there?"));
    socket.send(ping).await.unwrap();
    let pong = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(pong, Message::Pong(Bytes::from_static(b"still there?")));
}

#[test]
fn frames_pass_over_http2_and_http1_through_reloads_and_a_stop_until_its_deadline() {
    let place = Place::new();
    let (server, other) = (echo(), crate::server::Server::named("other"));
    let file = place.write("routes.yml", &routes(&[("one", &format!("http://{server}"))]));
    let mut flags = flags(&file);
    flags.push("--entryPoints.web.transport.lifeCycle.graceTimeOut=30s".to_owned());
    let mut mesh: Mesh = place.start(&words(&flags));
    // A plain request is refused by this server, not by Mesh.
    mesh.eventually("one.test", "/", |answer| answer.status != 404);
    let web = mesh.address("web");
    let runtime = runtime();
    let ((client, mut over_http2), mut over_http1) = runtime.block_on(async {
        let stream = TcpStream::connect(web).await.unwrap();
        let (over_http1, _) = client_async("ws://one.test/chat", stream).await.unwrap();
        (open_http2(web).await, over_http1)
    });
    runtime.block_on(async {
        converse(&mut over_http2).await;
        converse(&mut over_http1).await;
    });
    for round in 0..3 {
        let name = format!("r{round}");
        place.write("routes.yml", &routes(&[(&name, &other.url())]));
        mesh.eventually(&format!("{name}.test"), "/", |answer| answer.body == "other");
        runtime.block_on(converse(&mut over_http2));
    }
    mesh.signal("-TERM");
    eventually("the notice", || {
        let log = mesh.log();
        log.iter().any(|line| line.contains("stopping")).then_some(())
    });
    runtime.block_on(async {
        converse(&mut over_http2).await;
        converse(&mut over_http1).await;
        over_http2.close(None).await.unwrap();
        over_http1.close(None).await.unwrap();
        while let Ok(Some(Ok(_))) = timeout(PATIENCE, over_http2.next()).await {}
        while let Ok(Some(Ok(_))) = timeout(PATIENCE, over_http1.next()).await {}
        drop((client, over_http2, over_http1));
        // The connection's own task says goodbye.
        tokio::task::yield_now().await;
    });
    drop(runtime);
    assert_eq!(mesh.wait().code(), Some(0), "{:?}", mesh.log());
}

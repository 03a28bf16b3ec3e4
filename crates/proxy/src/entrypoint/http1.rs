//! HTTP/1.1 with one client.

use std::{convert::Infallible, future::poll_fn, pin::Pin, rc::Rc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    time::timeout,
};

use super::{
    Client,
    drive::{Codec, End, drive, poll_expired},
    io::ClientIo,
    wire::Wire,
};
use crate::{drain::Stage, patience::Timer, request::serve_alone, settings::EntryPoint, upstream::Switched};

/// How long what comes of a request that was answered without it is read, so that the client is not reset before
/// it has seen the answer (RFC 9112 9.6).
const LINGER: Duration = Duration::from_secs(30);

/// The longest wait for more of it.
const LINGER_PAUSE: Duration = Duration::from_secs(2);

/// How much of it is read at a time.
const LINGER_BYTES: usize = 16 * 1024;

/// Smallest buffer that the codec works with.
const MIN_BUFFER: usize = 8192;

/// What clients get whose request's head does not come to an end.
const HEAD_TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// The codec of an entrypoint's connections.
pub(super) fn codec(settings: &EntryPoint) -> http1::Builder {
    let limit = settings.http.max_header_bytes;
    let mut codec = http1::Builder::new();
    codec
        .half_close(true)
        .max_header_size(limit)
        .max_buf_size(limit.max(MIN_BUFFER));
    codec
}

/// Serves the requests of one connection.
pub(super) async fn serve(wire: Wire, client: Rc<Client>, codec: &http1::Builder) {
    let mut io = ClientIo::new(wire, client.phases.clone());
    let service = {
        let client = client.clone();
        service_fn(move |request| {
            let client = client.clone();
            async move { Ok::<_, Infallible>(serve_alone(client, request).await) }
        })
    };
    let mut connection = codec.serve_connection(TokioIo::new(io.clone()), service);
    let end = drive(&mut connection, &client, |cx| io.poll_reset(cx)).await;
    let expired_in_head = matches!(end, End::Expired) && client.phases.is_reading_head();
    match (end, client.tunnel()) {
        (End::Done(Ok(())), Some((server, in_flight))) => {
            let early = connection.into_parts().read_buf;
            let tunnel = Box::pin(tunnel(&mut io, server, &early));
            client.phases.tunnelling();
            let mut timer = Timer::default();
            tokio::select! {
                () = tunnel => {}
                () = poll_fn(|cx| poll_expired(&client, &mut timer, cx)) => {
                    tracing::debug!(client = %client.address(), "cutting a silent tunnel");
                }
                () = client.entry.stage.reached(Stage::Cut) => {}
            }
            drop(in_flight);
            return;
        }
        (End::Done(Err(error)), _) => tracing::debug!(client = %client.address(), %error, "connection ended"),
        (End::Done(Ok(())) | End::Expired | End::Reset | End::Cut, _) => {}
    }
    drop(connection);
    if client.wants_reset() {
        io.reset_on_close();
    } else if expired_in_head {
        // The client may not be reading; what the system does not take at once is not worth waiting for.
        let _taken = timeout(Duration::ZERO, io.write_all(HEAD_TIMEOUT)).await;
    } else if client.has_unread() {
        tokio::select! {
            () = Box::pin(linger(&mut io)) => {}
            () = client.entry.stage.reached(Stage::Cut) => {}
        }
    }
}

impl<I, B, S> Codec for http1::Connection<I, S>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn shut_down(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

/// Copies between client and server until both are done. `early` came from the client with its request.
async fn tunnel(client: &mut ClientIo, server: Switched, early: &[u8]) {
    let copied = async {
        let mut wire = server.wire;
        wire.write_all(early).await?;
        client.write_all(&server.early).await?;
        copy_bidirectional(client, &mut wire).await
    };
    if let Err(error) = copied.await {
        tracing::debug!(%error, "tunnel ended");
    }
}

/// Says that there is no more to come, and reads what the client is still sending, within limits.
async fn linger(io: &mut ClientIo) {
    let reading = async {
        io.shutdown().await?;
        let mut scratch = vec![0; LINGER_BYTES];
        while timeout(LINGER_PAUSE, io.read(&mut scratch)).await?? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    let _ended = timeout(LINGER, reading).await;
}

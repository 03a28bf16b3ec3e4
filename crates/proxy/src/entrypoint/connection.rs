//! One client connection, from accept to close.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::{client::Client, io::ClientIo};
use crate::{drain::Stage, patience::Timer, request::serve_alone};

/// How long what comes of a request that was answered without it is read, so that the client is not reset before
/// it has seen the answer (RFC 9112 9.6).
const LINGER: Duration = Duration::from_secs(30);

/// The longest wait for more of it.
const LINGER_PAUSE: Duration = Duration::from_secs(2);

/// How much of it is read at a time.
const LINGER_BYTES: usize = 16 * 1024;

/// How long an idle connection is kept open when the drain begins: a request may be on its way already, and
/// closing on it would lose it.
const LAST_CALL: Duration = Duration::from_millis(50);

/// What clients get whose request's head does not come to an end.
const HEAD_TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// How a connection ended.
enum End {
    /// The codec is done with it.
    Done(Result<(), hyper::Error>),
    /// Nothing came for too long.
    Expired,
    /// The client reset it.
    Reset,
    /// The drain ran out of patience.
    Cut,
}

/// Serves the requests of one connection.
pub(super) async fn serve(stream: TcpStream, client: Rc<Client>, codec: http1::Builder) {
    let mut io = ClientIo::new(stream, client.phases.clone());
    let service = {
        let client = client.clone();
        service_fn(move |request| {
            let client = client.clone();
            async move { Ok::<_, Infallible>(serve_alone(client, request).await) }
        })
    };
    let mut connection = codec.serve_connection(TokioIo::new(io.clone()), service);
    let end = drive(&mut connection, &io, &client).await;
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

/// Polls the codec until the connection ends, by itself or by one of its limits.
async fn drive<C>(connection: &mut C, io: &ClientIo, client: &Client) -> End
where
    C: Future<Output = hyper::Result<()>> + Shutdown + Unpin,
{
    let stage = &client.entry.stage;
    let mut timer = Timer::default();
    let mut told = false;
    let mut last_call = None;
    let mut changed = Box::pin(stage.changed());
    let mut watched = false;
    poll_fn(|cx| {
        if !watched || stage.get() != Stage::Open {
            watched = true;
            if changed.as_mut().poll(cx).is_ready() {
                changed.set(stage.changed());
                let _woken_again_later = changed.as_mut().poll(cx);
            }
        }
        if stage.get() == Stage::Cut {
            return Poll::Ready(End::Cut);
        }
        if let Poll::Ready(result) = Pin::new(&mut *connection).poll(cx) {
            return Poll::Ready(End::Done(result));
        }
        if stage.get() == Stage::Draining && !told {
            let last_call = last_call.get_or_insert_with(|| Box::pin(sleep(LAST_CALL)));
            if client.phases.is_answering() || last_call.as_mut().poll(cx).is_ready() {
                told = true;
                connection.shut_down();
                if let Poll::Ready(result) = Pin::new(&mut *connection).poll(cx) {
                    return Poll::Ready(End::Done(result));
                }
            }
        }
        if client.phases.is_answering() && io.poll_reset(cx).is_ready() {
            return Poll::Ready(End::Reset);
        }
        poll_expired(client, &mut timer, cx).map(|()| End::Expired)
    })
    .await
}

/// Ready when the connection has to end because of what does not happen.
fn poll_expired(client: &Client, timer: &mut Timer, cx: &mut Context<'_>) -> Poll<()> {
    match client.phases.deadline() {
        Some(deadline) => timer.poll(Instant::from_std(deadline), cx),
        None => Poll::Pending,
    }
}

/// A connection that can be told to end after the request in hand.
trait Shutdown {
    fn shut_down(&mut self);
}

impl<I, B, S> Shutdown for http1::Connection<I, S>
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
async fn tunnel(client: &mut ClientIo, server: hyper::upgrade::OnUpgrade, early: &[u8]) {
    let copied = async {
        let mut server = TokioIo::new(server.await.map_err(std::io::Error::other)?);
        server.write_all(early).await?;
        copy_bidirectional(client, &mut server).await
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

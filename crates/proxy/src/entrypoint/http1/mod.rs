//! HTTP/1.1 with one client.

mod answer_head;
mod connection;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod request_head;
mod sending;

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Method, Version};
use mesh_telemetry::metrics::Refusal as Reason;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    time::timeout,
};

pub(crate) use self::connection::Receiver;
use self::{
    answer_head::Asked,
    connection::Connection,
    request_head::{Refusal, RequestHead},
    sending::{SendError, Sending},
};
use super::{
    Client, Incoming,
    drive::{Codec, End, drive, poll_expired},
    io::ClientIo,
    wire::Wire,
};
use crate::{
    drain::Stage, forward::Tunnel, patience::Timer, request::serve_alone, respond::refused,
    upstream::Switched,
};

/// How long what comes of a request that was answered without it is read, so that the client is not reset before
/// it has seen the answer (RFC 9112 9.6).
const LINGER: Duration = Duration::from_secs(30);

/// The longest wait for more of it.
const LINGER_PAUSE: Duration = Duration::from_secs(2);

/// How much of it is read at a time.
const LINGER_BYTES: usize = 16 * 1024;

/// What clients get whose request's head does not come to an end.
const HEAD_TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Serves the requests of one connection.
pub(super) async fn serve(wire: Wire, client: Rc<Client>) {
    let mut io = ClientIo::new(wire, client.phases.clone());
    let limit = client.settings().http.max_header_bytes;
    let connection = Rc::new(RefCell::new(Connection::new(io.clone(), limit)));
    let mut conversation = Conversation {
        connection: connection.clone(),
        requests: Box::pin(converse(connection.clone(), client.clone())),
    };
    let end = drive(&mut conversation, &client, |cx| {
        connection.borrow_mut().poll_reset(cx)
    })
    .await;
    let is_expired = matches!(end, End::Expired);
    let expired_in_head = is_expired && client.phases.is_reading_head();
    let expired_idle = is_expired && client.phases.is_idle();
    let is_done = matches!(end, End::Done(Ok(())));
    if let End::Done(Err(error)) = end {
        tracing::debug!(client = %client.address(), %error, "connection ended");
    }
    drop(conversation);
    if let Some(to) = client.tunnel().filter(|_| is_done) {
        let early = connection.borrow_mut().take_rest();
        drop(connection);
        return carry(io, &client, to, &early).await;
    }
    let is_left = connection.borrow().is_left;
    let has_rest = !connection.borrow_mut().take_rest().is_empty();
    drop(connection);
    if client.wants_reset() {
        io.reset_on_close();
    } else if expired_in_head && !client.has_refused() {
        client.refused(Reason::Late);
        // The client may not be reading; what the system does not take at once is not worth waiting for.
        let _taken = timeout(Duration::ZERO, io.write_all(HEAD_TIMEOUT)).await;
    } else if client.has_unread() || (is_done && !is_left && (has_rest || may_have_unread(&io).await)) {
        tokio::select! {
            () = Box::pin(linger(&mut io)) => {}
            () = client.entry.stage.reached(Stage::Cut) => {}
        }
    } else if (is_done || expired_idle) && io.owes_end() {
        // Without a word the end could be anybody's doing.
        let _told = timeout(LINGER_PAUSE, io.shutdown()).await;
    }
}

async fn may_have_unread(io: &ClientIo) -> bool {
    poll_fn(|cx| Poll::Ready(io.may_have_unread(cx))).await
}

/// The requests of one connection, one after the other.
struct Conversation<F> {
    connection: Rc<RefCell<Connection>>,
    requests: Pin<Box<F>>,
}

impl<F: Future<Output = Result<(), SendError>>> Future for Conversation<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.requests.as_mut().poll(cx)
    }
}

impl<F> Drop for Conversation<F> {
    fn drop(&mut self) {
        self.connection.borrow_mut().end();
    }
}

impl<F: Future<Output = Result<(), SendError>>> Codec for Conversation<F> {
    type Error = SendError;

    fn shut_down(&mut self) {
        self.connection.borrow_mut().closing = true;
    }
}

/// Serves one request after the other until there are no more.
async fn converse(connection: Rc<RefCell<Connection>>, client: Rc<Client>) -> Result<(), SendError> {
    loop {
        connection.borrow_mut().next();
        match poll_fn(|cx| connection.borrow_mut().poll_head(cx)).await? {
            None => return Ok(()),
            Some(Err(refusal)) => return refuse(&connection, &client, refusal).await,
            Some(Ok(head)) => {
                if !answer(&connection, &client, head).await? {
                    return Ok(());
                }
            }
        }
    }
}

/// Answers one request. False when no other one follows.
async fn answer(
    connection: &Rc<RefCell<Connection>>,
    client: &Rc<Client>,
    head: RequestHead,
) -> Result<bool, SendError> {
    let mut asked = Asked {
        version: head.request.version(),
        head: head.request.method() == Method::HEAD,
        trailers: head.takes_trailers,
        keep_alive: head.keep_alive,
    };
    let body = match Receiver::new(connection) {
        Some(receiver) => Incoming::Alone(receiver),
        None => Incoming::Nothing,
    };
    let response = serve_alone(client.clone(), head.request.map(|()| body)).await;
    let before = {
        let mut connection = connection.borrow_mut();
        let last = response.body().ends_connection();
        let before = connection.deny_go_ahead();
        asked.keep_alive &= !last && !connection.closing && connection.skip_rest();
        before
    };
    let mut sending = Sending::new(response, &mut asked, before);
    let Some(mut io) = connection.borrow().io() else {
        return Ok(false);
    };
    if !asked.keep_alive && !client.has_tunnel() {
        sending.is_last();
    }
    // Who learns the end of an answer from the end of the connection must not take a cut for it.
    client.reset_on_close(sending.ends_with_connection());
    poll_fn(|cx| sending.poll(&mut io, cx)).await?;
    drop(sending);
    client.reset_on_close(false);
    if client.has_tunnel() {
        return Ok(false);
    }
    if !asked.keep_alive && connection.borrow().is_taken() {
        // The server goes on reading; the client is told that it has everything.
        io.shutdown().await?;
    }
    let goes_on = poll_fn(|cx| connection.borrow_mut().poll_settled(cx)).await;
    if goes_on {
        client.phases.settled();
    }
    Ok(goes_on && asked.keep_alive)
}

/// Answers what is no request.
async fn refuse(
    connection: &Rc<RefCell<Connection>>,
    client: &Rc<Client>,
    refusal: Refusal,
) -> Result<(), SendError> {
    tracing::debug!(client = %client.address(), %refusal, "refusing a request");
    client.refuse(refusal.into());
    let mut asked = Asked {
        version: Version::HTTP_11,
        head: false,
        trailers: false,
        keep_alive: false,
    };
    let tell = client.settings().http.reason_header;
    let mut sending = Sending::new(refused(refusal.status(), &refusal, tell), &mut asked, &[]);
    let Some(mut io) = connection.borrow().io() else {
        return Ok(());
    };
    poll_fn(|cx| sending.poll(&mut io, cx)).await
}

/// Goes on as a tunnel until both ends are done, it is silent for too long, its server has drained, or the drain runs out
/// of patience.
async fn carry(mut io: ClientIo, client: &Client, to: Tunnel, early: &[u8]) {
    let Tunnel {
        server,
        in_flight,
        held,
    } = to;
    let tunnel = Box::pin(tunnel(&mut io, server, early));
    client.phases.tunnelling();
    let mut timer = Timer::default();
    tokio::select! {
        () = tunnel => {}
        () = poll_fn(|cx| poll_expired(client, &mut timer, cx)) => {
            tracing::debug!(client = %client.address(), "cutting a silent tunnel");
        }
        () = in_flight.drained() => {
            tracing::debug!(client = %client.address(), "cutting a tunnel to a server that has drained");
        }
        () = client.entry.stage.reached(Stage::Cut) => {}
    }
    drop((in_flight, held));
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
        Ok::<_, io::Error>(())
    };
    let _ended = timeout(LINGER, reading).await;
}

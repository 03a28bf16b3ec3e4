//! A tunnel within one stream of HTTP/2: its client goes on with WebSocket there (RFC 8441).

use std::{
    cell::Cell,
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional},
    time::Instant,
};

use crate::{
    drain::Stage,
    entrypoint::Client,
    forward::Tunnel,
    patience::{Timer, limit},
    settings::RespondingTimeouts,
    upstream::Switched,
};

/// Carries bytes between the server of `to` and the stream of `client` whose answer is being made, until both are done, it is
/// silent for too long, or the drain runs out of patience.
pub(crate) fn carry(client: &Rc<Client>, opening: OnUpgrade, to: Tunnel) {
    let Tunnel {
        server,
        in_flight,
        held,
    } = to;
    let open = Open::new(client.clone());
    let pace = Rc::new(Pace::new(&client.settings().transport.responding_timeouts));
    client.entry.stop.live.spawn_local(async move {
        let tunnel = Box::pin(tunnel(opening, server, pace.clone()));
        let mut timer = Timer::default();
        tokio::select! {
            // What it has moved counts for the limit that is looked at after it.
            biased;
            copied = tunnel => if let Err(error) = copied {
                tracing::debug!(%error, "tunnel ended");
            },
            () = poll_fn(|cx| pace.poll_expired(&mut timer, cx)) => {
                tracing::debug!(client = %open.0.address(), "cutting a silent tunnel");
            }
            () = in_flight.drained() => {
                tracing::debug!(client = %open.0.address(), "cutting a tunnel to a server that has drained");
            }
            () = open.0.entry.stage.reached(Stage::Cut) => {}
        }
        drop((in_flight, held, open));
    });
}

/// Copies between client and server until both are done.
async fn tunnel(opening: OnUpgrade, mut server: Switched, pace: Rc<Pace>) -> io::Result<()> {
    let stream = opening.await.map_err(io::Error::other)?;
    let mut stream = Stream {
        inner: TokioIo::new(stream),
        pace,
        ended: false,
    };
    stream.write_all(&server.early).await?;
    copy_bidirectional(&mut stream, &mut server.wire).await?;
    Ok(())
}

/// A connection with a tunnel is not idle, whatever becomes of its other requests.
struct Open(Rc<Client>);

impl Open {
    fn new(client: Rc<Client>) -> Self {
        client.phases.answering();
        Self(client)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.phases.answered(std::time::Instant::now());
    }
}

/// What passes through a tunnel, and what does not.
struct Pace {
    moved: Cell<Instant>,
    /// Since when the client takes nothing.
    blocked: Cell<Option<Instant>>,
    idle_limit: Option<Duration>,
    write_limit: Option<Duration>,
}

impl Pace {
    fn new(limits: &RespondingTimeouts) -> Self {
        Self {
            moved: Cell::new(Instant::now()),
            blocked: Cell::new(None),
            idle_limit: limit(limits.tunnel_idle_timeout),
            write_limit: limit(limits.write_timeout),
        }
    }

    /// Bytes passed.
    fn moved(&self) {
        self.moved.set(Instant::now());
    }

    /// The client took bytes, or took none.
    fn wrote(&self, blocked: bool) {
        if !blocked {
            self.moved();
            self.blocked.set(None);
        } else if self.blocked.get().is_none() {
            self.blocked.set(Some(Instant::now()));
        }
    }

    /// Ready when the tunnel has to end because of what does not happen.
    fn poll_expired(&self, timer: &mut Timer, cx: &mut Context<'_>) -> Poll<()> {
        // A limit that no clock can show is none.
        let idle = self
            .idle_limit
            .and_then(|limit| self.moved.get().checked_add(limit));
        let blocked = self.blocked.get().zip(self.write_limit);
        let blocked = blocked.and_then(|(since, limit)| since.checked_add(limit));
        match [idle, blocked].into_iter().flatten().min() {
            Some(deadline) => timer.poll(deadline, cx),
            None => Poll::Pending,
        }
    }
}

/// A client's stream that tells the tunnel's [`Pace`] what passes.
struct Stream {
    inner: TokioIo<Upgraded>,
    pace: Rc<Pace>,
    /// Nothing more comes from the client.
    ended: bool,
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ended {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
            if buf.filled().len() > before {
                self.pace.moved();
                return Poll::Ready(Ok(()));
            }
            // The codec reads the client's reset as an end. Its sending half knows better, once it has had its turn.
            self.ended = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match Pin::new(&mut self.inner).poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.pace.wrote(polled.is_pending());
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

//! The socket of a client as the HTTP codec sees it.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    slice,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Phases, wire::Wire};

/// What is written in several parts is joined up to this size, in bytes: the copy costs less than what the system
/// does to look at the parts.
const MAX_JOINED: usize = 1024;

/// The parts one after the other, if they have room in `small`.
fn joined<'a>(parts: &[IoSlice<'_>], small: &'a mut [u8; MAX_JOINED]) -> Option<&'a [u8]> {
    let mut length = 0;
    for part in parts {
        small
            .get_mut(length..)?
            .get_mut(..part.len())?
            .copy_from_slice(part);
        length += part.len();
    }
    small.get(..length)
}

/// A client's wire that tells the connection's [`Phases`] what passes.
///
/// It is shared with the connection, which watches it for a reset while the codec does not read.
#[derive(Debug, Clone)]
pub(super) struct ClientIo {
    wire: Rc<RefCell<Wire>>,
    phases: Rc<Phases>,
}

impl ClientIo {
    pub(super) fn new(wire: Wire, phases: Rc<Phases>) -> Self {
        Self {
            wire: Rc::new(RefCell::new(wire)),
            phases,
        }
    }

    /// The client sends nothing more.
    pub(super) fn client_left(&self) {
        self.phases.client_left();
    }

    /// Bytes that came with the request before belong to the next one.
    pub(super) fn received(&self) {
        self.phases.received();
    }

    /// True when something may have come that nobody has read.
    pub(super) fn may_have_unread(&self, cx: &mut Context<'_>) -> bool {
        self.wire.borrow().socket().poll_read_ready(cx).is_ready()
    }

    /// True when the end of the connection is something to say, and not only to do, and was not said.
    pub(super) fn owes_end(&self) -> bool {
        self.wire.borrow().owes_end()
    }

    /// Ready when the client has reset the connection. A half-closed one may still wait for its answer, so
    /// the end of its stream says nothing.
    pub(super) fn poll_reset(&self, cx: &mut Context<'_>) -> Poll<()> {
        let wire = self.wire.borrow();
        let stream = wire.socket();
        match stream.poll_read_ready(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(())) if matches!(stream.take_error(), Ok(None)) => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }

    /// True while the client takes none of what is there for it.
    pub(super) fn is_blocked(&self) -> bool {
        self.phases.is_blocked()
    }

    /// Takes what goes out with the next [`Self::poll_send`]. What finds no room goes out now.
    pub(super) fn poll_queue(&self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut small = [0; MAX_JOINED];
        let small = joined(parts, &mut small).map(IoSlice::new);
        let parts = small.as_ref().map_or(parts, slice::from_ref);
        let mut wire = self.wire.borrow_mut();
        let queued = wire.queue(parts)?;
        if queued > 0 {
            return Poll::Ready(Ok(queued));
        }
        let polled = Pin::new(&mut *wire).poll_write_vectored(cx, parts);
        self.phases.wrote(polled.is_pending());
        polled
    }

    /// Puts that this is the end behind what was queued.
    pub(super) fn queue_end(&self) {
        self.wire.borrow_mut().queue_end();
    }

    /// Sends what was queued.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.wire.borrow_mut();
        while wire.has_queued() {
            let sent = wire.poll_send(cx);
            self.phases.wrote(sent.is_pending());
            if ready!(sent)? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Makes the coming close a reset, for clients who would take an orderly close for the end of an answer.
    pub(super) fn reset_on_close(&self) {
        let wire = self.wire.borrow();
        if let Err(error) = socket2::SockRef::from(wire.socket()).set_linger(Some(std::time::Duration::ZERO))
        {
            tracing::debug!(%error, "cannot reset a client's connection");
        }
    }
}

/// A client's socket that keeps what is written for the next [`ClientIo::poll_send`], as far as there is room.
pub(super) struct Queue<'a>(pub(super) &'a ClientIo);

impl AsyncWrite for Queue<'_> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_queue(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_queue(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_send(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_send(cx)
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut *self.wire.borrow_mut()).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.phases.received();
        }
        polled
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.wire.borrow_mut()).poll_write(cx, buf);
        self.phases.wrote(polled.is_pending());
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut small = [0; MAX_JOINED];
        let mut wire = self.wire.borrow_mut();
        let polled = match joined(bufs, &mut small) {
            Some(joined) => Pin::new(&mut *wire).poll_write(cx, joined),
            None => Pin::new(&mut *wire).poll_write_vectored(cx, bufs),
        };
        self.phases.wrote(polled.is_pending());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut *self.wire.borrow_mut()).poll_flush(cx);
        self.phases.flushed(polled.is_pending());
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut *self.wire.borrow_mut()).poll_shutdown(cx);
        self.phases.flushed(polled.is_pending());
        polled
    }
}

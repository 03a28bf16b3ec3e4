//! One connection with a client, with the request that is on it.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use tokio::io::AsyncWrite;

use super::{
    super::io::ClientIo,
    request_head::{Refusal, RequestHead, parse},
};
use crate::http1::{BodyError, Inlet};

/// What tells a client that waits for leave to send its body to do so.
const LEAVE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Parts of a body that nobody wants which are skipped when they are there already.
const MAX_SKIPPED: usize = 16;

/// One connection with a client.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) io: ClientIo,
    inlet: Inlet,
    /// Longest head of a request.
    limit: usize,
    /// Bytes of a head that did not come at once in which no end was found.
    searched: usize,
    leave: Leave,
    /// Somebody holds the body of the request in hand.
    held: bool,
    /// Who waits for more of the body, which may be another task than the connection's.
    reader: Option<Waker>,
    /// The connection, which waits for the end of the body.
    waiting: Option<Waker>,
    /// No further request is taken.
    pub(super) closing: bool,
    ended: bool,
}

/// Whether the client waits for leave to send its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    /// It does not, or has it.
    Given,
    /// It does; so much of it is told.
    Wanted(usize),
    /// It was answered without: it may send the body or not.
    Denied,
}

impl Connection {
    pub(super) fn new(io: ClientIo, limit: usize) -> Self {
        Self {
            io,
            inlet: Inlet::default(),
            limit,
            searched: 0,
            leave: Leave::Given,
            held: false,
            reader: None,
            waiting: None,
            closing: false,
            ended: false,
        }
    }

    /// The head of the next request; `None` when there is none to come.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Result<RequestHead, Refusal>>>> {
        self.inlet.begin();
        loop {
            let buffer = &mut self.inlet.bytes;
            if buffer.is_empty() && self.closing {
                return Poll::Ready(Ok(None));
            }
            if !buffer.is_empty() && (self.searched == 0 || has_end(buffer, self.searched, self.limit)) {
                match parse(buffer, self.limit).transpose() {
                    Some(Ok(head)) => return Poll::Ready(Ok(Some(Ok(self.begin(head))))),
                    Some(Err(refusal)) => return Poll::Ready(Ok(Some(Err(refusal)))),
                    None => {}
                }
            }
            self.searched = buffer.len();
            if ready!(self.inlet.poll_head(&mut self.io, cx))? == 0 {
                return Poll::Ready(Ok(None));
            }
        }
    }

    fn begin(&mut self, mut head: RequestHead) -> RequestHead {
        self.searched = 0;
        if self.inlet.bytes.is_empty() {
            self.inlet.rest();
        }
        // Some of the body is there: its sender waits for nobody.
        let waits = head.wants_leave && self.inlet.bytes.is_empty();
        self.leave = if waits { Leave::Wanted(0) } else { Leave::Given };
        let framing = std::mem::replace(&mut head.framing, crate::http1::Framing::Length(0));
        self.inlet.expect(framing);
        head
    }

    /// The next part of the body of the request in hand.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(Some(Err(BodyError::Truncated)));
        }
        let polled = match self.poll_leave(cx) {
            Poll::Ready(Ok(())) => self.inlet.poll_part(&mut self.io, cx),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Pending => Poll::Pending,
        };
        if polled.is_pending() {
            remember(&mut self.reader, cx);
            return Poll::Pending;
        }
        self.reader = None;
        polled.map(Result::transpose)
    }

    /// Tells the client to send its body, if it waits for that.
    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Leave::Wanted(told) = self.leave {
            let Some(rest) = LEAVE.get(told..).filter(|rest| !rest.is_empty()) else {
                ready!(Pin::new(&mut self.io).poll_flush(cx))?;
                self.leave = Leave::Given;
                break;
            };
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.leave = Leave::Wanted(told + written);
        }
        Poll::Ready(Ok(()))
    }

    /// The answer begins: nothing else is written from now on. Gives what has to be written before it.
    pub(super) fn deny_leave(&mut self) -> &'static [u8] {
        match std::mem::replace(&mut self.leave, Leave::Given) {
            Leave::Wanted(0) => {
                self.leave = Leave::Denied;
                &[]
            }
            Leave::Wanted(told) => LEAVE.get(told..).unwrap_or_default(),
            kept @ (Leave::Given | Leave::Denied) => {
                self.leave = kept;
                &[]
            }
        }
    }

    /// True when what follows the request in hand may be another one, or will be in a while: false when some of
    /// its body is still to come and nobody takes it.
    pub(super) fn may_go_on(&mut self) -> bool {
        if self.leave == Leave::Denied && !self.inlet.is_over() {
            return false;
        }
        if self.held || self.inlet.is_over() {
            return true;
        }
        let mut skipped = (0..MAX_SKIPPED).map_while(|_| self.inlet.part().ok().flatten());
        skipped.any(|part| part.is_none())
    }

    /// Ready when the body was taken, or will not be: true when another request may follow.
    pub(super) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.held && !self.inlet.is_over() && self.leave != Leave::Denied {
            remember(&mut self.waiting, cx);
            return Poll::Pending;
        }
        Poll::Ready(self.may_go_on())
    }

    /// Ready when the client has reset the connection, as far as nobody else would notice.
    pub(super) fn poll_reset(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.reader {
            Some(_) => Poll::Pending,
            None => self.io.poll_reset(cx),
        }
    }

    /// Ends the connection for whoever reads from it.
    pub(super) fn end(&mut self) {
        self.ended = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// What came behind the last request.
    pub(super) fn take_rest(&mut self) -> BytesMut {
        std::mem::take(&mut self.inlet.bytes)
    }
}

fn remember(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

/// True when a head may have ended behind the first `searched` bytes, or nothing more of it is read. So a head
/// that comes byte by byte is not parsed with each of them.
fn has_end(buffer: &[u8], searched: usize, limit: usize) -> bool {
    let fresh = buffer.get(searched.saturating_sub(2)..).unwrap_or_default();
    let ends = |window: &[u8]| window.starts_with(b"\n\n") || window == b"\n\r\n";
    buffer.len() >= limit || fresh.windows(3).any(ends) || fresh.ends_with(b"\n\n")
}

/// The body of a request, for whoever takes it.
#[derive(Debug)]
pub(crate) struct Receiver(Rc<RefCell<Connection>>);

impl Receiver {
    /// The body of the request in hand; `None` when there is none.
    pub(super) fn new(connection: &Rc<RefCell<Connection>>) -> Option<Self> {
        let mut inner = connection.borrow_mut();
        inner.held = !inner.inlet.is_over();
        inner.held.then(|| Self(connection.clone()))
    }

    pub(crate) fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut connection = self.0.borrow_mut();
        let polled = connection.poll_body(cx);
        if connection.inlet.is_over()
            && let Some(waiting) = connection.waiting.take()
        {
            waiting.wake();
        }
        polled
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.borrow().inlet.is_over()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.0.borrow().inlet.size_hint()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut connection = self.0.borrow_mut();
        connection.held = false;
        connection.reader = None;
        if let Some(waiting) = connection.waiting.take() {
            waiting.wake();
        }
    }
}

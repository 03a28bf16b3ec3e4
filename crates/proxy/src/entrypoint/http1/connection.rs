//! One connection with a client, with the request that is on it.

use std::{
    cell::{RefCell, RefMut},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use tokio::io::AsyncWrite;

use super::{
    super::io::ClientIo,
    request_head::{Refusal, RequestHead, parse},
};
use crate::http1::{BodyError, Inlet};

/// What tells a client that waits for a go-ahead before it sends its body to do so.
const GO_AHEAD: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Bytes that are read of a client before it has the answer to its request.
const MAX_AHEAD: usize = 16 * 1024;

/// Empty lines before one request.
const MAX_EMPTY_LINES: usize = 16;

/// Parts of a body that nobody wants which are skipped when they are there already.
const MAX_SKIPPED: usize = 16;

/// One connection with a client.
#[derive(Debug)]
pub(crate) struct Connection {
    /// `None` once the connection has ended, whoever still holds the body of its last request.
    io: Option<ClientIo>,
    inlet: Inlet,
    /// Longest head of a request.
    limit: usize,
    go_ahead: GoAhead,
    /// Empty lines before the request that is waited for.
    empty_lines: usize,
    /// Which request is in hand: the body of one before it may still be held by whoever took all of it.
    turn: u64,
    /// Somebody holds the body of the request in hand.
    held: bool,
    /// Who waits for more of the body, which may be another task than the connection's.
    reader: Option<Waker>,
    /// The connection, which waits for the end of the body.
    waiting: Option<Waker>,
    /// No further request is taken.
    pub(super) closing: bool,
    /// The client has said that it sends nothing more.
    pub(super) is_left: bool,
    /// The body of the request in hand was broken off.
    broken: bool,
}

/// Whether the client waits for a go-ahead before it sends its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GoAhead {
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
            io: Some(io),
            inlet: Inlet::default(),
            limit,
            go_ahead: GoAhead::Given,
            empty_lines: 0,
            turn: 0,
            held: false,
            reader: None,
            waiting: None,
            closing: false,
            is_left: false,
            broken: false,
        }
    }

    /// The next request is waited for.
    pub(super) fn next(&mut self) {
        self.inlet.begin();
        self.empty_lines = 0;
        if self.inlet.bytes.is_empty() {
            self.inlet.rest();
        } else if let Some(io) = &self.io {
            io.received();
        }
    }

    /// The head of the next request; `None` when there is none to come.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Result<RequestHead, Refusal>>>> {
        let Some(io) = &mut self.io else {
            return Poll::Ready(Ok(None));
        };
        loop {
            // Empty lines before a request are nothing (RFC 9112 2.2).
            while self.inlet.bytes.starts_with(b"\r\n") {
                self.empty_lines += 1;
                if self.empty_lines > MAX_EMPTY_LINES {
                    return Poll::Ready(Ok(Some(Err(Refusal::Large))));
                }
                self.inlet.bytes.advance(2);
                self.inlet.begin();
            }
            if self.inlet.bytes.is_empty() && self.closing {
                return Poll::Ready(Ok(None));
            }
            if self.inlet.bytes.starts_with(b"\n") {
                return Poll::Ready(Ok(Some(Err(Refusal::LineEnd))));
            }
            if self.inlet.may_hold_head(self.limit) {
                match parse(&mut self.inlet.bytes, self.limit).transpose() {
                    Some(Ok(head)) => return Poll::Ready(Ok(Some(Ok(self.begin(head))))),
                    Some(Err(refusal)) => return Poll::Ready(Ok(Some(Err(refusal)))),
                    None => {}
                }
            }
            if ready!(self.inlet.poll_head(io, cx))? == 0 {
                self.is_left = true;
                return Poll::Ready(Ok(None));
            }
        }
    }

    fn begin(&mut self, mut head: RequestHead) -> RequestHead {
        self.turn += 1;
        self.broken = false;
        if self.inlet.bytes.is_empty() {
            self.inlet.rest();
        }
        // Some of the body is there: its sender waits for nobody.
        let waits = head.wants_go_ahead && self.inlet.bytes.is_empty();
        self.go_ahead = if waits { GoAhead::Wanted(0) } else { GoAhead::Given };
        let framing = std::mem::replace(&mut head.framing, crate::http1::Framing::Length(0));
        self.inlet.expect(framing);
        head
    }

    /// The next part of the body of the request in hand.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = match self.poll_go_ahead(cx) {
            Poll::Ready(Ok(())) => match &mut self.io {
                Some(io) => self.inlet.poll_part(io, cx),
                None => Poll::Ready(Err(BodyError::Truncated)),
            },
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Pending => Poll::Pending,
        };
        if polled.is_pending() {
            remember(&mut self.reader, cx);
            return Poll::Pending;
        }
        self.reader = None;
        self.broken |= matches!(polled, Poll::Ready(Err(_)));
        if self.inlet.is_over() && self.inlet.bytes.is_empty() {
            self.inlet.rest();
        }
        polled.map(Result::transpose)
    }

    /// Tells the client to send its body, if it waits for that.
    fn poll_go_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let (GoAhead::Wanted(told), Some(io)) = (self.go_ahead, &mut self.io) {
            let Some(rest) = GO_AHEAD.get(told..).filter(|rest| !rest.is_empty()) else {
                ready!(Pin::new(&mut *io).poll_flush(cx))?;
                self.go_ahead = GoAhead::Given;
                break;
            };
            let written = ready!(Pin::new(&mut *io).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.go_ahead = GoAhead::Wanted(told + written);
        }
        Poll::Ready(Ok(()))
    }

    /// The answer begins: nothing else is written from now on. Gives what has to be written before it.
    pub(super) fn deny_go_ahead(&mut self) -> &'static [u8] {
        let GoAhead::Wanted(told) = self.go_ahead else {
            return &[];
        };
        self.go_ahead = if told == 0 {
            GoAhead::Denied
        } else {
            GoAhead::Given
        };
        GO_AHEAD.get(told..).filter(|_| told > 0).unwrap_or_default()
    }

    /// Throws away what is there of a body that nobody takes. True when another request may follow, now or later.
    pub(super) fn skip_rest(&mut self) -> bool {
        if self.inlet.is_over() || self.broken || self.go_ahead == GoAhead::Denied {
            return self.inlet.is_over() && !self.broken;
        }
        if self.held {
            return true;
        }
        let mut skipped = (0..MAX_SKIPPED).map_while(|_| self.inlet.part().ok().flatten());
        skipped.any(|part| part.is_none())
    }

    /// True when somebody takes the rest of the body.
    pub(super) fn is_taken(&self) -> bool {
        self.held && !self.inlet.is_over() && !self.broken && self.go_ahead != GoAhead::Denied
    }

    /// Ready when the body was taken, or will not be: true when another request may follow.
    pub(super) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.is_taken() {
            remember(&mut self.waiting, cx);
            return Poll::Pending;
        }
        Poll::Ready(self.skip_rest())
    }

    /// Ready when the client has reset the connection, as far as nobody else would notice. What it sends ahead of the
    /// answer is read up to a bound, so that what comes behind is noticed, too.
    pub(super) fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (None, Some(io), false) = (&self.reader, &mut self.io, self.is_left) else {
            return Poll::Pending;
        };
        if !self.inlet.is_over() {
            return io.poll_reset(cx);
        }
        while self.inlet.bytes.len() < MAX_AHEAD {
            match ready!(self.inlet.poll_head(io, cx)) {
                Err(_) => return Poll::Ready(()),
                Ok(0) => {
                    self.is_left = true;
                    io.client_left();
                    return Poll::Pending;
                }
                Ok(_) => {}
            }
        }
        Poll::Pending
    }

    /// Ends the connection for whoever reads from it.
    pub(super) fn end(&mut self) {
        self.io = None;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Where answers are written.
    pub(super) fn io(&self) -> Option<ClientIo> {
        self.io.clone()
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

/// The body of a request, for whoever takes it. It may be kept beyond its end, when the connection has gone on to the
/// next request.
#[derive(Debug)]
pub(crate) struct Receiver {
    connection: Rc<RefCell<Connection>>,
    turn: u64,
}

impl Receiver {
    /// The body of the request in hand; `None` when there is none.
    pub(super) fn new(connection: &Rc<RefCell<Connection>>) -> Option<Self> {
        let mut inner = connection.borrow_mut();
        inner.held = !inner.inlet.is_over();
        inner.held.then(|| Self {
            connection: connection.clone(),
            turn: inner.turn,
        })
    }

    /// The connection, as long as it has not gone on.
    fn in_turn(&self) -> Option<RefMut<'_, Connection>> {
        let connection = self.connection.borrow_mut();
        (connection.turn == self.turn).then_some(connection)
    }

    pub(crate) fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(mut connection) = self.in_turn() else {
            return Poll::Ready(None);
        };
        let polled = connection.poll_body(cx);
        if !connection.is_taken()
            && let Some(waiting) = connection.waiting.take()
        {
            waiting.wake();
        }
        polled
    }

    pub(crate) fn is_over(&self) -> bool {
        self.in_turn().is_none_or(|connection| connection.inlet.is_over())
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        let hint = self.in_turn().map(|connection| connection.inlet.size_hint());
        hint.unwrap_or_else(|| SizeHint::with_exact(0))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let Some(mut connection) = self.in_turn() else {
            return;
        };
        connection.held = false;
        connection.reader = None;
        if let Some(waiting) = connection.waiting.take() {
            waiting.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::{io::AsyncWriteExt, net::TcpListener};

    use super::*;
    use crate::{
        entrypoint::{Phases, wire::Wire},
        settings::RespondingTimeouts,
    };

    /// A connection, and its client.
    async fn connected() -> (Rc<RefCell<Connection>>, tokio::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let wire = Wire::Plain {
            stream: accepted.unwrap().0,
            early: Bytes::new(),
        };
        let phases = Rc::new(Phases::new(&RespondingTimeouts::default(), Instant::now()));
        let connection = Connection::new(ClientIo::new(wire, phases), 4096);
        (Rc::new(RefCell::new(connection)), client.unwrap())
    }

    async fn next(connection: &Rc<RefCell<Connection>>) -> RequestHead {
        connection.borrow_mut().next();
        let head = std::future::poll_fn(|cx| connection.borrow_mut().poll_head(cx)).await;
        head.unwrap().unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_body_that_is_kept_beyond_its_end_does_not_touch_the_next_one() {
        let (connection, mut client) = connected().await;
        let post = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab";
        client.write_all(post).await.unwrap();
        next(&connection).await;
        let first = Receiver::new(&connection).unwrap();
        let part = std::future::poll_fn(|cx| first.poll_frame(cx)).await;
        assert_eq!(part.unwrap().unwrap().into_data().unwrap(), "ab");
        client.write_all(post).await.unwrap();
        next(&connection).await;
        let second = Receiver::new(&connection).unwrap();
        assert!(first.is_over() && !second.is_over());
        drop(first);
        assert!(connection.borrow().is_taken());
        let part = std::future::poll_fn(|cx| second.poll_frame(cx)).await;
        assert_eq!(part.unwrap().unwrap().into_data().unwrap(), "ab");
    }

    #[tokio::test]
    async fn a_connection_that_waits_owns_no_memory() {
        let (connection, mut client) = connected().await;
        let body = vec![b'x'; 100_000];
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&body).await.unwrap();
        next(&connection).await;
        let receiver = Receiver::new(&connection).unwrap();
        while !receiver.is_over() {
            std::future::poll_fn(|cx| receiver.poll_frame(cx)).await;
        }
        connection.borrow_mut().next();
        assert_eq!(connection.borrow().inlet.bytes.capacity(), 0);
    }

    #[tokio::test]
    async fn a_few_empty_lines_before_a_request_are_dropped_as_they_come() {
        let (connection, mut client) = connected().await;
        client.write_all(&b"\r\n".repeat(MAX_EMPTY_LINES)).await.unwrap();
        connection.borrow_mut().next();
        let waits = tokio::time::timeout(
            std::time::Duration::from_millis(50),
            std::future::poll_fn(|cx| connection.borrow_mut().poll_head(cx)),
        );
        assert!(waits.await.is_err());
        assert!(connection.borrow().inlet.bytes.is_empty());
        client.write_all(b"\r\n").await.unwrap();
        let refused = std::future::poll_fn(|cx| connection.borrow_mut().poll_head(cx)).await;
        assert!(matches!(refused, Ok(Some(Err(Refusal::Large)))));
    }
}

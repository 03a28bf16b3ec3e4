//! What comes in over one connection.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

use super::{Chunked, Part, spare::Spare};

/// Bytes that are read at a time.
const ROOM: usize = 16 * 1024;

/// The same, of a peer that fills what it gets.
const LARGE_ROOM: usize = 256 * 1024;

/// What is read with a head is moved up to this size, in bytes; more of it stays where it was read.
const MAX_MOVED: usize = 2 * 1024;

/// How long a body is.
#[derive(Debug)]
pub(crate) enum Framing {
    /// So many bytes more.
    Length(u64),
    /// In chunks.
    Chunked(Chunked),
    /// Until the connection ends.
    UntilClose,
}

/// Why the rest of a body will not come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Chunks that can be read in two ways, or are none.
    #[error("its chunks are invalid")]
    Chunk,
    /// The connection ended before the body did.
    #[error("the connection ended within the body")]
    Truncated,
}

/// What was read of a connection and belongs to nobody yet, and what is still to come of the message in hand.
#[derive(Debug, Default)]
pub(crate) struct Inlet {
    /// What was read.
    pub(crate) bytes: BytesMut,
    /// Where the memory of `bytes` goes when it has been read.
    memory: Memory,
    /// The peer filled the room that it got.
    is_filled: bool,
    /// Bytes of a head that did not come at once in which no end was found.
    searched: usize,
    /// What of the body is still to come; `None` before the head.
    framing: Option<Framing>,
}

/// Whose memory it is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// Of nobody else.
    #[default]
    Own,
    /// The worker's.
    Spare,
    /// The worker's, of the larger kind.
    LargeSpare,
}

thread_local! {
    /// Where a worker reads heads, so that a connection that waits for one owns no memory for it.
    static SCRATCH: RefCell<BytesMut> = RefCell::new(BytesMut::new());
    static SPARE: Spare = const { Spare::new(ROOM) };
    static LARGE_SPARE: Spare = const { Spare::new(LARGE_ROOM) };
}

impl Inlet {
    /// The next message begins.
    pub(crate) fn begin(&mut self) {
        self.framing = None;
        self.searched = 0;
    }

    /// True when a head may be whole, or `limit` bytes of it are there. So one that comes byte by byte is not parsed
    /// with each of them.
    pub(crate) fn may_hold_head(&mut self, limit: usize) -> bool {
        let before = std::mem::replace(&mut self.searched, self.bytes.len());
        if before == 0 || self.bytes.len() >= limit {
            return !self.bytes.is_empty();
        }
        let fresh = self.bytes.get(before.saturating_sub(2)..).unwrap_or_default();
        let ends = |window: &[u8]| window.starts_with(b"\n\n") || window == b"\n\r\n";
        fresh.windows(3).any(ends) || fresh.ends_with(b"\n\n")
    }

    /// The head was read; `framing` is what follows.
    pub(crate) fn expect(&mut self, framing: Framing) {
        self.framing = Some(framing);
    }

    /// Gives back memory that an idle connection has no use for.
    pub(crate) fn rest(&mut self) {
        self.replace(BytesMut::new(), Memory::Own);
    }

    /// Goes on with other memory.
    fn replace(&mut self, bytes: BytesMut, memory: Memory) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        match std::mem::replace(&mut self.memory, memory) {
            Memory::Own => {}
            Memory::Spare => SPARE.with(|spare| spare.give(before)),
            Memory::LargeSpare => LARGE_SPARE.with(|spare| spare.give(before)),
        }
    }

    /// True when all of the body was read.
    pub(crate) fn is_over(&self) -> bool {
        match &self.framing {
            Some(Framing::Length(left)) => *left == 0,
            Some(Framing::Chunked(chunked)) => chunked.is_over(),
            Some(Framing::UntilClose) | None => false,
        }
    }

    /// How much of the body is still to come.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match &self.framing {
            Some(Framing::Length(left)) => SizeHint::with_exact(*left),
            Some(Framing::Chunked(_) | Framing::UntilClose) | None => SizeHint::default(),
        }
    }

    /// Reads a head, or more of it. Gives how many bytes came; 0 at the end of the connection.
    pub(crate) fn poll_head<W>(&mut self, wire: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<usize>>
    where
        W: AsyncRead + Unpin,
    {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            if scratch.capacity() < ROOM {
                *scratch = SPARE.with(Spare::take);
            }
            let length = ready!(poll_read_buf(Pin::new(wire), cx, scratch))?;
            match self.bytes.is_empty() {
                true if length > MAX_MOVED => self.replace(std::mem::take(scratch), Memory::Spare),
                true => self.replace(BytesMut::from(&scratch[..]), Memory::Own),
                false => self.bytes.extend_from_slice(scratch),
            }
            Poll::Ready(Ok(length))
        })
    }

    /// Reads more of a body.
    fn poll_fill<W>(&mut self, wire: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<usize>>
    where
        W: AsyncRead + Unpin,
    {
        if self.bytes.is_empty() && self.is_filled && self.memory != Memory::LargeSpare {
            self.replace(LARGE_SPARE.with(Spare::take), Memory::LargeSpare);
        } else if self.bytes.is_empty() && self.memory == Memory::Own {
            self.replace(SPARE.with(Spare::take), Memory::Spare);
        }
        let room = match self.memory {
            Memory::LargeSpare => LARGE_ROOM,
            Memory::Own | Memory::Spare => ROOM,
        };
        self.bytes.reserve(room);
        let Poll::Ready(length) = poll_read_buf(Pin::new(wire), cx, &mut self.bytes) else {
            // A connection that waits owns no memory for what it waits for.
            if self.bytes.is_empty() {
                self.rest();
            }
            return Poll::Pending;
        };
        let length = length?;
        self.is_filled = length >= room;
        Poll::Ready(Ok(length))
    }

    /// The next part of the body; `None` when it is over.
    pub(crate) fn poll_part<W>(
        &mut self,
        wire: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame<Bytes>>, BodyError>>
    where
        W: AsyncRead + Unpin,
    {
        loop {
            if let Some(part) = self.part()? {
                return Poll::Ready(Ok(part));
            }
            if ready!(self.poll_fill(wire, cx))? == 0 {
                return Poll::Ready(match self.framing.replace(Framing::Length(0)) {
                    Some(Framing::UntilClose) => Ok(None),
                    Some(Framing::Length(_) | Framing::Chunked(_)) | None => Err(BodyError::Truncated),
                });
            }
        }
    }

    /// What there is of the body in what was read: `None` when there is nothing, `Some(None)` at its end.
    pub(crate) fn part(&mut self) -> Result<Option<Option<Frame<Bytes>>>, BodyError> {
        let data = match &mut self.framing {
            None | Some(Framing::Length(0)) => return Ok(Some(None)),
            Some(Framing::Chunked(chunked)) => {
                return Ok(match chunked.decode(&mut self.bytes)? {
                    Part::Data(data) => Some(Some(Frame::data(data))),
                    Part::End(trailers) => Some(trailers.map(Frame::trailers)),
                    Part::Partial => None,
                });
            }
            Some(Framing::Length(_) | Framing::UntilClose) if self.bytes.is_empty() => return Ok(None),
            Some(Framing::Length(left)) => {
                let length =
                    usize::try_from(*left).map_or(self.bytes.len(), |left| left.min(self.bytes.len()));
                *left -= length as u64;
                self.bytes.split_to(length)
            }
            Some(Framing::UntilClose) => self.bytes.split(),
        };
        Ok(Some(Some(Frame::data(data.freeze()))))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Reads a whole body of `wire`.
    fn body(framing: Framing, mut wire: &[u8]) -> Result<Vec<u8>, BodyError> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut inlet = Inlet::default();
        inlet.expect(framing);
        let mut body = Vec::new();
        loop {
            let Poll::Ready(part) = inlet.poll_part(&mut wire, &mut cx) else {
                panic!("nothing is waited for");
            };
            match part? {
                Some(frame) => body.extend_from_slice(&frame.into_data().unwrap()),
                None => return Ok(body),
            }
        }
    }

    #[test]
    fn a_body_is_as_long_as_its_framing_says() {
        assert_eq!(body(Framing::Length(3), b"abcdef").unwrap(), b"abc");
        assert_eq!(body(Framing::UntilClose, b"abcdef").unwrap(), b"abcdef");
        let chunks = Framing::Chunked(Chunked::default());
        assert_eq!(body(chunks, b"2\r\nab\r\n0\r\n\r\nrest").unwrap(), b"ab");
    }

    #[test]
    fn a_body_that_ends_early_is_cut() {
        assert!(matches!(
            body(Framing::Length(3), b"ab"),
            Err(BodyError::Truncated)
        ));
        let chunks = Framing::Chunked(Chunked::default());
        assert!(matches!(body(chunks, b"2\r\nab\r\n"), Err(BodyError::Truncated)));
    }

    #[test]
    fn a_head_is_looked_at_when_it_begins_and_when_it_may_be_whole() {
        let mut inlet = Inlet::default();
        let mut looked = Vec::new();
        for (at, byte) in b"GET / HTTP/1.1\r\nA: b\r\n\r\n".iter().enumerate() {
            inlet.bytes.extend_from_slice(&[*byte]);
            if inlet.may_hold_head(1000) {
                looked.push(at);
            }
        }
        assert_eq!(looked, [0, 23]);
        assert!(inlet.may_hold_head(24), "there is no more to come");
    }

    #[test]
    fn heads_add_up_in_a_buffer_of_their_size() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut inlet = Inlet::default();
        for part in [&b"GET "[..], b"/ HT", b""] {
            let Poll::Ready(Ok(length)) = inlet.poll_head(&mut { part }, &mut cx) else {
                panic!("nothing is waited for");
            };
            assert_eq!(length, part.len());
        }
        assert_eq!(&inlet.bytes[..], b"GET / HT");
        inlet.rest();
        assert_eq!(inlet.bytes.capacity(), 0);
    }
}

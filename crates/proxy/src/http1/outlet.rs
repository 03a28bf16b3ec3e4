//! What waits to be written to a peer.

use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::HeaderMap;
use tokio::io::AsyncWrite;

use super::line;

/// Parts of a body up to this size are copied behind what waits already, so that one write does; larger ones
/// are written from where they are.
const MAX_COPIED: usize = 2 * 1024;

/// Small parts that are gathered before they are written, in bytes.
const MAX_TEXT: usize = 16 * 1024;

/// What of one message is not written yet.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    /// The head, sizes of chunks, and small parts of the body.
    pub(crate) text: BytesMut,
    /// A large part of the body, after `text`.
    data: Bytes,
    /// What ends that part.
    tail: &'static [u8],
}

impl Outlet {
    /// True when all is written.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.data.is_empty() && self.tail.is_empty()
    }

    /// True when something should be written before more is added.
    pub(crate) fn is_full(&self) -> bool {
        self.text.len() >= MAX_TEXT || !self.data.is_empty() || !self.tail.is_empty()
    }

    /// Drops what waits.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds a part of a body, as a chunk if it comes in `chunks`. Not to be called while it is full.
    pub(crate) fn push(&mut self, data: Bytes, chunks: bool) {
        if data.is_empty() {
            return;
        }
        if chunks {
            size(data.len(), &mut self.text);
        }
        let end: &[u8] = if chunks { b"\r\n" } else { b"" };
        if data.len() <= MAX_COPIED {
            self.text.reserve(data.len() + end.len());
            self.text.put_slice(&data);
            self.text.put_slice(end);
        } else {
            self.data = data;
            self.tail = end;
        }
    }

    /// Ends a body in chunks. Trailers need room: they are lost behind a large part that is not written yet.
    pub(crate) fn end_chunks(&mut self, trailers: Option<&HeaderMap>) {
        if !self.tail.is_empty() {
            self.tail = b"\r\n0\r\n\r\n";
            return;
        }
        self.text.put_slice(b"0\r\n");
        for (name, value) in trailers.into_iter().flatten() {
            line(name, value.as_bytes(), &mut self.text);
        }
        self.text.put_slice(b"\r\n");
    }

    /// Writes some of what waits. Gives how much of it.
    pub(crate) fn poll_write<W>(&mut self, wire: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<usize>>
    where
        W: AsyncWrite + Unpin,
    {
        let wire = Pin::new(wire);
        let written = ready!(match self.data.is_empty() && self.tail.is_empty() {
            true => wire.poll_write(cx, &self.text),
            false => {
                let parts = [&self.text[..], &self.data[..], self.tail].map(IoSlice::new);
                wire.poll_write_vectored(cx, &parts)
            }
        })?;
        if written == 0 {
            return Poll::Ready(Err(ErrorKind::WriteZero.into()));
        }
        let mut left = written;
        for part in [&mut self.text as &mut dyn Buf, &mut self.data, &mut self.tail] {
            let of_part = left.min(part.remaining());
            part.advance(of_part);
            left -= of_part;
        }
        Poll::Ready(Ok(written))
    }
}

/// Writes the line in front of a chunk.
fn size(length: usize, out: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = (usize::BITS - length.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        let digit = DIGITS.get((length >> (digit * 4)) & 0xf);
        out.put_u8(digit.copied().unwrap_or_default());
    }
    out.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Takes up to some bytes at a time.
    struct Narrow(Vec<u8>, usize);

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let length = bytes.len().min(self.1);
            self.0.extend_from_slice(&bytes[..length]);
            Poll::Ready(Ok(length))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn written(outlet: &mut Outlet, at_a_time: usize) -> Vec<u8> {
        let mut wire = Narrow(Vec::new(), at_a_time);
        let mut cx = Context::from_waker(Waker::noop());
        while !outlet.is_empty() {
            assert!(outlet.poll_write(&mut wire, &mut cx).is_ready());
        }
        wire.0
    }

    #[test]
    fn parts_are_written_in_order_however_few_bytes_are_taken() {
        let large = Bytes::from(vec![b'x'; MAX_COPIED + 1]);
        let mut outlet = Outlet::default();
        outlet.text.put_slice(b"head");
        outlet.push("small".into(), true);
        outlet.push(large.clone(), true);
        assert!(outlet.is_full());
        outlet.end_chunks(None);
        let start = format!("head5\r\nsmall\r\n{:x}\r\n", large.len());
        let expected = [start.as_bytes(), &large[..], b"\r\n0\r\n\r\n"].concat();
        assert!(written(&mut outlet, 777) == expected);
    }

    #[test]
    fn sizes_are_written_in_hexadecimal_and_nothing_is_no_chunk() {
        for length in [1, 15, 16, 255, 256, 4095, 4096] {
            let mut outlet = Outlet::default();
            outlet.push(Bytes::from(vec![b'x'; length]), true);
            let text = written(&mut outlet, usize::MAX);
            assert!(
                text.starts_with(format!("{length:x}\r\nx").as_bytes()),
                "{length}"
            );
        }
        let mut outlet = Outlet::default();
        outlet.push(Bytes::new(), true);
        assert!(outlet.is_empty());
    }
}

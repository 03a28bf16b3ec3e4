//! A request on its way into a server's socket.

use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::io::AsyncWrite;

use super::{
    AnswerError, RequestBody, RequestHead, UploadError,
    request_head::{Announced, line},
};
use crate::{patience::Patience, upstream::ServerWire};

/// Parts of a body up to this size are copied behind what waits already, so that one write does; larger ones
/// are written from where they are.
const MAX_COPIED: usize = 16 * 1024;

/// What of one request is not written yet.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// The head, sizes of chunks, and small parts of the body.
    text: BytesMut,
    /// A large part of the body, after `text`.
    data: Bytes,
    /// What ends that part.
    tail: &'static [u8],
    announced: Option<Announced>,
    /// Bytes that were announced and not taken from the body yet.
    left: u64,
    /// Some of it is written.
    begun: bool,
    /// The first part of the body, if it is there, goes with the head.
    gathering: bool,
    /// All of the body was taken.
    taken: bool,
    /// Written and not flushed.
    unflushed: bool,
    patience: Patience,
}

impl Outgoing {
    /// A request whose head is to be written.
    pub(super) fn new(head: &RequestHead<'_>, body: &RequestBody) -> Self {
        let announced = match (body.is_empty(), body.size_hint().exact()) {
            (true, _) => Announced::Nothing,
            (false, Some(length)) => Announced::Length(length),
            (false, None) => Announced::Chunked,
        };
        let mut text = BytesMut::new();
        head.write(announced, &mut text);
        Self {
            text,
            announced: Some(announced),
            left: match announced {
                Announced::Length(length) => length,
                Announced::Nothing | Announced::Chunked => 0,
            },
            gathering: announced != Announced::Nothing,
            taken: announced == Announced::Nothing,
            unflushed: true,
            ..Self::default()
        }
    }

    /// True when all of it is written, or nobody takes the rest.
    pub(super) fn is_over(&self) -> bool {
        self.taken && self.is_written() && !self.unflushed
    }

    fn is_written(&self) -> bool {
        self.text.is_empty() && self.data.is_empty() && self.tail.is_empty()
    }

    /// Writes until all is written, waiting for the server up to `limit` each time.
    ///
    /// A server may answer and stop reading while a request is still being written (413, for one): then the rest
    /// is dropped, and its answer, or the end of the connection, is waiting to be read.
    pub(super) fn poll(
        &mut self,
        wire: &mut ServerWire,
        body: &mut RequestBody,
        limit: Option<Duration>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), AnswerError>> {
        loop {
            if std::mem::take(&mut self.gathering)
                && let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx)
            {
                self.push(frame, body)?;
            }
            match ready!(self.poll_write(wire, limit, cx)) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::TimedOut => {
                    return Poll::Ready(Err(AnswerError::Stalled));
                }
                Err(_) if !self.begun && self.announced == Some(Announced::Nothing) => {
                    return Poll::Ready(Err(AnswerError::Unsent));
                }
                Err(error) => {
                    tracing::trace!(%error, "a server reads no more");
                    self.give_up();
                    *body = RequestBody::default();
                }
            }
            if self.taken {
                return Poll::Ready(Ok(()));
            }
            let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
            self.push(frame, body)?;
        }
    }

    /// Nobody takes the rest.
    fn give_up(&mut self) {
        self.text = BytesMut::new();
        self.data = Bytes::new();
        self.tail = &[];
        self.taken = true;
        self.unflushed = false;
    }

    /// Takes a part of the body.
    fn push(
        &mut self,
        frame: Option<Result<Frame<Bytes>, UploadError>>,
        body: &RequestBody,
    ) -> Result<(), AnswerError> {
        self.unflushed = true;
        match frame.transpose().map_err(AnswerError::Upload)? {
            None => self.end(None)?,
            Some(frame) => match frame.into_data() {
                Ok(data) => {
                    self.push_data(data)?;
                    if body.is_end_stream() {
                        self.end(None)?;
                    }
                }
                Err(frame) => self.end(frame.into_trailers().ok())?,
            },
        }
        Ok(())
    }

    fn push_data(&mut self, data: Bytes) -> Result<(), AnswerError> {
        if data.is_empty() {
            return Ok(());
        }
        let chunked = self.announced == Some(Announced::Chunked);
        if chunked {
            self.text.put_slice(format!("{:x}\r\n", data.len()).as_bytes());
        } else {
            let left = self.left.checked_sub(data.len() as u64);
            self.left = left.ok_or(AnswerError::Upload(UploadError::Broken))?;
        }
        let end: &[u8] = if chunked { b"\r\n" } else { b"" };
        if data.len() <= MAX_COPIED {
            self.text.put_slice(&data);
            self.text.put_slice(end);
        } else {
            self.data = data;
            self.tail = end;
        }
        Ok(())
    }

    /// Ends the body.
    fn end(&mut self, trailers: Option<HeaderMap>) -> Result<(), AnswerError> {
        self.taken = true;
        if self.left > 0 {
            return Err(AnswerError::Upload(UploadError::Broken));
        }
        if self.announced != Some(Announced::Chunked) {
            return Ok(());
        }
        if !self.tail.is_empty() {
            // Trailers are a part of their own: they come when all data is written.
            self.tail = b"\r\n0\r\n\r\n";
            return Ok(());
        }
        self.text.put_slice(b"0\r\n");
        for (name, value) in &trailers.unwrap_or_default() {
            line(name, value.as_bytes(), &mut self.text);
        }
        self.text.put_slice(b"\r\n");
        Ok(())
    }

    /// Writes what waits.
    fn poll_write(
        &mut self,
        wire: &mut ServerWire,
        limit: Option<Duration>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_written() {
            let written = match self.data.is_empty() && self.tail.is_empty() {
                true => Pin::new(&mut *wire).poll_write(cx, &self.text),
                false => {
                    let parts = [&self.text[..], &self.data[..], self.tail].map(IoSlice::new);
                    Pin::new(&mut *wire).poll_write_vectored(cx, &parts)
                }
            };
            match written {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Poll::Ready(written) => self.advance(written?),
                Poll::Pending => return self.poll_late(limit, cx),
            }
        }
        if self.unflushed {
            match Pin::new(&mut *wire).poll_flush(cx) {
                Poll::Ready(flushed) => flushed?,
                Poll::Pending => return self.poll_late(limit, cx),
            }
            self.unflushed = false;
        }
        self.patience.end();
        Poll::Ready(Ok(()))
    }

    fn poll_late(&mut self, limit: Option<Duration>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match limit {
            None => Poll::Pending,
            Some(limit) => self
                .patience
                .poll(limit, cx)
                .map(|()| Err(ErrorKind::TimedOut.into())),
        }
    }

    fn advance(&mut self, mut length: usize) {
        self.begun = true;
        self.patience.end();
        for part in [&mut self.text as &mut dyn Buf, &mut self.data, &mut self.tail] {
            let of_part = length.min(part.remaining());
            part.advance(of_part);
            length -= of_part;
        }
    }
}

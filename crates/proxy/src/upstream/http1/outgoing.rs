//! A request on its way into a server's socket.

use std::{
    io::{self, ErrorKind},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::io::AsyncWrite;

use super::{AnswerError, RequestBody, RequestHead, UploadError, request_head::Announced};
use crate::{http1::Outlet, patience::Patience, upstream::ServerWire};

/// What of one request is not written yet.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    outlet: Outlet,
    announced: Option<Announced>,
    /// Bytes that were announced and not taken from the body yet.
    left: u64,
    /// Some of it is written.
    begun: bool,
    /// The first part of the body, if it is there, goes with the head.
    gathering: bool,
    /// All of the body was taken.
    taken: bool,
    /// Nobody takes the rest.
    given_up: bool,
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
        let mut outlet = Outlet::default();
        head.write(announced, &mut outlet.text);
        Self {
            outlet,
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

    /// True when all of it is written.
    pub(super) fn is_whole(&self) -> bool {
        self.is_over() && !self.given_up
    }

    /// True when all of it is written, or nobody takes the rest.
    pub(super) fn is_over(&self) -> bool {
        self.taken && self.outlet.is_empty() && !self.unflushed
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

    /// What the server was waited for so far counts no more.
    pub(super) fn wait_anew(&mut self) {
        self.patience.end();
    }

    /// Nobody takes the rest.
    fn give_up(&mut self) {
        self.given_up = true;
        self.outlet.clear();
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
        let chunks = self.announced == Some(Announced::Chunked);
        if !chunks {
            let left = self.left.checked_sub(data.len() as u64);
            self.left = left.ok_or(AnswerError::Upload(UploadError::Broken))?;
        }
        self.outlet.push(data, chunks);
        Ok(())
    }

    /// Ends the body.
    fn end(&mut self, trailers: Option<HeaderMap>) -> Result<(), AnswerError> {
        self.taken = true;
        if self.left > 0 {
            return Err(AnswerError::Upload(UploadError::Broken));
        }
        if self.announced == Some(Announced::Chunked) {
            self.outlet.end_chunks(trailers.as_ref());
        }
        Ok(())
    }

    /// Writes what waits.
    fn poll_write(
        &mut self,
        wire: &mut ServerWire,
        limit: Option<Duration>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.outlet.is_empty() {
            match self.outlet.poll_write(wire, cx) {
                Poll::Ready(written) => {
                    written?;
                    self.begun = true;
                    self.patience.end();
                }
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
}

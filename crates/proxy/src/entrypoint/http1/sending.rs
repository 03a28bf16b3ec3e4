//! An answer on its way into a client's socket.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{BufMut, Bytes};
use http::{HeaderMap, HeaderName, Response, header};
use http_body::{Body, Frame};
use tokio::io::AsyncWrite;

use super::answer_head::{Announced, Asked};
use crate::{
    entrypoint::io::{ClientIo, Queue},
    http1::Outlet,
    respond::ResponseBody,
    sanitize::tokens,
    upstream::BodyError,
};

/// Why the rest of an answer is not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// The client is gone.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Its source broke off.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// Its source has more or less than was announced.
    #[error("the answer is not as long as it says")]
    Length,
}

/// What of one answer is not written yet.
#[derive(Debug)]
pub(super) struct Sending {
    body: ResponseBody,
    outlet: Outlet,
    announced: Announced,
    /// Bytes that were announced and not taken from the body yet.
    left: u64,
    /// All of the body was taken.
    taken: bool,
    /// Names of trailers that the client knows of and takes.
    trailers: Vec<HeaderName>,
    failure: Option<SendError>,
    /// The connection ends with it.
    last: bool,
}

impl Sending {
    /// An answer to what was `asked`, whose head is to be written after `before`.
    pub(super) fn new(response: Response<ResponseBody>, asked: &mut Asked, before: &[u8]) -> Self {
        let (head, body) = response.into_parts();
        let size = body.size_hint();
        let announced = asked.announce(&head, &size);
        asked.keep_alive &= announced != Announced::UntilClose;
        let mut outlet = Outlet::default();
        outlet.text.put_slice(before);
        asked.write(&head, announced, &size, &mut outlet.text);
        let left = match announced {
            Announced::Length(length) => length,
            Announced::Nothing | Announced::Chunked | Announced::UntilClose => 0,
        };
        let is_over = announced == Announced::Nothing || body.is_end_stream();
        let mut sending = Self {
            body,
            outlet,
            announced,
            left,
            taken: false,
            trailers: Vec::new(),
            failure: None,
            last: false,
        };
        if announced == Announced::Chunked && asked.trailers {
            sending.trailers = named(&head.headers);
        }
        if is_over {
            sending.end(None);
        }
        sending
    }

    /// True when the client learns the end of the answer from the end of the connection.
    pub(super) fn ends_with_connection(&self) -> bool {
        self.announced == Announced::UntilClose
    }

    /// The connection ends with this answer: where that has to be said, it is said in one go with the answer's own end.
    pub(super) fn is_last(&mut self) {
        self.last = true;
    }

    /// Writes until all is written, or there is nothing more to write for now.
    pub(super) fn poll(&mut self, io: &mut ClientIo, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        loop {
            let waits = self.poll_body(cx).is_pending();
            let ends = self.last && self.taken && self.failure.is_none();
            while !self.outlet.is_empty() {
                ready!(match ends {
                    true => self.outlet.poll_write(&mut Queue(io), cx),
                    false => self.outlet.poll_write(io, cx),
                })?;
            }
            if ends {
                io.queue_end();
                ready!(io.poll_send(cx))?;
            }
            ready!(Pin::new(&mut *io).poll_flush(cx))?;
            if let Some(failure) = self.failure.take() {
                return Poll::Ready(Err(failure));
            }
            if self.taken {
                return Poll::Ready(Ok(()));
            }
            if waits {
                return Poll::Pending;
            }
        }
    }

    /// Takes of the body what fits; pending when there is nothing more for now.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.taken && !self.outlet.is_full() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    self.push(frame);
                    if self.body.is_end_stream() {
                        self.end(None);
                    }
                }
                Some(Err(error)) => self.fail(error.into()),
                None => self.end(None),
            }
        }
        Poll::Ready(())
    }

    fn push(&mut self, frame: Frame<Bytes>) {
        match frame.into_data() {
            Ok(data) if self.announced == Announced::Chunked => self.outlet.push(data, true),
            Ok(data) => {
                if let Announced::Length(_) = self.announced {
                    match self.left.checked_sub(data.len() as u64) {
                        Some(left) => self.left = left,
                        None => return self.fail(SendError::Length),
                    }
                }
                self.outlet.push(data, false);
            }
            Err(frame) => self.end(frame.into_trailers().ok()),
        }
    }

    /// The body is over.
    fn end(&mut self, trailers: Option<HeaderMap>) {
        if std::mem::replace(&mut self.taken, true) {
            return;
        }
        if self.left > 0 {
            return self.fail(SendError::Length);
        }
        if self.announced == Announced::Chunked {
            let trailers = trailers.map(|trailers| self.announced_of(&trailers));
            self.outlet.end_chunks(trailers.as_ref());
        }
    }

    /// What came before it is still written.
    fn fail(&mut self, failure: SendError) {
        self.taken = true;
        self.failure = Some(failure);
    }

    fn announced_of(&self, trailers: &HeaderMap) -> HeaderMap {
        let known = trailers.iter().filter(|(name, _)| self.trailers.contains(name));
        known.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// The trailers that a head announces. What says how to read the message cannot be one.
fn named(headers: &HeaderMap) -> Vec<HeaderName> {
    tokens(headers, header::TRAILER)
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .filter(|name| *name != header::CONTENT_LENGTH && *name != header::TRANSFER_ENCODING)
        .collect()
}

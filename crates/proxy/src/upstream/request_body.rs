//! The body of a request on its way from client to server.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

use crate::{
    sanitize::strip_trailers,
    settings::{EntryPoint, UnderscoreHeaders},
};

/// Why the rest of a body will not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UploadError {
    /// The client sent nothing for too long.
    #[error("client sent no further bytes of its request")]
    Stalled,
    /// The client went away, or framed it wrongly.
    #[error("client broke off its request")]
    Broken,
    /// It ended in what is refused in a header.
    #[error("a trailer of the request is refused")]
    Trailer,
}

/// How far a body has come. Seen by the request while the connection to the server has the body.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    bytes: Cell<u64>,
    finished: Cell<Option<Instant>>,
    given_up: Cell<bool>,
    error: Cell<Option<UploadError>>,
}

impl Upload {
    /// Bytes received so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// When the last byte was taken.
    pub(crate) fn finished(&self) -> Option<Instant> {
        self.finished.get()
    }

    /// The last byte was taken.
    pub(crate) fn finish(&self) {
        self.finished.set(Some(Instant::now()));
    }

    /// True as long as somebody takes its bytes.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.given_up.get()
    }

    /// What is wrong with it.
    pub(crate) fn error(&self) -> Option<UploadError> {
        self.error.get()
    }
}

/// A client's body, with a limit on each wait. Without a body it costs nothing.
#[derive(Debug, Default)]
pub(crate) struct RequestBody(Option<Receiving>);

#[derive(Debug)]
struct Receiving {
    incoming: Incoming,
    upload: Rc<Upload>,
    limit: Duration,
    underscores: UnderscoreHeaders,
    timer: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    /// Takes `incoming`, within the limits of its entrypoint.
    pub(crate) fn new(incoming: Incoming, settings: &EntryPoint) -> Self {
        if incoming.is_end_stream() {
            return Self(None);
        }
        Self(Some(Receiving {
            incoming,
            upload: Rc::default(),
            limit: settings.transport.responding_timeouts.read_timeout,
            underscores: settings.http.underscore_headers_strategy,
            timer: None,
        }))
    }

    /// True when there is nothing to send, so that it can be sent again.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How far it has come; `None` without a body.
    pub(crate) fn upload(&self) -> Option<Rc<Upload>> {
        self.0.as_ref().map(|receiving| receiving.upload.clone())
    }
}

impl Receiving {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            return self.poll_limit(cx);
        };
        self.timer = None;
        let frame = match frame {
            Some(Ok(mut frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                self.upload.bytes.set(self.upload.bytes.get() + length as u64);
                let passes = frame
                    .trailers_mut()
                    .map_or(Ok(()), |trailers| strip_trailers(trailers, self.underscores));
                Some(match passes {
                    Ok(()) => Ok(frame),
                    Err(_) => Err(self.fail(UploadError::Trailer)),
                })
            }
            Some(Err(_)) => Some(Err(self.fail(UploadError::Broken))),
            None => None,
        };
        if frame.is_none() || self.incoming.is_end_stream() {
            self.upload.finish();
        }
        Poll::Ready(frame)
    }

    fn poll_limit(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        if self.limit.is_zero() {
            return Poll::Pending;
        }
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(self.fail(UploadError::Stalled)))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn fail(&self, error: UploadError) -> UploadError {
        self.upload.error.set(Some(error));
        error
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.upload.given_up.set(true);
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        match &mut self.0 {
            Some(receiving) => receiving.poll(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|receiving| receiving.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Some(receiving) => receiving.incoming.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

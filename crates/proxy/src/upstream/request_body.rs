//! The body of a request on its way from client to server.

use std::{
    cell::Cell,
    num::NonZeroU64,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::{
    entrypoint::{Broken, Incoming},
    patience::{Patience, limit},
    sanitize::strip_trailers,
    settings::{EntryPoint, RespondingTimeouts, UnderscoreHeaders},
};

/// Why the rest of a body will not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UploadError {
    /// The client sent nothing for too long.
    #[error("client sent no further bytes of its request")]
    Stalled,
    /// The client sends less than it has to.
    #[error("client sends its request too slowly")]
    Slow,
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

/// A client's body, with limits on each wait and on all of them. Without a body it costs nothing.
#[derive(Debug, Default)]
pub(crate) struct RequestBody(Option<Receiving>);

#[derive(Debug)]
struct Receiving {
    incoming: Incoming,
    upload: Rc<Upload>,
    limit: Option<Duration>,
    pace: Option<Pace>,
    underscores: UnderscoreHeaders,
    patience: Patience,
    /// How long the client has been waited for. Time that the server took is not in it.
    waited: Duration,
}

/// How fast a client has to send.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Bytes in a second.
    rate: NonZeroU64,
    /// What may be waited beside what the rate allows.
    grace: Duration,
}

impl Pace {
    fn new(limits: &RespondingTimeouts) -> Option<Self> {
        Some(Self {
            rate: NonZeroU64::new(limits.min_body_rate)?,
            grace: limit(limits.body_grace_time)?,
        })
    }

    /// How long may be waited for `bytes` and the next one.
    fn allows(&self, bytes: u64) -> Duration {
        let whole = Duration::from_secs(bytes / self.rate);
        let rest =
            Duration::from_secs(bytes % self.rate) / u32::try_from(self.rate.get()).unwrap_or(u32::MAX);
        self.grace.saturating_add(whole).saturating_add(rest)
    }
}

impl RequestBody {
    /// Takes `incoming`, within the limits of its entrypoint.
    pub(crate) fn new(incoming: Incoming, settings: &EntryPoint) -> Self {
        if incoming.is_over() {
            return Self(None);
        }
        let timeouts = &settings.transport.responding_timeouts;
        Self(Some(Receiving {
            incoming,
            upload: Rc::default(),
            limit: limit(timeouts.read_timeout),
            pace: Pace::new(timeouts),
            underscores: settings.http.underscore_headers_strategy,
            patience: Patience::default(),
            waited: Duration::ZERO,
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
        let Poll::Ready(frame) = self.incoming.poll_frame(cx) else {
            return self.poll_limit(cx);
        };
        self.waited += self.patience.end();
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
            Some(Err(Broken)) => Some(Err(self.fail(UploadError::Broken))),
            None => None,
        };
        if frame.is_none() || self.incoming.is_over() {
            self.upload.finish();
        }
        Poll::Ready(frame)
    }

    fn poll_limit(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let left = self
            .pace
            .map(|pace| pace.allows(self.upload.bytes()).saturating_sub(self.waited));
        let (limit, error) = match (self.limit, left) {
            (limit, Some(left)) if limit.is_none_or(|limit| left < limit) => (left, UploadError::Slow),
            (Some(limit), _) => (limit, UploadError::Stalled),
            (None, _) => return Poll::Pending,
        };
        self.patience
            .poll(limit, cx)
            .map(|()| Some(Err(self.fail(error))))
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
            .is_none_or(|receiving| receiving.incoming.is_over())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Some(receiving) => receiving.incoming.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

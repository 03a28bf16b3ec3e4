//! The body of a request on its way from client to server.

use std::{
    future::poll_fn,
    num::NonZeroU64,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

use super::{
    kept::{Keeping, Kept, Replay, Tee},
    stored::{Lost, Reading, Stored},
    upload::{Noted, Upload},
};
use crate::{
    entrypoint::{Broken, Incoming},
    middleware::{Change, Changing, Unreadable},
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
    /// It is not what a middleware expects.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It was stored.
    #[error(transparent)]
    Lost(#[from] Lost),
}

/// How a body can be had again that a server refused unread.
#[derive(Debug)]
pub(crate) enum Recall {
    /// There is none.
    Nothing,
    /// It is there.
    Kept(Rc<Kept>),
    /// It was read before.
    Stored(Rc<Stored>),
    /// What was sent of it was noted.
    Passing(Passing),
    /// Not at all.
    Never,
}

/// A body on its way to a server, which may be called back.
#[derive(Debug)]
pub(crate) struct Passing {
    upload: Rc<Upload>,
    limit: Option<Duration>,
    pace: Option<Pace>,
    underscores: UnderscoreHeaders,
}

impl Recall {
    /// The body from its beginning, if it can be had.
    pub(crate) fn body(self) -> Option<RequestBody> {
        match self {
            Self::Nothing => Some(RequestBody::default()),
            Self::Kept(kept) => Some(RequestBody::kept(kept)),
            Self::Stored(stored) => Some(RequestBody::stored(stored)),
            Self::Passing(passing) => passing.body(),
            Self::Never => None,
        }
    }
}

impl Passing {
    fn body(self) -> Option<RequestBody> {
        let upload = &self.upload;
        let noted = upload.noted.take()?;
        upload.returned.set(false);
        upload.recalls.set(upload.recalls.get() + 1);
        let begun = RequestBody::kept(noted.keeping.whole());
        let rest = upload.goes_on().then(|| Receiving {
            upload: upload.clone(),
            recalls: upload.recalls.get(),
            limit: self.limit,
            pace: self.pace,
            underscores: self.underscores,
            patience: Patience::default(),
            waited: Duration::ZERO,
            tee: None,
        });
        Some(RequestBody { rest, ..begun })
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.upload.settle();
    }
}

/// What became of an attempt to keep a body.
#[derive(Debug)]
pub(crate) enum Keep {
    /// There is none.
    Nothing,
    /// Here it is.
    Whole(Rc<Kept>),
    /// It is sent on as it comes, and once: there is no room for it.
    NoRoom,
    /// It is longer than it may be.
    TooLong,
}

/// A client's body, with limits on each wait and on all of them. Without a body it costs nothing.
#[derive(Debug, Default)]
pub(crate) struct RequestBody {
    /// What was read of it before it is sent.
    ahead: Option<Box<Replay>>,
    /// All of it, read before and partly in a file.
    stored: Option<Box<Reading>>,
    rest: Option<Receiving>,
    /// What becomes of both.
    changing: Option<Box<Changing>>,
}

#[derive(Debug)]
struct Receiving {
    upload: Rc<Upload>,
    /// How often it had been called back before.
    recalls: u32,
    limit: Option<Duration>,
    pace: Option<Pace>,
    underscores: UnderscoreHeaders,
    patience: Patience,
    /// How long the client has been waited for. Time that the server took is not in it.
    waited: Duration,
    /// Others who want it.
    tee: Option<Box<Tee>>,
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
            return Self::default();
        }
        let timeouts = &settings.transport.responding_timeouts;
        let rest = Receiving {
            upload: Rc::new(Upload::of(incoming)),
            recalls: 0,
            limit: limit(timeouts.read_timeout),
            pace: Pace::new(timeouts),
            underscores: settings.http.underscore_headers_strategy,
            patience: Patience::default(),
            waited: Duration::ZERO,
            tee: None,
        };
        Self {
            rest: Some(rest),
            ..Self::default()
        }
    }

    /// All of `kept`.
    pub(crate) fn kept(kept: Rc<Kept>) -> Self {
        let ahead = (!kept.is_empty()).then(|| Box::new(Replay::new(kept)));
        Self {
            ahead,
            ..Self::default()
        }
    }

    /// All of `stored`.
    pub(crate) fn stored(stored: Rc<Stored>) -> Self {
        match stored.kept() {
            Some(kept) => Self::kept(kept.clone()),
            None => Self {
                stored: Some(Box::new(Reading::new(stored))),
                ..Self::default()
            },
        }
    }

    /// Changes what is still to be read of it. Its length is not known any more, and it cannot be kept.
    pub(crate) fn change(&mut self, change: impl Change + 'static) {
        if !self.is_empty() {
            let before = std::mem::take(self);
            self.changing = Some(Box::new(Changing::new(Box::new(change))));
            (self.ahead, self.stored, self.rest) = (before.ahead, before.stored, before.rest);
        }
    }

    /// True when there is nothing to send, so that it can be sent again.
    pub(crate) fn is_empty(&self) -> bool {
        self.ahead.is_none() && self.stored.is_none() && self.rest.is_none()
    }

    /// How it can be had again once it was handed over to a server that refuses it; up to `limit` bytes of what is still
    /// to come are noted for that.
    pub(crate) fn recall(&self, limit: u64) -> Recall {
        let (ahead, stored, rest) = (self.ahead.as_deref(), self.stored.as_deref(), self.rest.as_ref());
        let begun = ahead.map(Replay::untouched);
        match (self.changing.is_none(), begun, stored, rest) {
            (true, None, None, None) => Recall::Nothing,
            (true, Some(Some(kept)), None, None) => Recall::Kept(kept.clone()),
            (true, None, Some(stored), None) => stored.untouched().map_or(Recall::Never, Recall::Stored),
            (true, None, None, Some(rest)) => rest.recall(&[], limit),
            (true, Some(Some(kept)), None, Some(rest)) => rest.recall(kept.data(), limit),
            _ => Recall::Never,
        }
    }

    fn poll_unchanged(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        if let Some(frame) = self.ahead.as_mut().and_then(|ahead| ahead.next()) {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(stored) = &mut self.stored {
            return stored.poll_frame(cx).map_err(UploadError::from);
        }
        match &mut self.rest {
            Some(receiving) => receiving.poll(cx),
            None => Poll::Ready(None),
        }
    }

    /// How far it has come; `None` without a body.
    pub(crate) fn upload(&self) -> Option<Rc<Upload>> {
        self.rest.as_ref().map(|receiving| receiving.upload.clone())
    }

    /// Reads all of it, before any of it is sent. It is at its beginning afterwards, whatever became of it.
    ///
    /// # Errors
    /// When the client does not finish it.
    pub(crate) async fn keep(&mut self, limit: Option<u64>) -> Result<Keep, UploadError> {
        let is_too_long = |length: u64| limit.is_some_and(|limit| length > limit);
        if is_too_long(self.size_hint().lower()) {
            return Ok(Keep::TooLong);
        }
        let is_plain = self.stored.is_none() && self.changing.is_none();
        if let Some(ahead) = &self.ahead {
            let untouched = ahead.untouched().filter(|_| is_plain && self.rest.is_none());
            return Ok(untouched.map_or(Keep::NoRoom, |kept| Keep::Whole(kept.clone())));
        }
        if !is_plain {
            return Ok(Keep::NoRoom);
        }
        let Some(receiving) = &mut self.rest else {
            return Ok(Keep::Nothing);
        };
        let mut keeping = Keeping::default();
        while let Some(frame) = poll_fn(|cx| receiving.poll(cx)).await {
            let data = match frame?.into_data() {
                Ok(data) => data,
                Err(frame) => {
                    keeping.end(frame.into_trailers().unwrap_or_default());
                    continue;
                }
            };
            let is_too_long = is_too_long(keeping.length() + data.len() as u64);
            if is_too_long || !keeping.push(&data) {
                let mut ahead = Replay::new(keeping.whole());
                ahead.append(data);
                self.ahead = Some(Box::new(ahead));
                return Ok(if is_too_long { Keep::TooLong } else { Keep::NoRoom });
            }
        }
        let kept = keeping.whole();
        *self = Self::kept(kept.clone());
        Ok(Keep::Whole(kept))
    }

    /// Where it will be once all of it has passed on its way to a server, if it is no longer than `limit` and there is
    /// room for it; `None` if it is known that it will not.
    pub(crate) fn tee(&mut self, limit: u64) -> Option<oneshot::Receiver<Rc<Kept>>> {
        let is_plain = self.ahead.is_none() && self.stored.is_none() && self.changing.is_none();
        let receiving = self.rest.as_mut().filter(|_| is_plain)?;
        if receiving.size_hint().lower() > limit {
            return None;
        }
        Some(receiving.tee.get_or_insert_default().add(limit))
    }
}

impl Receiving {
    /// Notes what is taken of it after `begun`.
    fn recall(&self, begun: &[u8], limit: u64) -> Recall {
        let mut noted = Box::new(Noted {
            limit,
            ..Noted::default()
        });
        if begun.len() as u64 > limit || !noted.keeping.push(begun) {
            return Recall::Never;
        }
        self.upload.noted.replace(Some(noted));
        Recall::Passing(Passing {
            upload: self.upload.clone(),
            limit: self.limit,
            pace: self.pace,
            underscores: self.underscores,
        })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        if self.recalls != self.upload.recalls.get() {
            return Poll::Ready(Some(Err(UploadError::Broken)));
        }
        let polled = match &mut *self.upload.incoming.borrow_mut() {
            Some(incoming) => incoming.poll_frame(cx),
            None => return Poll::Ready(Some(Err(UploadError::Broken))),
        };
        self.upload.waits.set(polled.is_pending());
        let Poll::Ready(frame) = polled else {
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
                    Ok(()) => {
                        self.tee.take_if(|tee| !tee.push(&frame));
                        self.upload.note(&frame);
                        Ok(frame)
                    }
                    Err(_) => Err(self.fail(UploadError::Trailer)),
                })
            }
            Some(Err(Broken)) => Some(Err(self.fail(UploadError::Broken))),
            None => None,
        };
        if frame.is_none() || self.is_over() {
            self.upload.finish();
            if let Some(tee) = self.tee.take_if(|_| !matches!(frame, Some(Err(_)))) {
                tee.finish();
            }
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

    /// True when all of it was taken.
    fn is_over(&self) -> bool {
        self.upload
            .incoming
            .borrow()
            .as_ref()
            .is_some_and(Incoming::is_over)
    }

    fn size_hint(&self) -> SizeHint {
        let incoming = self.upload.incoming.borrow();
        incoming.as_ref().map(Incoming::size_hint).unwrap_or_default()
    }

    fn fail(&self, error: UploadError) -> UploadError {
        self.upload.error.set(Some(error));
        error
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if self.recalls != self.upload.recalls.get() {
            return;
        }
        match self.upload.noted.borrow().is_some() {
            true => self.upload.returned.set(true),
            false => self.upload.give_up(),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        match self.changing.take() {
            None => self.poll_unchanged(cx),
            Some(mut changing) => {
                let polled = changing.poll(cx, |cx| self.poll_unchanged(cx));
                self.changing = Some(changing);
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        if let Some(changing) = &self.changing {
            return changing.is_over();
        }
        self.ahead.as_ref().is_none_or(|ahead| ahead.is_over())
            && self.stored.as_ref().is_none_or(|stored| stored.is_over())
            && self.rest.as_ref().is_none_or(Receiving::is_over)
    }

    fn size_hint(&self) -> SizeHint {
        if self.changing.is_some() {
            return SizeHint::default();
        }
        let rest = match (&self.stored, &self.rest) {
            (Some(stored), _) => stored.size_hint(),
            (None, Some(receiving)) => receiving.size_hint(),
            (None, None) => SizeHint::with_exact(0),
        };
        match &self.ahead {
            Some(ahead) => ahead.size_hint(&rest),
            None => rest,
        }
    }
}

//! The body of an answer on its way from server to client.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use mesh_config::model::Timeouts;
use tokio::time::Instant;

use super::{AnswerError, Http1, Lease, stored::Lost};
use crate::{
    middleware::Unreadable,
    patience::{Patience, Timer, limit},
    respond::X_MESH_REASON,
    service::InFlight,
};

/// Why the rest of an answer will not come. The client's connection is cut, so that it can see that.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The server sent nothing for too long.
    #[error("server sent no further bytes of its answer")]
    Stalled,
    /// All of it took too long.
    #[error("the answer was not complete within the time limit of its request")]
    Late,
    /// The server left, and had its time.
    #[error("server has drained")]
    Drained,
    /// The server went away, or framed it wrongly.
    #[error("server broke off its answer")]
    Broken(#[from] hyper::Error),
    /// The same over HTTP/1.1.
    #[error("server broke off its answer: {0}")]
    Cut(#[from] AnswerError),
    /// It is not what a middleware expects.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It was stored.
    #[error(transparent)]
    Lost(#[from] Lost),
}

/// A server's body. Holds the connection until it is read to its end.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    /// Where it comes from, if not over the connection of `lease` itself.
    shared: Option<Incoming>,
    lease: Option<Lease>,
    in_flight: Option<InFlight>,
    limit: Option<Duration>,
    patience: Patience,
    /// When all of it has to be there, and what waits for that.
    deadline: Option<Instant>,
    late: Timer,
    /// The end of the time that a server has which leaves, for an answer that keeps its client waiting.
    drained: Option<Drained>,
    ended: bool,
    /// Told once the client has what came before it.
    failure: Option<BodyError>,
}

impl AnswerBody {
    /// The body of the answer over `lease`, within the limits of its transport. It comes as `shared` where requests share the connection.
    pub(crate) fn new(shared: Option<Incoming>, lease: Lease, in_flight: InFlight) -> Self {
        let mut body = Self {
            limit: limit(lease.server.transport.forwarding_timeouts.read_timeout),
            shared,
            lease: Some(lease),
            in_flight: Some(in_flight),
            patience: Patience::default(),
            deadline: None,
            late: Timer::default(),
            drained: None,
            ended: false,
            failure: None,
        };
        body.ended = body.is_over();
        body
    }

    /// Each of its silences has this limit as well, unless it is 0; all of it ends at `deadline`.
    pub(crate) fn limit(&mut self, silence: Duration, deadline: Option<std::time::Instant>) {
        self.limit = limit(Timeouts::shorter(self.limit.unwrap_or_default(), silence));
        self.deadline = deadline.map(Instant::from_std);
    }

    /// True when nothing more comes.
    fn is_over(&self) -> bool {
        match (&self.shared, &self.lease) {
            (Some(incoming), _) => incoming.is_end_stream(),
            (None, Some(lease)) => lease.sender.one().is_none_or(Http1::is_over),
            (None, None) => true,
        }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(incoming) = &mut self.shared {
            let frame = std::task::ready!(Pin::new(incoming).poll_frame(cx));
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)));
        }
        match self.lease.as_ref().and_then(|lease| lease.sender.one()) {
            Some(connection) => {
                let frame = std::task::ready!(connection.poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Cut)))
            }
            None => Poll::Ready(None),
        }
    }

    /// The connection, once it is free for the next request.
    pub(crate) fn take_free(&mut self) -> Option<Lease> {
        if !self.ended {
            return None;
        }
        self.in_flight = None;
        self.lease.take()
    }

    fn poll_limit(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(deadline) = self.deadline
            && self.late.poll(deadline, cx).is_ready()
        {
            return Poll::Ready(Some(Err(BodyError::Late)));
        }
        let limit = self.limit.unwrap_or(Duration::MAX);
        if self.drained.is_none() && self.patience.poll(limit.min(QUIET), cx).is_ready() {
            self.drained = self
                .in_flight
                .as_ref()
                .map(|in_flight| Drained(Box::pin(in_flight.drained())));
        }
        if let Some(drained) = &mut self.drained {
            if drained.0.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Some(Err(BodyError::Drained)));
            }
            return self
                .patience
                .poll(limit, cx)
                .map(|()| Some(Err(BodyError::Stalled)));
        }
        Poll::Pending
    }
}

/// Silence after which an answer waits for the end of a server that leaves; until then each of its parts asks for that.
const QUIET: Duration = Duration::from_secs(1);

/// Ready when the server has drained.
struct Drained(Pin<Box<dyn Future<Output = ()>>>);

impl std::fmt::Debug for Drained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Drained")
    }
}

/// Trailers without what only Mesh says.
fn own_words(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        trailers.remove(&X_MESH_REASON);
    }
    frame
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        match self.poll_source(cx) {
            Poll::Ready(Some(Err(failure))) => {
                // The codec drops what it has not written yet when it sees a failure: it gets a turn to write.
                self.failure = Some(failure);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(frame) => {
                self.patience.end();
                self.ended = frame.is_none() || self.is_over();
                if !self.ended && self.in_flight.as_ref().is_some_and(InFlight::has_drained) {
                    self.failure = Some(BodyError::Drained);
                }
                if !self.ended && self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                    self.failure = Some(BodyError::Late);
                }
                Poll::Ready(frame.map(|frame| frame.map(own_words)))
            }
            Poll::Pending => self.poll_limit(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.shared, &self.lease) {
            (Some(incoming), _) => incoming.size_hint(),
            (None, Some(lease)) => lease.sender.one().map(Http1::size_hint).unwrap_or_default(),
            (None, None) => SizeHint::with_exact(0),
        }
    }
}

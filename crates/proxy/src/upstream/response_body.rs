//! The body of an answer on its way from server to client.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::Lease;
use crate::{
    patience::{Patience, limit},
    respond::X_MESH_REASON,
    service::InFlight,
};

/// Why the rest of an answer will not come. The client's connection is cut, so that it can see that.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The server sent nothing for too long.
    #[error("server sent no further bytes of its answer")]
    Stalled,
    /// The server went away, or framed it wrongly.
    #[error("server broke off its answer")]
    Broken(#[from] hyper::Error),
}

/// A server's body. Holds the connection until it is read to its end.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    incoming: Incoming,
    lease: Option<Lease>,
    in_flight: Option<InFlight>,
    limit: Option<Duration>,
    patience: Patience,
    ended: bool,
}

impl AnswerBody {
    /// The body of the answer over `lease`, with `limit` on each wait unless it is zero.
    pub(crate) fn new(incoming: Incoming, lease: Lease, in_flight: InFlight) -> Self {
        Self {
            ended: incoming.is_end_stream(),
            limit: limit(lease.server.transport.forwarding_timeouts.read_timeout),
            incoming,
            lease: Some(lease),
            in_flight: Some(in_flight),
            patience: Patience::default(),
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
        let Some(limit) = self.limit else {
            return Poll::Pending;
        };
        self.patience
            .poll(limit, cx)
            .map(|()| Some(Err(BodyError::Stalled)))
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
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.patience.end();
                self.ended = frame.is_none() || self.incoming.is_end_stream();
                Poll::Ready(frame.map(|frame| frame.map(own_words).map_err(BodyError::Broken)))
            }
            Poll::Pending => self.poll_limit(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

//! The body of a request as it comes from a client.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::http1::Receiver;

/// The body of a request, whatever protocol it comes in.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// None.
    Nothing,
    /// Over HTTP/1.1.
    Alone(Receiver),
    /// Over HTTP/2.
    Shared(hyper::body::Incoming),
}

/// The rest of a body will not come.
#[derive(Debug)]
pub(crate) struct Broken;

impl Incoming {
    /// The next part of it.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self {
            Self::Nothing => Poll::Ready(None),
            Self::Alone(receiver) => {
                let frame = ready!(receiver.poll_frame(cx));
                Poll::Ready(frame.map(|frame| {
                    frame.map_err(|error| {
                        tracing::debug!(%error, "a request was broken off");
                        Broken
                    })
                }))
            }
            Self::Shared(incoming) => {
                let frame = ready!(Pin::new(incoming).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(|_| Broken)))
            }
        }
    }

    /// True when nothing more comes.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Alone(receiver) => receiver.is_over(),
            Self::Shared(incoming) => incoming.is_end_stream(),
        }
    }

    /// How much is still to come.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Alone(receiver) => receiver.size_hint(),
            Self::Shared(incoming) => incoming.size_hint(),
        }
    }
}

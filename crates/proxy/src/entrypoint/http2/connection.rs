//! One connection: its codec, its streams, and what they send together.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use super::{alarm::Alarm, streams::Streams};
use crate::entrypoint::{drive::Codec, io::ClientIo};

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The codec gave up.
    #[error(transparent)]
    Codec(hyper::Error),
    /// The client cannot be reached.
    #[error(transparent)]
    Io(io::Error),
}

/// A codec that can be asked to end.
pub(super) trait Graceful: Future<Output = hyper::Result<()>> {
    /// Ends after the streams that are open.
    fn shut_down(self: Pin<&mut Self>);
}

/// Each turn runs the streams that can go on, then the codec, and then sends what has come of that.
pub(super) struct Connection<C> {
    codec: C,
    alarm: Alarm,
    streams: Streams,
    io: ClientIo,
}

impl<C> Connection<C> {
    pub(super) fn new(codec: C, streams: Streams, io: ClientIo) -> Self {
        Self {
            codec,
            alarm: Alarm::new(),
            streams,
            io,
        }
    }
}

impl<C: Graceful + Unpin> Future for Connection<C> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            codec,
            alarm,
            streams,
            io,
        } = &mut *self;
        // What streams have for the codec is no reason to be woken: it comes next.
        alarm.hold();
        streams.run(cx);
        alarm.release();
        let polled = Pin::new(codec).poll(&mut alarm.of(cx));
        if streams.has_new() && polled.is_pending() {
            streams.run(cx);
        }
        match (polled, io.poll_send(cx)) {
            (Poll::Ready(ended), _) => Poll::Ready(ended.map_err(Error::Codec)),
            (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(Error::Io(error))),
            (Poll::Pending, Poll::Ready(Ok(())) | Poll::Pending) => Poll::Pending,
        }
    }
}

impl<C: Graceful + Unpin> Codec for Connection<C> {
    type Error = Error;

    fn shut_down(&mut self) {
        Pin::new(&mut self.codec).shut_down();
    }
}

//! Polls the codec of one connection, and ends it by its limits.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, sleep};

use super::{Client, connection::LAST_CALL};
use crate::{drain::Stage, patience::Timer};

/// How a connection ended.
pub(super) enum End<E> {
    /// The codec is done with it.
    Done(Result<(), E>),
    /// Nothing came for too long.
    Expired,
    /// The client reset it.
    Reset,
    /// The drain ran out of patience, or Mesh with the client.
    Cut,
}

/// A codec that serves one connection.
pub(super) trait Codec: Future<Output = Result<(), Self::Error>> + Unpin {
    /// Why it gave up.
    type Error;

    /// Ends the connection after the requests in hand.
    fn shut_down(&mut self);
}

/// Polls `codec` until the connection ends, by itself or by one of its limits. `reset` is ready when the client
/// has reset a connection that the codec does not look at.
pub(super) async fn drive<C: Codec>(
    codec: &mut C,
    client: &Client,
    reset: impl Fn(&mut Context<'_>) -> Poll<()>,
) -> End<C::Error> {
    let stage = &client.entry.stage;
    let mut timer = Timer::default();
    let mut told = false;
    let mut last_call = None;
    let mut changed = Box::pin(stage.changed());
    let mut watched = false;
    poll_fn(|cx| {
        if !watched || stage.get() != Stage::Open {
            watched = true;
            if changed.as_mut().poll(cx).is_ready() {
                changed.set(stage.changed());
                let _woken_again_later = changed.as_mut().poll(cx);
            }
        }
        if stage.get() == Stage::Cut {
            return Poll::Ready(End::Cut);
        }
        if let Poll::Ready(result) = Pin::new(&mut *codec).poll(cx) {
            return Poll::Ready(End::Done(result));
        }
        if client.is_wasteful() {
            tracing::debug!(client = %client.address(), "closing a connection whose client gives up its requests");
            codec.shut_down();
            let _told = Pin::new(&mut *codec).poll(cx);
            return Poll::Ready(End::Cut);
        }
        let draining = stage.get() == Stage::Draining;
        if !told && (draining || client.is_leaving()) {
            let last_call = last_call.get_or_insert_with(|| Box::pin(sleep(LAST_CALL)));
            if client.phases.is_answering() || last_call.as_mut().poll(cx).is_ready() {
                told = true;
                codec.shut_down();
                if let Poll::Ready(result) = Pin::new(&mut *codec).poll(cx) {
                    return Poll::Ready(End::Done(result));
                }
            }
        }
        if client.phases.is_answering() && reset(cx).is_ready() {
            return Poll::Ready(End::Reset);
        }
        poll_expired(client, &mut timer, cx).map(|()| End::Expired)
    })
    .await
}

/// Ready when the connection has to end because of what does not happen.
pub(super) fn poll_expired(client: &Client, timer: &mut Timer, cx: &mut Context<'_>) -> Poll<()> {
    match client.phases.deadline() {
        Some(deadline) => timer.poll(Instant::from_std(deadline), cx),
        None => Poll::Pending,
    }
}

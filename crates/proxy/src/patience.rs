//! Waiting for a peer, up to a limit.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// A limit of the settings, where zero means none.
pub(crate) fn limit(setting: Duration) -> Option<Duration> {
    (!setting.is_zero()).then_some(setting)
}

/// A timer that is set anew only when its deadline comes nearer than it is set to; when it fires too early, it
/// is set to what is left. A deadline that moves on with every byte costs nothing this way.
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Ready when `deadline` is over.
    pub(crate) fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < sleep.deadline() {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

/// One wait after the other for the same peer. Costs nothing while the peer does not keep anybody waiting.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    since: Option<Instant>,
    timer: Timer,
}

impl Patience {
    /// Ready when the peer has let us wait for `limit`; the wait begins with the first call.
    pub(crate) fn poll(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        // A limit that no clock can show is none.
        let Some(deadline) = since.checked_add(limit) else {
            return Poll::Pending;
        };
        self.timer.poll(deadline, cx)
    }

    /// Ends the wait, if there was one. Gives its length.
    pub(crate) fn end(&mut self) -> Duration {
        self.since.take().map_or(Duration::ZERO, |since| since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_the_whole_limit() {
        let mut patience = Patience::default();
        for _ in 0..3 {
            let polled = timeout(LIMIT / 2, poll_fn(|cx| patience.poll(LIMIT, cx))).await;
            assert!(polled.is_err());
            assert_eq!(patience.end(), LIMIT / 2);
            advance(LIMIT).await;
        }
        let begin = Instant::now();
        poll_fn(|cx| patience.poll(LIMIT, cx)).await;
        assert_eq!(begin.elapsed().as_secs(), LIMIT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_comes_nearer_is_kept() {
        let mut patience = Patience::default();
        let first = timeout(Duration::ZERO, poll_fn(|cx| patience.poll(LIMIT, cx))).await;
        assert!(first.is_err());
        patience.end();
        let begin = Instant::now();
        poll_fn(|cx| patience.poll(LIMIT / 5, cx)).await;
        assert!(begin.elapsed() < LIMIT / 4);
    }
}

//! A server that leaves: what it has may go on for a while.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::sleep};

use super::clock::Moment;

/// Whether a server leaves, and when that is over.
#[derive(Debug, Default)]
pub(super) struct Departure {
    /// Since when it leaves; 0 while it stays.
    since: AtomicU64,
    /// When its connections end; 0 while it stays.
    deadline: AtomicU64,
    /// Nobody is to come back to it any more. Written by workers and probes, too.
    is_deserted: AtomicBool,
    changed: Notify,
}

impl Departure {
    /// It leaves, if it did not before; connections may go on for `limit` from then on, and without end if that is 0.
    pub(super) fn leave(&self, now: Instant, limit: Duration) {
        let since = match self.since.load(Ordering::Relaxed) {
            0 => Moment::of(now),
            since => Moment(since),
        };
        let deadline = match limit.is_zero() {
            true => Moment::NEVER,
            false => since.after(limit),
        };
        self.set(since, deadline);
    }

    /// It is here to stay, also if it was leaving.
    pub(super) fn stay(&self) {
        self.is_deserted.store(false, Ordering::Relaxed);
        self.set(Moment(0), Moment(0));
    }

    fn set(&self, since: Moment, deadline: Moment) {
        self.since.store(since.0, Ordering::Relaxed);
        if self.deadline.swap(deadline.0, Ordering::SeqCst) != deadline.0 {
            self.changed.notify_waiters();
        }
    }

    /// If it leaves, clients are not to come back to it from now on. What it has may go on.
    pub(super) fn desert(&self) {
        if self.has_begun() {
            self.is_deserted.store(true, Ordering::Relaxed);
        }
    }

    /// True if clients are not to come back to it, though it may have time left.
    pub(super) fn is_deserted(&self) -> bool {
        self.is_deserted.load(Ordering::Relaxed)
    }

    /// True while it leaves, and after that.
    pub(super) fn has_begun(&self) -> bool {
        self.since.load(Ordering::Relaxed) != 0
    }

    fn deadline(&self) -> Option<Moment> {
        let deadline = Moment(self.deadline.load(Ordering::Relaxed));
        (deadline.0 != 0 && deadline != Moment::NEVER).then_some(deadline)
    }

    /// True once its connections have to end. One relaxed load while it stays.
    pub(super) fn is_over(&self) -> bool {
        self.deadline()
            .is_some_and(|deadline| deadline <= Moment::of(Instant::now()))
    }

    /// Ends when its connections have to.
    pub(super) async fn over(&self) {
        loop {
            let mut changed = pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            let Some(deadline) = self.deadline() else {
                changed.await;
                continue;
            };
            let now = Moment::of(Instant::now());
            if deadline <= now {
                return;
            }
            tokio::select! {
                () = changed => {}
                () = sleep(deadline.since(now)) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        task::{Context, Waker},
    };

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn it_is_over_once_the_limit_has_passed_since_the_beginning() {
        let departure = Departure::default();
        assert!(!departure.is_over());
        departure.leave(Instant::now(), LIMIT);
        assert!(!departure.is_over());
        departure.leave(Instant::now(), Duration::from_millis(1));
        while !departure.is_over() {
            std::thread::yield_now();
        }
        departure.leave(Instant::now(), Duration::ZERO);
        assert!(!departure.is_over(), "without a limit it is never over");
        departure.leave(Instant::now(), Duration::from_millis(1));
        assert!(departure.is_over(), "it still is the same departure");
        departure.stay();
        assert!(!departure.is_over());
        departure.leave(Instant::now(), LIMIT);
        assert!(!departure.is_over(), "a new departure has its own time");
    }

    #[tokio::test]
    async fn those_who_wait_hear_of_a_departure_that_begins_later() {
        let departure = Departure::default();
        let mut over = pin!(departure.over());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(over.as_mut().poll(&mut cx).is_pending());
        departure.leave(Instant::now(), Duration::from_millis(5));
        tokio::time::timeout(LIMIT, over)
            .await
            .expect("it is over within its limit");
    }
}

//! The streams of one connection. They run within its task: a stream that is woken has its turn together with the codec,
//! and what all of them answer goes out at once. One whose client leaves the answer where it is for too long ends;
//! others go on.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};

use super::alarm::Alarm;
use crate::{
    entrypoint::Client,
    patience::{Patience, limit},
};

/// How often it is looked for streams that can go on, in one turn of their connection.
const ROUNDS: usize = 3;

/// How a client takes one answer.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::entrypoint) struct Taking {
    /// Parts so far.
    parts: u64,
    /// The newest waits.
    waits: bool,
}

impl Taking {
    /// One part more waits for the client.
    pub(in crate::entrypoint) fn waits(self) -> Self {
        Self {
            parts: self.parts + 1,
            waits: true,
        }
    }

    /// The client has taken what there was.
    pub(in crate::entrypoint) fn took(self) -> Self {
        Self { waits: false, ..self }
    }
}

/// Hands streams from the codec to the connection.
#[derive(Clone)]
pub(in crate::entrypoint) struct Starter(Rc<Starting>);

/// What streams begin with, and those that have not run yet.
struct Starting {
    client: Rc<Client>,
    /// The longest wait for the client.
    limit: Option<Duration>,
    new: RefCell<Vec<Stream>>,
    /// Those that ran in this turn have to wait for the next: what they have said goes out first, or the end of an answer
    /// that breaks off would take its head along.
    turn: Cell<u64>,
}

impl<F> hyper::rt::Executor<F> for Starter
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, work: F) {
        self.0.new.borrow_mut().push(Stream {
            work: Box::pin(work),
            shared: self.0.clone(),
            turn: 0,
            taking: Taking::default(),
            patience: Patience::default(),
        });
    }
}

/// The streams of one connection.
pub(super) struct Streams {
    starting: Rc<Starting>,
    running: FuturesUnordered<Stream>,
    alarm: Alarm,
}

impl Streams {
    /// None yet, of `client`.
    pub(super) fn new(client: Rc<Client>) -> Self {
        let limit = limit(client.settings().transport.responding_timeouts.write_timeout);
        Self {
            starting: Rc::new(Starting {
                client,
                limit,
                new: RefCell::default(),
                turn: Cell::new(0),
            }),
            running: FuturesUnordered::new(),
            alarm: Alarm::new(),
        }
    }

    /// What the codec starts streams with.
    pub(super) fn starter(&self) -> Starter {
        Starter(self.starting.clone())
    }

    /// True when some have never run.
    pub(super) fn has_new(&self) -> bool {
        !self.starting.new.borrow().is_empty()
    }

    /// Runs those that are new, and those that were woken.
    pub(super) fn run(&mut self, cx: &mut Context<'_>) {
        self.starting.turn.set(self.starting.turn.get() + 1);
        for _ in 0..ROUNDS {
            self.alarm.hold();
            self.run_once(cx);
            if !self.alarm.release() {
                return;
            }
        }
        cx.waker().wake_by_ref();
    }

    fn run_once(&mut self, cx: &Context<'_>) {
        let mut cx = self.alarm.of(cx);
        loop {
            self.running.extend(self.starting.new.borrow_mut().drain(..));
            let none_ended = !matches!(self.running.poll_next_unpin(&mut cx), Poll::Ready(Some(())));
            if none_ended && self.starting.new.borrow().is_empty() {
                return;
            }
        }
    }
}

impl Drop for Streams {
    /// Streams hold what they begin with, which holds those that never ran.
    fn drop(&mut self) {
        drop(self.starting.new.take());
    }
}

/// One stream. Ends with its work, or once a part of its answer has waited for too long.
struct Stream {
    work: Pin<Box<dyn Future<Output = ()>>>,
    shared: Rc<Starting>,
    /// The newest in which it ran.
    turn: u64,
    taking: Taking,
    patience: Patience,
}

impl Stream {
    /// Lets the work go on. If its code panics, it ends alone.
    fn work(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.client.taking.set(self.taking);
        let polled = catch_unwind(AssertUnwindSafe(|| self.work.as_mut().poll(cx)));
        self.taking = self.shared.client.taking.take();
        polled.unwrap_or_else(|_| {
            tracing::error!("an answer was ended by a panic");
            Poll::Ready(())
        })
    }
}

impl Future for Stream {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let turn = self.shared.turn.get();
        if std::mem::replace(&mut self.turn, turn) == turn {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let parts = self.taking.parts;
        if self.work(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(limit) = self.shared.limit else {
            return Poll::Pending;
        };
        if !self.taking.waits {
            self.patience.end();
            return Poll::Pending;
        }
        if parts != self.taking.parts {
            self.patience.end();
        }
        ready!(self.patience.poll(limit, cx));
        // A client that takes nothing at all has the limit of its connection; a slow one takes its answers in turn.
        if self.shared.client.phases.is_blocked() {
            self.patience.end();
            return self.patience.poll(limit, cx);
        }
        tracing::debug!("giving up an answer that its client does not take");
        Poll::Ready(())
    }
}

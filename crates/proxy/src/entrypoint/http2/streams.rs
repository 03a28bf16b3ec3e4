//! The tasks of the streams of HTTP/2. One whose client leaves the answer where it is for too long ends, and with it the
//! stream and the connection to the server; other streams go on.

use std::{
    cell::{Cell, OnceCell},
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    task::{Poll, ready},
    time::Duration,
};

use crate::{entrypoint::Phases, local_tasks::LocalTasks, patience::Patience};

tokio::task_local! {
    /// That of the stream whose task is running.
    static TAKING: Rc<Taking>;
}

/// Runs streams, each as long as its client takes what there is of the answer.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    pub(super) tasks: LocalTasks,
    /// The longest wait for a client.
    pub(super) limit: Option<Duration>,
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, stream: F) {
        match self.limit {
            None => self.tasks.execute(stream),
            Some(limit) => {
                let taking = Rc::<Taking>::default();
                let limited = limited(stream, taking.clone(), limit);
                self.tasks.execute(TAKING.scope(taking, limited));
            }
        }
    }
}

/// How a client takes one answer.
#[derive(Debug, Default)]
struct Taking {
    /// Parts so far.
    parts: Cell<u64>,
    /// The newest waits.
    waits: Cell<bool>,
    connection: OnceCell<Rc<Phases>>,
}

/// One part more of the running stream's answer waits for its client, whose connection is followed by `connection`.
pub(in crate::entrypoint) fn waits(connection: &Rc<Phases>) {
    let _no_stream = TAKING.try_with(|taking| {
        taking.parts.set(taking.parts.get() + 1);
        taking.waits.set(true);
        taking.connection.get_or_init(|| connection.clone());
    });
}

/// The client of the running stream has taken what there was.
pub(in crate::entrypoint) fn took() {
    let _no_stream = TAKING.try_with(|taking| taking.waits.set(false));
}

/// Ends with `stream`, or once a part of its answer has waited for `limit`.
async fn limited(stream: impl Future, taking: Rc<Taking>, limit: Duration) {
    let mut stream = pin!(stream);
    let mut patience = Patience::default();
    let mut part = 0;
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if !taking.waits.get() {
            patience.end();
            return Poll::Pending;
        }
        if part != taking.parts.get() {
            part = taking.parts.get();
            patience.end();
        }
        ready!(patience.poll(limit, cx));
        // A client that takes nothing at all has the limit of its connection; a slow one takes its answers in turn.
        if taking
            .connection
            .get()
            .is_some_and(|connection| connection.is_blocked())
        {
            patience.end();
            return patience.poll(limit, cx);
        }
        tracing::debug!("giving up an answer that its client does not take");
        Poll::Ready(())
    })
    .await;
}

//! How far a body has come on its way from client to server, and what was taken of it.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body::Frame;

use super::{UploadError, kept::Keeping};
use crate::{entrypoint::Incoming, patience::Timer};

/// How far a body has come. Seen by the request while the connection to the server has the body.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    /// Where it comes from, until nobody takes it.
    pub(super) incoming: RefCell<Option<Incoming>>,
    pub(super) bytes: Cell<u64>,
    finished: Cell<Option<Instant>>,
    /// It is the client that is waited for.
    pub(super) waits: Cell<bool>,
    pub(super) error: Cell<Option<UploadError>>,
    watcher: RefCell<Option<Waker>>,
    /// How often it was called back: who took its bytes before gets no more of them.
    pub(super) recalls: Cell<u32>,
    /// What was taken of it, as long as it may be called back.
    pub(super) noted: RefCell<Option<Box<Noted>>>,
    /// Whoever took its bytes does not want them any more, and it may be called back.
    pub(super) returned: Cell<bool>,
}

/// What was taken of a body.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) keeping: Keeping,
    /// Most bytes that are kept of it.
    pub(super) limit: u64,
}

impl Upload {
    /// Nothing yet of `incoming`.
    pub(super) fn of(incoming: Incoming) -> Self {
        Self {
            incoming: RefCell::new(Some(incoming)),
            ..Self::default()
        }
    }

    /// Bytes received so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// When the last byte was taken.
    pub(crate) fn finished(&self) -> Option<Instant> {
        self.finished.get()
    }

    /// The last byte was taken.
    pub(crate) fn finish(&self) {
        self.finished.set(Some(Instant::now()));
        if let Some(watcher) = self.watcher.take() {
            watcher.wake();
        }
    }

    /// True as long as somebody takes its bytes.
    pub(crate) fn is_wanted(&self) -> bool {
        self.incoming.borrow().is_some()
    }

    /// True while more of it is to come, and wanted.
    pub(crate) fn goes_on(&self) -> bool {
        self.finished().is_none() && self.is_wanted()
    }

    /// True while somebody wants more of it, and the client does not send it.
    pub(crate) fn waits_for_client(&self) -> bool {
        self.goes_on() && self.waits.get()
    }

    /// Nobody takes the rest.
    pub(super) fn give_up(&self) {
        drop(self.incoming.take());
        if let Some(watcher) = self.watcher.take() {
            watcher.wake();
        }
    }

    /// A part of it was taken.
    pub(super) fn note(&self, frame: &Frame<Bytes>) {
        let mut noted = self.noted.borrow_mut();
        noted.take_if(|noted| !noted.push(frame));
    }

    /// It is not called back any more.
    pub(super) fn settle(&self) {
        self.noted.take();
        if self.returned.replace(false) {
            self.give_up();
        }
    }

    /// Ready when it is over. It is given up when its client was kept waiting for `limit`, or up to twice that: with
    /// whom requests share a connection nobody else can tell.
    pub(crate) async fn limited(self: Rc<Self>, limit: Duration) {
        let mut timer = Timer::default();
        let (mut since, mut seen) = (tokio::time::Instant::now(), self.bytes());
        poll_fn(|cx| {
            while self.goes_on() {
                self.watcher.replace(Some(cx.waker().clone()));
                // A limit that no clock can show is none.
                let Some(deadline) = since.checked_add(limit) else {
                    return Poll::Pending;
                };
                ready!(timer.poll(deadline, cx));
                if self.bytes() == seen && !self.waits.get() {
                    self.give_up();
                }
                (since, seen) = (tokio::time::Instant::now(), self.bytes());
            }
            Poll::Ready(())
        })
        .await;
    }

    /// What is wrong with it.
    pub(crate) fn error(&self) -> Option<UploadError> {
        self.error.get()
    }
}

impl Noted {
    /// False once it is too long, or has no room.
    fn push(&mut self, frame: &Frame<Bytes>) -> bool {
        if let Some(trailers) = frame.trailers_ref() {
            self.keeping.end(trailers.clone());
        }
        let Some(data) = frame.data_ref() else { return true };
        self.keeping.length() + data.len() as u64 <= self.limit && self.keeping.push(data)
    }
}

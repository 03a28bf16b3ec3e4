//! HTTP/1.1 with servers.
//!
//! One connection carries one request and its answer at a time, and the request's own task writes and reads it:
//! no task, channel or timer belongs to a connection. Only what is left of a request when its answer has begun
//! is written by a task of its own.

mod answer_head;
mod connection;
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod outgoing;
mod request_head;

use std::{
    cell::RefCell,
    fmt,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use mesh_config::model::ForwardingTimeouts;
use tokio_util::task::TaskTracker;

pub(crate) use error::AnswerError;
pub(crate) use request_head::RequestHead;

use self::connection::Connection;
use super::{RequestBody, UploadError, server_wire::ServerWire};

/// A connection that has switched to another protocol.
#[derive(Debug)]
pub(crate) struct Switched {
    /// What carries it.
    pub(crate) wire: ServerWire,
    /// What came over it already.
    pub(crate) early: Bytes,
}

/// A connection to a server. Dropping it closes it, unless it was let go.
pub(crate) struct Http1 {
    connection: Rc<RefCell<Connection>>,
    tasks: TaskTracker,
}

impl Http1 {
    /// Speaks HTTP/1.1 over `wire`; waits within `limits` for the server to take bytes of a request. What is left of
    /// one is sent by `tasks`.
    pub(crate) fn new(wire: ServerWire, limits: &ForwardingTimeouts, tasks: TaskTracker) -> Self {
        Self {
            connection: Rc::new(RefCell::new(Connection::new(wire, limits))),
            tasks,
        }
    }

    /// True while it is idle and the server keeps it open.
    pub(crate) fn is_open(&self) -> bool {
        self.connection.borrow_mut().is_quiet()
    }

    /// Sends a request and waits for the head of its answer. The `body` stays where it is when not a byte of the
    /// request was sent ([`AnswerError::Unsent`]).
    ///
    /// # Errors
    /// When there is no answer; nothing more can be done with the connection then.
    pub(crate) async fn exchange(
        &self,
        head: RequestHead<'_>,
        body: &mut RequestBody,
    ) -> Result<Response<()>, AnswerError> {
        {
            let mut connection = self.connection.borrow_mut();
            let is_repeatable = body.is_empty() && head.method.is_idempotent();
            // What cannot be sent again is worth a question to the system.
            if !is_repeatable && !connection.is_quiet_now() {
                return Err(AnswerError::Unsent);
            }
            connection.begin(&head, body);
        }
        let response = poll_fn(|cx| self.connection.borrow_mut().poll_exchange(body, cx)).await?;
        if !self.connection.borrow().is_sent() {
            self.send_rest(std::mem::take(body));
        }
        Ok(response)
    }

    /// Sends what is left of a request while its answer is read.
    fn send_rest(&self, mut body: RequestBody) {
        let connection = self.connection.clone();
        connection.borrow_mut().begin_sending();
        let rest = poll_fn(move |cx| {
            let mut connection = connection.borrow_mut();
            if connection.abandoned {
                return Poll::Ready(());
            }
            connection.writer = Some(cx.waker().clone());
            let Poll::Ready(sent) = connection.poll_send(&mut body, cx) else {
                return Poll::Pending;
            };
            connection.end_sending(sent.err());
            Poll::Ready(())
        });
        self.tasks.spawn_local(rest);
    }

    /// The next part of the answer's body.
    pub(crate) fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        self.connection.borrow_mut().poll_frame(cx)
    }

    /// How much of the answer's body is still to come.
    pub(crate) fn size_hint(&self) -> SizeHint {
        self.connection.borrow().size_hint()
    }

    /// True when all of the answer was read.
    pub(crate) fn is_over(&self) -> bool {
        self.connection.borrow().is_over()
    }

    /// True when it takes another request.
    pub(crate) fn is_free(&self) -> bool {
        self.connection.borrow().is_free()
    }

    /// True while what is left of the request is sent, although its answer may be complete.
    pub(crate) fn is_sending(&self) -> bool {
        self.connection.borrow().sending
    }

    /// Waits until all of the request is sent, or cannot be.
    pub(crate) async fn sent(&self) {
        poll_fn(|cx| self.connection.borrow_mut().poll_sent(cx)).await;
    }

    /// Gives back the memory that it has no use for while it is idle.
    pub(crate) fn rest(&self) {
        self.connection.borrow_mut().rest();
    }

    /// The connection after it has switched to another protocol; `None` while the request is still being sent.
    pub(crate) fn into_switched(self) -> Option<Switched> {
        let connection = Rc::clone(&self.connection);
        drop(self);
        Rc::into_inner(connection).map(|connection| connection.into_inner().into_switched())
    }
}

impl Drop for Http1 {
    fn drop(&mut self) {
        let mut connection = self.connection.borrow_mut();
        connection.abandoned = connection.sending;
        if let Some(writer) = connection.writer.take() {
            writer.wake();
        }
    }
}

impl fmt::Debug for Http1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1").finish_non_exhaustive()
    }
}

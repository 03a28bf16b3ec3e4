//! Sends requests over one connection, whatever is spoken there.

use std::{cell::Cell, future::Future, rc::Rc};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http2},
};

use super::{Http1, RequestBody};

/// The sending end of a connection.
#[derive(Debug)]
pub(crate) enum Sender {
    /// HTTP/1.1: one request after the other.
    One(Http1),
    /// HTTP/2: requests share it.
    Shared(Share),
}

/// One request's part of a shared connection.
#[derive(Debug)]
pub(crate) struct Share {
    sender: http2::SendRequest<RequestBody>,
    usage: Rc<Usage>,
}

/// How a shared connection is used.
#[derive(Debug)]
pub(super) struct Usage {
    /// Requests on it.
    pub(super) open: Cell<usize>,
    /// How many the server allows, as far as it is known.
    pub(super) allowed: Cell<usize>,
    /// The server takes no further ones.
    pub(super) over: Cell<bool>,
}

impl Share {
    /// One more request on the connection of `sender`, counted by `usage`.
    pub(super) fn new(sender: http2::SendRequest<RequestBody>, usage: Rc<Usage>) -> Self {
        usage.open.set(usage.open.get() + 1);
        Self { sender, usage }
    }
}

impl Share {
    /// Waits until the connection takes a request.
    pub(crate) async fn ready(&mut self) -> hyper::Result<()> {
        self.sender.ready().await
    }

    /// Sends a request; gives it back when not a byte of it was sent.
    pub(crate) fn try_send(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> {
        self.sender.try_send_request(request)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let open = &self.usage.open;
        open.set(open.get().saturating_sub(1));
    }
}

impl Sender {
    /// The connection, if it carries one request after the other.
    pub(crate) fn one(&self) -> Option<&Http1> {
        match self {
            Self::One(connection) => Some(connection),
            Self::Shared(_) => None,
        }
    }

    /// The connection takes no further requests; those on it may still come to their end.
    pub(crate) fn give_up(&self) {
        if let Self::Shared(share) = self {
            share.usage.over.set(true);
        }
    }
}

//! Over HTTP/2.

use std::error::Error as _;

use http::{Request, Response};
use hyper::{body::Incoming, client::conn::TrySendError};

use super::{Call, ForwardError, in_time};
use crate::upstream::{Lease, RequestBody, Sender, Share};

/// Why there is no answer.
enum Broken {
    /// No byte was written; here it is again.
    Unsent(Box<Request<RequestBody>>),
    /// Some of it may have been.
    Sent(hyper::Error),
}

/// Sends `call` over `lease`, and waits for the head of its answer.
pub(super) async fn exchange(lease: &mut Lease, call: &mut Call) -> Result<Response<Incoming>, ForwardError> {
    let repeatable = call.is_repeatable();
    let upload = call.upload();
    let limit = call.head_limit(&lease.server);
    let recall = call.recall(&lease.server);
    let request = call.request(&lease.server);
    let Sender::Shared(share) = &mut lease.sender else {
        return Err(ForwardError::Unsent);
    };
    let error = match in_time(send(share, request), upload.as_deref(), limit).await {
        Some(Ok(response)) => return Ok(response),
        None => return Err(ForwardError::AnswerTimeout(lease.server.authority.clone())),
        Some(Err(Broken::Unsent(request))) => {
            lease.sender.give_up();
            call.restore(*request);
            return Err(ForwardError::closed(&lease.server, None, true));
        }
        Some(Err(Broken::Sent(error))) => error,
    };
    if let Some(error) = upload.as_ref().and_then(|upload| upload.error()) {
        return Err(ForwardError::Upload(error));
    }
    if ends_connection(&error) {
        lease.sender.give_up();
    }
    if is_untouched(&error) && call.take_back(recall) {
        return Err(ForwardError::closed(&lease.server, Some(error.into()), true));
    }
    call.lose();
    Err(ForwardError::closed(
        &lease.server,
        Some(error.into()),
        repeatable,
    ))
}

async fn send(share: &mut Share, request: Request<RequestBody>) -> Result<Response<Incoming>, Broken> {
    if share.ready().await.is_err() {
        return Err(Broken::Unsent(Box::new(request)));
    }
    let broken = |mut error: TrySendError<_>| match error.take_message() {
        Some(request) => Broken::Unsent(Box::new(request)),
        None => Broken::Sent(error.into_error()),
    };
    share.try_send(request).await.map_err(broken)
}

fn http2_cause(error: &hyper::Error) -> Option<&h2::Error> {
    error.source().and_then(|source| source.downcast_ref())
}

/// True when a server takes no further requests on the connection.
fn ends_connection(error: &hyper::Error) -> bool {
    http2_cause(error).is_none_or(h2::Error::is_go_away)
}

/// True when a server says that it has done nothing with a request (RFC 9113 8.7).
fn is_untouched(error: &hyper::Error) -> bool {
    http2_cause(error).is_some_and(|error| {
        let reason = error.reason();
        let in_order = error.is_go_away() && reason == Some(h2::Reason::NO_ERROR);
        error.is_remote() && (in_order || reason == Some(h2::Reason::REFUSED_STREAM))
    })
}

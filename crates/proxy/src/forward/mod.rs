//! Sends a request to a server and brings back its answer.
//!
//! The law of trying again: another server, or another connection, while no byte of the request was sent; after
//! that only when the connection ended before an answer began, and only what can be repeated without harm and
//! has no body, a few times. A POST runs at most once.

mod answer;
mod call;
mod error;
mod trail;

use std::{error::Error as _, io, rc::Rc, sync::Arc, time::Duration};

use http::Response;
use hyper::body::Incoming;
use mesh_telemetry::access_log::AccessLog;
use smallvec::SmallVec;
use tokio::time::{Instant, sleep_until};

pub(crate) use answer::{Answer, Source};
pub(crate) use call::{Call, name_authority};
pub(crate) use error::ForwardError;
pub(crate) use trail::Trail;

use crate::{
    service::{Server, ServerId, Service},
    upstream::{ConnectError, Lease, RequestBody, Sender, Upload, Upstreams},
};

/// Times that one request is offered to servers.
const MAX_OFFERS: usize = 3;

/// Forwards `call` to a server of `service`. The `trail` has what `log` needs, if there is one.
///
/// # Errors
/// When no server answered; what the client gets is in [`ForwardError::status`].
pub(crate) async fn forward(
    upstreams: &Rc<Upstreams>,
    service: &Service,
    mut call: Call,
    trail: &mut Trail,
    log: Option<&AccessLog>,
) -> Result<Answer, ForwardError> {
    let mut tried: SmallVec<[ServerId; MAX_OFFERS]> = SmallVec::new();
    let mut unreachable: SmallVec<[ServerId; MAX_OFFERS]> = SmallVec::new();
    let mut failure = None;
    while tried.len() < MAX_OFFERS {
        // Servers that only closed a connection may have another one for whoever found no other server.
        let pick = service.pick(&tried).or_else(|none| match unreachable == tried {
            true => Err(none),
            false => service.pick(&unreachable),
        });
        let pick = match pick {
            Ok(pick) => pick,
            Err(none) => return Err(failure.unwrap_or(ForwardError::NoServer(none))),
        };
        let (passed, answer) = call.meet(&pick.middlewares);
        trail.meet(pick.middlewares, passed);
        if let Some(answer) = answer {
            return Ok(answer.into());
        }
        match attempt(upstreams, &pick.server, &mut call, trail, log).await {
            Err(error) if error.is_retryable() => {
                tracing::debug!(server = %pick.server.authority, %error, "trying another server");
                tried.push(pick.server.id());
                if error.is_unreachable() {
                    unreachable.push(pick.server.id());
                }
                failure = Some(error);
            }
            outcome => return outcome,
        }
    }
    Err(failure.unwrap_or(ForwardError::Unsent))
}

/// Offers the call to one server.
async fn attempt(
    upstreams: &Rc<Upstreams>,
    server: &Arc<Server>,
    call: &mut Call,
    trail: &mut Trail,
    log: Option<&AccessLog>,
) -> Result<Answer, ForwardError> {
    let now = std::time::Instant::now();
    trail.ask(server, now);
    // One that was lost already takes its chance with no further connection that may be dead.
    if !call.was_lost()
        && let Some(lease) = upstreams.idle(server, call.websocket(), now)
    {
        match send(lease, call, trail, log).await {
            // The server closed the connection, most likely before it knew of this request.
            Err(ForwardError::Closed { again: true, .. }) => {}
            outcome => return outcome,
        }
    }
    let lease = Box::pin(connect(upstreams, server, call.websocket())).await?;
    send(lease, call, trail, log).await
}

async fn connect(
    upstreams: &Rc<Upstreams>,
    server: &Arc<Server>,
    only_http1: bool,
) -> Result<Lease, ForwardError> {
    upstreams
        .connect(server, only_http1)
        .await
        .map_err(|source| match source {
            ConnectError::Timeout(_) => ForwardError::ConnectTimeout {
                server: server.authority.clone(),
                source,
            },
            ConnectError::Io(_) | ConnectError::Codec(_) | ConnectError::Tls(_) => ForwardError::Connect {
                server: server.authority.clone(),
                source,
            },
        })
}

/// Sends the call over one connection.
async fn send(
    mut lease: Lease,
    call: &mut Call,
    trail: &mut Trail,
    log: Option<&AccessLog>,
) -> Result<Answer, ForwardError> {
    let in_flight = lease.server.state.begin();
    let repeatable = call.is_repeatable();
    let shared = lease.sender.is_shared();
    let request = call.request(&lease.server, repeatable || shared, shared);
    let upload = request.body().upload();
    let limit = lease.server.transport.forwarding_timeouts.response_header_timeout;
    match exchange(&mut lease.sender, request, upload.as_deref(), limit).await {
        Ok(response) => {
            trail.answered(&response, log);
            answer::accept(response, lease, in_flight, call.websocket())
        }
        Err(Broken::Timeout) => Err(ForwardError::AnswerTimeout(lease.server.authority.clone())),
        Err(Broken::Unsent(request)) => {
            lease.sender.give_up();
            call.restore(*request);
            Err(ForwardError::closed(&lease, None, true))
        }
        Err(Broken::Sent(error)) => match upload.as_ref().and_then(|upload| upload.error()) {
            Some(error) => Err(ForwardError::Upload(error)),
            None if error.is_parse() => Err(ForwardError::Answer {
                server: lease.server.authority.clone(),
                source: error,
            }),
            None if !repeatable && is_timeout(&error) => {
                Err(ForwardError::Stalled(lease.server.authority.clone()))
            }
            None if shared && upload.is_none() && is_untouched(&error) => {
                if ends_connection(&error) {
                    lease.sender.give_up();
                }
                Err(ForwardError::closed(&lease, Some(error), true))
            }
            None => {
                if shared && ends_connection(&error) {
                    lease.sender.give_up();
                }
                call.lose();
                Err(ForwardError::closed(&lease, Some(error), repeatable))
            }
        },
    }
}

fn http2_cause(error: &hyper::Error) -> Option<&h2::Error> {
    error.source().and_then(|source| source.downcast_ref())
}

/// True when a server of HTTP/2 takes no further requests on the connection.
fn ends_connection(error: &hyper::Error) -> bool {
    http2_cause(error).is_none_or(h2::Error::is_go_away)
}

/// True when a server of HTTP/2 says that it has done nothing with a request (RFC 9113 8.7).
fn is_untouched(error: &hyper::Error) -> bool {
    http2_cause(error).is_some_and(|error| {
        let reason = error.reason();
        let in_order = error.is_go_away() && reason == Some(h2::Reason::NO_ERROR);
        error.is_remote() && (in_order || reason == Some(h2::Reason::REFUSED_STREAM))
    })
}

/// True when a server took no bytes for too long.
fn is_timeout(error: &hyper::Error) -> bool {
    let cause = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>());
    cause.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// Why there is no answer.
enum Broken {
    /// No byte was written; here it is again.
    Unsent(Box<http::Request<RequestBody>>),
    /// Some of it may have been.
    Sent(hyper::Error),
    Timeout,
}

/// Sends a request and waits for the head of its answer: once the request is sent, `limit` at most.
async fn exchange(
    sender: &mut Sender,
    request: http::Request<RequestBody>,
    upload: Option<&Upload>,
    limit: Duration,
) -> Result<Response<Incoming>, Broken> {
    let broken = |mut error: hyper::client::conn::TrySendError<_>| match error.take_message() {
        Some(request) => Broken::Unsent(Box::new(request)),
        None => Broken::Sent(error.into_error()),
    };
    if sender.ready().await.is_err() {
        return Err(Broken::Unsent(Box::new(request)));
    }
    let sending = sender.try_send(request);
    if limit.is_zero() {
        return sending.await.map_err(broken);
    }
    tokio::pin!(sending);
    let mut deadline = Instant::now() + limit;
    loop {
        tokio::select! {
            biased;
            sent = &mut sending => return sent.map_err(broken),
            () = sleep_until(deadline) => deadline = match upload {
                None => return Err(Broken::Timeout),
                Some(upload) => match upload.finished().map(|at| Instant::from_std(at) + limit) {
                    Some(end) if end <= Instant::now() => return Err(Broken::Timeout),
                    Some(end) => end,
                    None => Instant::now() + limit,
                },
            },
        }
    }
}

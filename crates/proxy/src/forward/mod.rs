//! Sends a request to a server and brings back its answer.
//!
//! The law of trying again: another server, or another connection, while no byte of the request was sent; after
//! that only when the connection ended before an answer began, and only what can be repeated without harm and
//! has no body or one that was kept, a few times, and within the budget of its service. A POST runs at most once
//! unless its service says otherwise.

mod answer;
mod call;
mod copies;
mod course;
mod error;
mod led;
mod one;
mod shared;
mod trail;
mod tries;

use std::{
    future::Future,
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::LocalBoxFuture;
use http::{Response, request};
use mesh_telemetry::access_log::AccessLog;
use tokio::time::{self, sleep, sleep_until, timeout};

pub(crate) use answer::{Answer, Held, Source, Tunnel};
pub(crate) use call::{Call, name_authority};
pub(crate) use copies::let_go;
pub(crate) use error::ForwardError;
pub(crate) use trail::Trail;

use self::{course::Course, tries::Tries};
use crate::{
    entrypoint::Client,
    middleware::{End, Visit, lead},
    patience::limit,
    service::{Attempt, InFlight, Need, Outcome, Server, Service},
    upstream::{ConnectError, Lease, RequestBody, Sender, Upload, Upstreams},
};

/// Asks `service` on behalf of a middleware, without a body: a page, or a word on a request of `client`. Middlewares of
/// the service are met on the way. It is no part of what is counted and logged of the request.
pub(crate) async fn ask(
    client: &Rc<Client>,
    service: &Service,
    head: Box<request::Parts>,
    body: RequestBody,
) -> Answer {
    let mut trail = Trail::default();
    let mut visit = Visit::new(head, body, client.clone(), &mut trail);
    lead(&service.middlewares, &mut visit, &mut Asked(service)).await
}

/// A service that is asked on behalf of a middleware.
struct Asked<'s>(&'s Service);

impl End for Asked<'_> {
    fn reach<'a>(&'a mut self, visit: &'a mut Visit<'_>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            let (head, body) = visit.take();
            let mut call = Call::own(head, body, visit.client.clone());
            let upstreams = visit.client.upstreams();
            let outcome = forward(upstreams, self.0, &mut call, visit.trail, None).await;
            (visit.head, visit.body) = call.into_rest();
            let mut answer = outcome.unwrap_or_else(|error| visit.client.fail(error.into()));
            visit.trail.unwind(&mut answer.head);
            answer
        })
    }
}

/// Forwards `call` to a server of `service`. The `trail` has what `log` needs, if there is one.
///
/// # Errors
/// When no server answered; what the client gets is in [`ForwardError::status`].
pub(crate) async fn forward(
    upstreams: &Rc<Upstreams>,
    service: &Service,
    call: &mut Call,
    trail: &mut Trail,
    log: Option<&AccessLog>,
) -> Result<Answer, ForwardError> {
    forward_along(Course::default(), upstreams, service, call, trail, log).await
}

/// The same along a course, and along those that follow when an answer does not count.
async fn forward_along(
    mut course: Course,
    upstreams: &Rc<Upstreams>,
    service: &Service,
    call: &mut Call,
    trail: &mut Trail,
    log: Option<&AccessLog>,
) -> Result<Answer, ForwardError> {
    loop {
        let outcome = try_servers(&mut course, upstreams, service, call, trail, log).await;
        let Some(next) = course.after(&outcome, trail, upstreams) else {
            return outcome;
        };
        if let Ok(answer) = outcome {
            copies::let_go(answer, upstreams);
        }
        course = next;
    }
}

/// Offers the call to one server after the other.
async fn try_servers(
    course: &mut Course,
    upstreams: &Rc<Upstreams>,
    service: &Service,
    call: &mut Call,
    trail: &mut Trail,
    log: Option<&AccessLog>,
) -> Result<Answer, ForwardError> {
    let mut tries = Tries::default();
    loop {
        let mut now = Instant::now();
        let Some(pick) = tries.next(course.service(service), call, upstreams, now) else {
            return tries.outcome();
        };
        let mut pick = course.lead(pick);
        if let Some(pause) = tries.pause(&pick.server) {
            Box::pin(sleep(pause)).await;
            now = Instant::now();
        }
        course.forget_spares();
        if let Some(beside) = pick.beside.take() {
            Box::pin(course.prepare(*beside, &pick.middlewares, call)).await?;
            // What the client took to send its body is not the server's time.
            now = Instant::now();
        }
        if pick
            .middlewares
            .iter()
            .flat_map(|chain| chain.iter())
            .any(|it| it.is_around())
        {
            let cookies = std::mem::take(&mut pick.cookies);
            let led = Box::pin(led::attempt(upstreams, &pick, call, trail, log)).await;
            course.stopped(&pick.middlewares, led.passed);
            trail.meet(pick.middlewares, 0, cookies);
            if let Some(outcome) = tries.note_led(&pick.server, led, call) {
                return outcome;
            }
            continue;
        }
        let (passed, answer) = call.meet(&pick.middlewares);
        if answer.is_some() {
            course.stopped(&pick.middlewares, passed);
        }
        trail.meet(pick.middlewares, passed, pick.cookies);
        if let Some(answer) = answer {
            return Ok(answer.into());
        }
        let (outcome, repeatable) = attempt(upstreams, &pick.server, call, trail, log, now).await;
        if let Some(outcome) = tries.note(&pick.server, outcome, repeatable, call) {
            return outcome;
        }
    }
}

/// Offers the call to one server within the time that there is for it. What was sent is repeatable or not.
async fn attempt(
    upstreams: &Rc<Upstreams>,
    server: &Arc<Server>,
    call: &mut Call,
    trail: &mut Trail,
    log: Option<&AccessLog>,
    mut now: Instant,
) -> (Result<Answer, ForwardError>, bool) {
    call.offer_upgrade(server);
    if call.lacks_upgrade() {
        return (Err(ForwardError::NoUpgrade(server.service.clone())), false);
    }
    if call.accept(&server.terms, now) {
        if let Err(error) = Box::pin(call.keep_to_repeat(&server.terms)).await {
            return (Err(error), false);
        }
        now = Instant::now();
    }
    let repeatable = call.is_repeatable();
    let attempt = Attempt::begin(server, now);
    let hand = Hand::new(call, server);
    let outcome = match hand.limit(now) {
        None => Ok(offer(upstreams, server, call, trail, log, now).await),
        Some(limit) => {
            let offer = Box::pin(offer(upstreams, server, call, trail, log, now));
            Box::pin(hand.wait(offer, limit)).await
        }
    };
    let (outcome, seen) = match outcome {
        Ok(outcome) => {
            let seen = match &outcome {
                Ok(answer) => Outcome::Answered(answer.head.status),
                Err(error) => error.outcome(),
            };
            (outcome, seen)
        }
        Err(Late { limit, of_client }) => {
            let error = call.late(server, limit, repeatable);
            // It was the client that took its time.
            let seen = if of_client {
                Outcome::Abandoned
            } else {
                error.outcome()
            };
            (Err(error), seen)
        }
    };
    attempt.end(seen);
    (outcome, repeatable)
}

/// How long a server has for an answer to begin.
struct Hand {
    upload: Option<Rc<Upload>>,
    /// The end of the whole request.
    deadline: Option<Instant>,
    one: Option<Duration>,
}

/// No answer began in time.
struct Late {
    limit: Duration,
    /// It is the client that did not send its request in time.
    of_client: bool,
}

impl Hand {
    fn new(call: &Call, server: &Server) -> Self {
        Self {
            upload: call.upload(),
            deadline: call.deadline(),
            one: limit(server.terms.retry.per_try_timeout),
        }
    }

    /// How long may be waited from `now` on, if that is limited.
    fn limit(&self, now: Instant) -> Option<Duration> {
        let left = self
            .deadline
            .map(|deadline| deadline.saturating_duration_since(now));
        left.into_iter().chain(self.one).min()
    }

    /// Waits for `limit`, and again as long as it is the client that is waited for and the request has time.
    async fn wait<T>(
        &self,
        mut offer: impl Future<Output = T> + Unpin,
        mut limit: Duration,
    ) -> Result<T, Late> {
        loop {
            if let Ok(outcome) = timeout(limit, &mut offer).await {
                return Ok(outcome);
            }
            let now = Instant::now();
            let of_client = self
                .upload
                .as_ref()
                .is_some_and(|upload| upload.waits_for_client());
            if !of_client || self.deadline.is_some_and(|deadline| deadline <= now) {
                return Err(Late { limit, of_client });
            }
            limit = self.limit(now).unwrap_or(limit);
        }
    }
}

/// Offers the call to one server.
async fn offer(
    upstreams: &Rc<Upstreams>,
    server: &Arc<Server>,
    call: &mut Call,
    trail: &mut Trail,
    log: Option<&AccessLog>,
    now: Instant,
) -> Result<Answer, ForwardError> {
    trail.ask(server, now);
    let mut taken = None;
    // One that was lost already takes its chance with no further connection that may be dead.
    if !call.was_lost()
        && let Some(lease) = upstreams.idle(server, call.offered().is_some(), now)
    {
        match send(lease, server.state.begin(), call, trail, log).await {
            // The server closed the connection, most likely before it knew of this request.
            Err(error @ ForwardError::Closed { again: true, .. }) => {
                if call.was_lost() {
                    server.state.set_doubt(true);
                    taken = server.terms.take_retry(Need::Payment, now);
                    if taken.is_none() {
                        return Err(error);
                    }
                }
            }
            outcome => return outcome,
        }
    }
    // While it connects, too: a server that cannot be reached would else seem to be the least busy one.
    let in_flight = server.state.begin();
    call.begin_to_connect();
    let lease = Box::pin(connect(
        upstreams,
        server,
        call.offered().is_some(),
        limit(call.limits().connect),
    ))
    .await;
    call.end_to_connect();
    let outcome = match lease {
        Ok(lease) => send(lease, in_flight, call, trail, log).await,
        Err(error) => Err(error),
    };
    if let (Some(taken), Ok(_) | Err(ForwardError::Connect { .. })) = (taken, &outcome) {
        server.terms.give_back(taken);
    }
    outcome
}

async fn connect(
    upstreams: &Rc<Upstreams>,
    server: &Arc<Server>,
    only_http1: bool,
    limit: Option<Duration>,
) -> Result<Lease, ForwardError> {
    let connecting = upstreams.connect(server, only_http1);
    let connected = match limit {
        None => connecting.await,
        Some(limit) => match timeout(limit, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(ConnectError::Timeout(limit)),
        },
    };
    connected.map_err(|source| match source {
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
    in_flight: InFlight,
    call: &mut Call,
    trail: &mut Trail,
    log: Option<&AccessLog>,
) -> Result<Answer, ForwardError> {
    let (response, shared) = match &lease.sender {
        Sender::One(connection) => (one::exchange(connection, &lease.server, call).await?, None),
        Sender::Shared(_) => {
            let (head, body) = Box::pin(shared::exchange(&mut lease, call)).await?.into_parts();
            (Response::from_parts(head, ()), Some(body))
        }
    };
    trail.answered(&response, log);
    answer::accept(response, shared, lease, in_flight, call)
}

/// Waits for the head of an answer: once the request is sent, `limit` at most, unless it is zero.
async fn in_time<T>(sending: impl Future<Output = T>, upload: Option<&Upload>, limit: Duration) -> Option<T> {
    let mut sending = pin!(sending);
    if limit.is_zero() {
        return Some(sending.await);
    }
    let mut deadline = time::Instant::now() + limit;
    loop {
        tokio::select! {
            biased;
            sent = &mut sending => return Some(sent),
            () = sleep_until(deadline) => deadline = match upload {
                None => return None,
                Some(upload) => match upload.finished().map(|at| time::Instant::from_std(at) + limit) {
                    Some(end) if end <= time::Instant::now() => return None,
                    Some(end) => end,
                    None => time::Instant::now() + limit,
                },
            },
        }
    }
}

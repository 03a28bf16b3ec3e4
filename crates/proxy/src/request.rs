//! The path of one request.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Instant,
};

use futures::future::LocalBoxFuture;
use http::{Request, Response, header, request};

use crate::{
    entrypoint::{Client, Incoming},
    exchange::Exchange,
    forward::{Answer, Call, Trail, forward},
    middleware::{End, Visit, lead, meet, unwind},
    respond::{Failure, ResponseBody, panicked, respond},
    sanitize::{Peer, Rejection, Sanitized, resolve_encoded_slashes, sanitize_silently},
    service::Service,
    table::{RequestView, Route, RoutingTable, Target, canonical_host, routing_path},
    upstream::RequestBody,
};

/// Serves one request: sanitize, route, middlewares, service, server, respond.
async fn serve(client: Rc<Client>, request: Request<Incoming>) -> Response<ResponseBody> {
    let mut exchange = Box::new(Exchange::begin(client, &request));
    let (head, body) = request.into_parts();
    let mut head = Box::new(head);
    let outcome = async {
        exchange.admit()?;
        let mut sanitized = {
            let client = exchange.client();
            sanitize_silently(&mut head, client.peer(), client.settings())?
        };
        if sanitized.handshake.is_some() {
            exchange.asks_for_tunnel(head.extensions.remove());
        }
        let route = route(exchange.client(), &mut head, &mut sanitized)?;
        exchange.take(&route);
        if route.guard.is_some() && route.guard != exchange.client().guard() {
            return Err(Failure::Misdirected);
        }
        if route.has_around {
            return Ok(Box::pin(led(&route, head, body, sanitized, &mut exchange)).await);
        }
        let (passed, answer) = meet(&*route.middlewares, &mut head, exchange.client().peer());
        if let (Some(answer), Some(middleware)) = (&answer, route.middlewares.get(passed)) {
            middleware.count_answer(exchange.client(), answer);
        }
        let mut answer = match answer {
            Some(answer) => answer.into(),
            None => match &route.target {
                Target::Service(service) => {
                    let client = exchange.client().clone();
                    let body = RequestBody::new(body, client.settings());
                    exchange.receives(body.upload());
                    let mut call = Call::new(head, body, &sanitized, client);
                    call.limit(route.timeouts);
                    reach(service, &mut call, exchange.trail()).await
                }
                Target::Internal(service) => service.call(Request::from_parts(*head, ())).await.into(),
                Target::Unavailable { reason } => {
                    exchange.client().fail(Failure::Unavailable(reason.clone()))
                }
            },
        };
        unwind(route.middlewares.iter(), passed, &mut answer.head);
        Ok(answer)
    };
    let answer = outcome
        .await
        .unwrap_or_else(|failure: Failure| exchange.fail(failure));
    respond(answer, exchange)
}

/// Serves one request; if its code panics, it ends alone.
pub(crate) async fn serve_alone(client: Rc<Client>, request: Request<Incoming>) -> Response<ResponseBody> {
    // In its place from the start: what it becomes is large to move.
    let mut serving = pin!(serve(client, request));
    let served = poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| serving.as_mut().poll(cx)));
        match polled {
            Ok(polled) => polled.map(Some),
            Err(_) => Poll::Ready(None),
        }
    });
    served.await.unwrap_or_else(|| {
        tracing::error!("a request was ended by a panic");
        panicked()
    })
}

/// What rules see of a sanitized head.
pub(crate) fn with_view<R>(
    head: &request::Parts,
    peer: &Peer,
    look: impl FnOnce(&RequestView<'_>) -> R,
) -> R {
    let host = head
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    look(&RequestView {
        host: &canonical_host(host),
        path: &routing_path(head.uri.path()),
        query: head.uri.query(),
        method: &head.method,
        headers: &head.headers,
        peer: peer.ip,
        secure: peer.is_secure(),
    })
}

/// The route of a request; `None` when there is none.
pub(crate) fn found(
    table: &RoutingTable,
    entry_point: usize,
    head: &request::Parts,
    peer: &Peer,
) -> Result<Option<Arc<Route>>, Rejection> {
    with_view(head, peer, |view| {
        let found = table.route(entry_point, view);
        if let Some(resolved) = resolve_encoded_slashes(head.uri.path()) {
            let path = routing_path(&resolved);
            let other = table.route(entry_point, &RequestView { path: &path, ..*view });
            if found.map(Arc::as_ptr) != other.map(Arc::as_ptr) {
                return Err(Rejection::Ambiguous);
            }
        }
        Ok(found.cloned())
    })
}

/// The route of a request of `client`. What is said of the client is among its headers where rules, middlewares or
/// services may look for it.
fn route(
    client: &Client,
    head: &mut request::Parts,
    sanitized: &mut Sanitized,
) -> Result<Arc<Route>, Failure> {
    let table = client.table();
    if table.asks_who_came(client.entry_point()) {
        sanitized.introduce(head, client.peer(), client.settings());
    }
    let found = found(&table, client.entry_point(), head, client.peer())?;
    let route = found.ok_or(Failure::NoRoute)?;
    if !route.leads_straight() {
        sanitized.introduce(head, client.peer(), client.settings());
    }
    Ok(route)
}

/// Leads a request through middlewares that do more than look at heads.
async fn led(
    route: &Arc<Route>,
    head: Box<request::Parts>,
    body: Incoming,
    sanitized: Sanitized,
    exchange: &mut Exchange,
) -> Answer {
    let client = exchange.client().clone();
    let body = RequestBody::new(body, client.settings());
    exchange.receives(body.upload());
    let mut visit = Visit::new(head, body, client, exchange.trail());
    let mut behind = Behind {
        route: route.clone(),
        sanitized,
        is_asked: false,
        began: None,
    };
    lead(&route.middlewares, &mut visit, &mut behind).await
}

/// What is behind the middlewares of a route.
struct Behind {
    route: Arc<Route>,
    sanitized: Sanitized,
    is_asked: bool,
    /// When it was first: limits hold for all times together.
    began: Option<Instant>,
}

impl Behind {
    /// What answers. Who asks again wants to hear of servers that have come since then.
    fn target(&mut self, client: &Client) -> Target {
        let newest = std::mem::replace(&mut self.is_asked, true).then(|| client.table());
        let newest = newest.as_ref().and_then(|table| table.route_of(&self.route.name));
        newest.map_or(&self.route.target, |newest| &newest.target).clone()
    }
}

impl End for Behind {
    fn reach<'a>(&'a mut self, visit: &'a mut Visit<'_>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            let target = self.target(&visit.client);
            let service = match target {
                Target::Service(service) => service,
                Target::Internal(service) => {
                    let head = (*visit.head).clone();
                    return service.call(Request::from_parts(head, ())).await.into();
                }
                Target::Unavailable { reason } => return visit.client.fail(Failure::Unavailable(reason)),
            };
            let (head, body) = visit.take();
            let mut call = Call::new(head, body, &self.sanitized, visit.client.clone());
            call.limit(self.route.timeouts);
            call.go_on_since(self.began);
            let answer = reach(&service, &mut call, visit.trail).await;
            self.began = call.began();
            (visit.head, visit.body) = call.into_rest();
            answer
        })
    }

    fn detached(&self) -> Option<Box<dyn End>> {
        Some(Box::new(Self {
            route: self.route.clone(),
            sanitized: Sanitized {
                hop_by_hop: self.sanitized.hop_by_hop.clone(),
                ..Sanitized::default()
            },
            is_asked: false,
            began: None,
        }))
    }
}

/// Brings a call to its service; if no server answers, the answer says why.
async fn reach(service: &Service, call: &mut Call, trail: &mut Trail) -> Answer {
    let client = call.client().clone();
    let (upstreams, log) = (client.upstreams(), client.access_log());
    let outcome = forward(upstreams, service, call, trail, log).await;
    let mut answer = outcome.unwrap_or_else(|error| client.fail(error.into()));
    trail.unwind(&mut answer.head);
    answer
}

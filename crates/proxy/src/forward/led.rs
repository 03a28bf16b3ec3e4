//! An attempt behind middlewares of inner services that do more than look at heads.

use std::{rc::Rc, sync::Arc, time::Instant};

use futures::future::LocalBoxFuture;
use http::HeaderValue;
use mesh_telemetry::access_log::AccessLog;
use smallvec::SmallVec;

use super::{Answer, Call, Trail};
use crate::{
    middleware::{End, Visit, lead},
    service::{Pick, Server, ServerId, Service},
    upstream::Upstreams,
};

/// What came of it.
#[derive(Debug)]
pub(super) struct Led {
    /// The answer as the middlewares left it, that to a failure included.
    pub(super) answer: Answer,
    /// The last server that was asked.
    pub(super) server: Arc<Server>,
    /// What its choice tells the client to keep.
    pub(super) cookies: Vec<HeaderValue>,
    /// What was sent may be sent again.
    pub(super) repeatable: bool,
    /// Middlewares that let the call pass.
    pub(super) passed: usize,
}

/// Leads `call` through the middlewares of `pick`, which `service` made with these `cookies`, to its server. If they ask
/// again, another server of the same service is asked, where there is one.
pub(super) async fn attempt(
    upstreams: &Rc<Upstreams>,
    service: &Service,
    pick: &Pick,
    cookies: Vec<HeaderValue>,
    (call, trail, log): (&mut Call, &mut Trail, Option<&AccessLog>),
) -> Led {
    let steps = pick.middlewares.iter().flat_map(|chain| chain.iter());
    let steps: Vec<_> = steps.cloned().collect();
    let (mut visit, departed) = call.depart(trail);
    let mut behind = Behind {
        upstreams,
        service,
        server: pick.server.clone(),
        cookies,
        asked: SmallVec::new(),
        call,
        log,
        repeatable: false,
    };
    let answer = lead(&steps, &mut visit, &mut behind).await;
    let passed = visit.passed();
    let Behind {
        call,
        server,
        cookies,
        repeatable,
        ..
    } = behind;
    call.come_back(visit, departed);
    Led {
        answer,
        server,
        cookies,
        repeatable,
        passed,
    }
}

/// The server behind the middlewares.
struct Behind<'b> {
    upstreams: &'b Rc<Upstreams>,
    service: &'b Service,
    server: Arc<Server>,
    cookies: Vec<HeaderValue>,
    /// Servers that were asked in vain.
    asked: SmallVec<[ServerId; 3]>,
    call: &'b mut Call,
    log: Option<&'b AccessLog>,
    repeatable: bool,
}

impl Behind<'_> {
    /// The server for the next time: another one than before while there is one.
    fn turn(&mut self) {
        let balancer = self.service.balancer_of(&self.server.service);
        let next = balancer.and_then(|balancer| {
            let choose =
                |asked: &[ServerId]| balancer.choose(&self.call.asking(asked, false, Instant::now()));
            // All were asked: any but the last one, then.
            choose(&self.asked).or_else(|| choose(self.asked.as_slice().last_chunk::<1>()?))
        });
        let Some(next) = next else { return };
        self.server = next.server;
        for cookie in next.cookies {
            self.cookies
                .retain(|known| cookie_name(known) != cookie_name(&cookie));
            self.cookies.insert(0, cookie);
        }
    }
}

/// The name of the cookie that a `Set-Cookie` sets.
fn cookie_name(cookie: &HeaderValue) -> Option<&[u8]> {
    cookie.as_bytes().split(|byte| *byte == b'=').next()
}

impl End for Behind<'_> {
    fn reach<'a>(&'a mut self, visit: &'a mut Visit<'_>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            if !self.asked.is_empty() {
                self.turn();
            }
            self.asked.push(self.server.id());
            self.call.arrive(visit);
            let attempt = super::attempt(
                self.upstreams,
                &self.server,
                self.call,
                visit.trail,
                self.log,
                Instant::now(),
            );
            let (outcome, repeatable) = attempt.await;
            self.repeatable = repeatable;
            self.call.leave(visit);
            outcome.unwrap_or_else(|error| visit.client.fail(error.into()))
        })
    }
}

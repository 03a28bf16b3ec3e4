//! An attempt behind middlewares of inner services that do more than look at heads.

use std::{rc::Rc, sync::Arc, time::Instant};

use futures::future::LocalBoxFuture;
use mesh_telemetry::access_log::AccessLog;

use super::{Answer, Call, Trail};
use crate::{
    middleware::{End, Visit, lead},
    service::{Pick, Server},
    upstream::Upstreams,
};

/// What came of it.
#[derive(Debug)]
pub(super) struct Led {
    /// The answer as the middlewares left it, that to a failure included.
    pub(super) answer: Answer,
    /// What was sent may be sent again.
    pub(super) repeatable: bool,
    /// Middlewares that let the call pass.
    pub(super) passed: usize,
}

/// Leads `call` through the middlewares of `pick` to its server.
pub(super) async fn attempt(
    upstreams: &Rc<Upstreams>,
    pick: &Pick,
    call: &mut Call,
    trail: &mut Trail,
    log: Option<&AccessLog>,
) -> Led {
    let steps = pick.middlewares.iter().flat_map(|chain| chain.iter());
    let steps: Vec<_> = steps.cloned().collect();
    let (mut visit, departed) = call.depart(trail);
    let mut behind = Behind {
        upstreams,
        server: &pick.server,
        call,
        log,
        repeatable: false,
    };
    let answer = lead(&steps, &mut visit, &mut behind).await;
    let (repeatable, passed) = (behind.repeatable, visit.passed());
    call.come_back(visit, departed);
    Led {
        answer,
        repeatable,
        passed,
    }
}

/// The server behind the middlewares.
struct Behind<'b> {
    upstreams: &'b Rc<Upstreams>,
    server: &'b Arc<Server>,
    call: &'b mut Call,
    log: Option<&'b AccessLog>,
    repeatable: bool,
}

impl End for Behind<'_> {
    fn reach<'a>(&'a mut self, visit: &'a mut Visit<'_>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            self.call.arrive(visit);
            let attempt = super::attempt(
                self.upstreams,
                self.server,
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

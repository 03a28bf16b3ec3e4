//! The way of a request through middlewares, to what answers it, and back.

use std::{ops::ControlFlow, rc::Rc, sync::Arc};

use futures::future::LocalBoxFuture;
use http::{Request, request};

use super::{Middleware, Step, unwind};
use crate::{
    entrypoint::Client,
    forward::{Answer, Trail},
    upstream::RequestBody,
};

/// A request on its way through middlewares that may wait, look at its body, or send it more than once.
pub(crate) struct Visit<'v> {
    /// Its head, as the middlewares before left it. What comes back from [`Next::run`] is what the rest left of it: a
    /// middleware that needs it as it was keeps a copy.
    pub(crate) head: Box<request::Parts>,
    /// Its body, or what is left of it.
    pub(crate) body: RequestBody,
    /// The connection it came over.
    pub(crate) client: Rc<Client>,
    /// What is noted of it for those who count and log.
    pub(crate) trail: &'v mut Trail,
    /// Middlewares that let it pass.
    passed: usize,
}

impl<'v> Visit<'v> {
    pub(crate) fn new(
        head: Box<request::Parts>,
        body: RequestBody,
        client: Rc<Client>,
        trail: &'v mut Trail,
    ) -> Self {
        Self {
            head,
            body,
            client,
            trail,
            passed: 0,
        }
    }

    /// How many middlewares let it pass.
    pub(crate) fn passed(&self) -> usize {
        self.passed
    }

    /// Takes its head and body for whoever answers it.
    pub(crate) fn take(&mut self) -> (Box<request::Parts>, RequestBody) {
        let (nothing, ()) = Request::new(()).into_parts();
        let head = std::mem::replace(&mut self.head, Box::new(nothing));
        (head, std::mem::take(&mut self.body))
    }
}

/// What is behind the last middleware.
pub(crate) trait End {
    /// Answers the request. It may be asked again, if a middleware wants another answer.
    fn reach<'a>(&'a mut self, visit: &'a mut Visit<'_>) -> LocalBoxFuture<'a, Answer>;

    /// The same for a request of Mesh's own that may outlive this one; `None` where that makes no sense.
    fn detached(&self) -> Option<Box<dyn End>> {
        None
    }
}

/// What is behind a middleware.
pub(crate) struct Next<'n> {
    rest: &'n [Arc<Middleware>],
    end: &'n mut dyn End,
    before: usize,
}

impl Next<'_> {
    /// Leads a request on, and brings back its answer.
    pub(crate) async fn run(&mut self, visit: &mut Visit<'_>) -> Answer {
        lead_from(self.before, self.rest, visit, self.end).await
    }
}

impl Next<'_> {
    /// The same way for a request of Mesh's own that may outlive the one at hand; `None` where there is none.
    pub(crate) fn detached(&self) -> Option<Detached> {
        Some(Detached {
            rest: self.rest.to_vec(),
            end: self.end.detached()?,
        })
    }
}

/// What is behind a middleware, without the request that came there.
pub(crate) struct Detached {
    rest: Vec<Arc<Middleware>>,
    end: Box<dyn End>,
}

impl Detached {
    /// Leads a request without body on, on behalf of `client`. It is no part of what is counted and logged.
    pub(crate) async fn run(&mut self, head: Box<request::Parts>, client: Rc<Client>) -> Answer {
        let mut trail = Trail::default();
        let mut visit = Visit::new(head, RequestBody::default(), client, &mut trail);
        lead(&self.rest, &mut visit, &mut *self.end).await
    }
}

/// Leads a request through `middlewares` to `end`, and its answer back.
pub(crate) async fn lead(
    middlewares: &[Arc<Middleware>],
    visit: &mut Visit<'_>,
    end: &mut dyn End,
) -> Answer {
    lead_from(0, middlewares, visit, end).await
}

/// The same with so many middlewares `before`.
async fn lead_from(
    before: usize,
    middlewares: &[Arc<Middleware>],
    visit: &mut Visit<'_>,
    end: &mut dyn End,
) -> Answer {
    let mut ahead = middlewares.iter();
    let (passed, mut answer) = loop {
        let met = middlewares.len() - ahead.len();
        visit.passed = before + met;
        let Some(middleware) = ahead.next() else {
            break (met, end.reach(visit).await);
        };
        match &middleware.step {
            Step::Head(step) => {
                if let ControlFlow::Break(answer) = step.request(&mut visit.head, visit.client.peer()) {
                    middleware.count_answer(&visit.client, &answer);
                    break (met, answer.into());
                }
            }
            Step::Around(step) => {
                let rest = ahead.as_slice();
                let before = before + met + 1;
                let mut answer = step.call(visit, Next { rest, end, before }).await;
                middleware.count(&visit.client, answer.take_outcomes());
                break (met, answer);
            }
        }
    };
    unwind(middlewares.iter(), passed, &mut answer.head);
    answer
}

//! The way of a request through middlewares that look at heads only, and of its answer back.

use std::{ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use http::{Response, request, response};

use super::{Middleware, Step};
use crate::sanitize::Peer;

/// Leads a request through `middlewares` until one answers. Gives how many let it pass, and the answer. Those that
/// do more let it pass.
pub(crate) fn meet<'m>(
    middlewares: impl IntoIterator<Item = &'m Arc<Middleware>>,
    head: &mut request::Parts,
    peer: &Peer,
) -> (usize, Option<Response<Bytes>>) {
    let mut passed = 0;
    for middleware in middlewares {
        if let Step::Head(step) = &middleware.step
            && let ControlFlow::Break(answer) = step.request(head, peer)
        {
            return (passed, Some(answer));
        }
        passed += 1;
    }
    (passed, None)
}

/// Leads an answer back through those that let its request pass: the first `passed` of `middlewares`.
pub(crate) fn unwind<'m, I>(middlewares: I, passed: usize, head: &mut response::Parts)
where
    I: DoubleEndedIterator<Item = &'m Arc<Middleware>> + Clone,
{
    let never_met = middlewares.clone().count().saturating_sub(passed);
    for middleware in middlewares.rev().skip(never_met) {
        if let Step::Head(step) = &middleware.step {
            step.response(head);
        }
    }
}

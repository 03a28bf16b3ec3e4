//! The way of a request through middlewares, and of its answer back.

use std::{ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use http::{Response, request, response};

use super::Middleware;

/// Leads a request through `middlewares` until one answers. Gives how many let it pass, and the answer.
pub(crate) fn meet<'m>(
    middlewares: impl IntoIterator<Item = &'m Arc<Middleware>>,
    head: &mut request::Parts,
) -> (usize, Option<Response<Bytes>>) {
    let mut passed = 0;
    for middleware in middlewares {
        match middleware.step.request(head) {
            ControlFlow::Continue(()) => passed += 1,
            ControlFlow::Break(answer) => return (passed, Some(answer)),
        }
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
        middleware.step.response(head);
    }
}

//! Copies of requests, sent behind the client's back.

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::time::timeout;

use super::{Answer, Call, Trail, call::CopiedBody, course::Course, forward_along};
use crate::{
    middleware::Chain,
    service::{Copies, CopyOutcome, Mirror, MirroredBody},
    upstream::Upstreams,
};

/// How long a copy may take, with its answer.
const MAX_TIME: Duration = Duration::from_secs(60);

/// Bytes that are read of an answer that nobody wants, so that its connection can be used again.
const MAX_ANSWER: usize = 1024 * 1024;

/// A copy that is sent once its original is answered.
#[derive(Debug)]
pub(super) struct Waiting {
    to: Mirror,
    chains: Vec<Chain>,
    call: Call,
    body: CopiedBody,
}

impl Waiting {
    /// Copies of `call`, which passes `chains`.
    pub(super) fn of(copies: Vec<Copies>, chains: &[Chain], call: &mut Call) -> Vec<Self> {
        let mut waiting = Vec::new();
        for copies in copies {
            let passed = chains.get(..copies.chains).unwrap_or_default();
            let limit = match copies.body {
                MirroredBody::None => None,
                MirroredBody::UpTo(limit) => Some(limit),
            };
            for to in copies.to {
                let Some((call, body)) = call.copy(limit) else {
                    to.counts.count(CopyOutcome::Dropped);
                    continue;
                };
                let own = Some(&to.service.middlewares).filter(|own| !own.is_empty());
                waiting.push(Self {
                    chains: passed.iter().chain(own).cloned().collect(),
                    to,
                    call,
                    body,
                });
            }
        }
        waiting
    }

    /// Sends it, if not too many are under way.
    pub(super) fn send(self, upstreams: &Rc<Upstreams>) {
        let counts = self.to.counts.clone();
        let sending = sending(self, upstreams.clone());
        let counted = counts.clone();
        // In a box of no type: a copy may have copies of its own.
        let sending: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
            let outcome = timeout(MAX_TIME, sending).await;
            counted.count(outcome.unwrap_or(CopyOutcome::Failed));
        });
        if !upstreams.beside(sending) {
            counts.count(CopyOutcome::Dropped);
        }
    }
}

async fn sending(waiting: Waiting, upstreams: Rc<Upstreams>) -> CopyOutcome {
    let Waiting {
        to: Mirror { service, .. },
        chains,
        mut call,
        body,
    } = waiting;
    call.take_body(match body {
        CopiedBody::None => None,
        CopiedBody::Kept(kept) => Some(kept),
        CopiedBody::Coming(coming) => match coming.await {
            Ok(kept) => Some(kept),
            // It was too long, found no room, or was never whole.
            Err(_) => return CopyOutcome::Dropped,
        },
    });
    let course = Course::to(service.clone(), chains);
    let mut trail = Trail::default();
    match forward_along(course, &upstreams, &service, &mut call, &mut trail, None).await {
        Ok(answer) => {
            discard(answer, upstreams).await;
            CopyOutcome::Answered
        }
        Err(error) => {
            tracing::debug!(service = %service.label, %error, "a copy was not answered");
            CopyOutcome::Failed
        }
    }
}

/// Lets an answer go that nobody wants. What is short is read, so that its connection can be used again.
pub(crate) fn let_go(answer: Answer, upstreams: &Rc<Upstreams>) {
    let reading = discard(answer, upstreams.clone());
    // Where too many are read already, the connection ends.
    let _is_read = upstreams.beside(async {
        let _in_time = timeout(MAX_TIME, reading).await;
    });
}

/// Reads what nobody wants.
async fn discard(mut answer: Answer, upstreams: Rc<Upstreams>) {
    let body = &mut answer.body;
    let mut read = 0;
    while read <= MAX_ANSWER
        && let Some(Ok(frame)) = body.next().await
    {
        read += frame.data_ref().map_or(0, Bytes::len);
    }
    if let Some(lease) = body.take_free() {
        upstreams.put_back(lease, None, Instant::now());
    }
}

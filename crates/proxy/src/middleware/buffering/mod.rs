//! `buffering`: reads requests, and answers, to their end before they are passed on.

mod condition;

use std::{future::poll_fn, pin::Pin, rc::Rc, time::Instant};

use futures::future::LocalBoxFuture;
use http::{Method, StatusCode};
use http_body::Body as _;
use mesh_config::model;
use mesh_telemetry::metrics::Outcome;

use self::condition::{Condition, Seen, holds};
use super::{Around, Next, Visit, plain};
use crate::{
    forward::{Answer, ForwardError, Source, let_go},
    upstream::{Reading, RequestBody, StoreError, Stored, Storing},
};

/// How often a request is sent again at most, whatever an expression says.
const MAX_RETRIES: u32 = 10;

/// How much is read of bodies, and when a request is sent again.
#[derive(Debug)]
pub(super) struct Buffering {
    request: Limits,
    answer: Limits,
    again: Option<Condition>,
}

/// Limits of bodies, in bytes.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Of a whole body.
    most: Option<u64>,
    /// Of what is in memory.
    memory: u64,
}

/// Why a body is not stored.
#[derive(Debug)]
enum Unstored<E> {
    TooLong,
    Store(StoreError),
    /// It did not come to its end.
    Body(E),
}

impl Limits {
    fn new(most: u64, memory: u64, usual: u64) -> Self {
        Self {
            most: (most > 0).then_some(most),
            memory: if memory == 0 { usual } else { memory },
        }
    }

    fn exceeds(&self, length: u64) -> bool {
        self.most.is_some_and(|most| length > most)
    }
}

impl Buffering {
    pub(super) fn new(settings: &model::Buffering) -> Result<Self, String> {
        let usual = model::Buffering::default();
        let expression = settings.retry_expression.trim();
        let again = (!expression.is_empty())
            .then(|| Condition::parse(expression))
            .transpose()
            .map_err(|error| format!("retryExpression {expression:?} is no condition: {error}"))?;
        Ok(Self {
            request: Limits::new(
                settings.max_request_body_bytes,
                settings.mem_request_body_bytes,
                usual.mem_request_body_bytes,
            ),
            answer: Limits::new(
                settings.max_response_body_bytes,
                settings.mem_response_body_bytes,
                usual.mem_response_body_bytes,
            ),
            again,
        })
    }

    /// The body of a request, if it has one, or the answer to it.
    async fn request(&self, visit: &mut Visit<'_>) -> Result<Option<Rc<Stored>>, Answer> {
        if visit.body.is_empty() {
            return Ok(None);
        }
        let mut body = std::mem::take(&mut visit.body);
        let announced = body.size_hint().lower();
        let stored = store(self.request, announced, async || {
            poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await
        });
        stored.await.map(Some).map_err(|error| match error {
            Unstored::TooLong => Answer::from(plain(StatusCode::PAYLOAD_TOO_LARGE)).counted(Outcome::Body),
            Unstored::Store(error) => no_room(visit, &error),
            Unstored::Body(error) => visit.client.fail(ForwardError::Upload(error).into()),
        })
    }

    /// An answer with all of its body, or one that says what is wrong with it.
    async fn answer(&self, visit: &Visit<'_>, mut answer: Answer) -> Answer {
        if matches!(answer.body, Source::Local(_) | Source::Tunnel(_)) || answer.body.is_over() {
            return answer;
        }
        let announced = answer.body.size_hint().lower();
        let body = &mut answer.body;
        let stored = store(self.answer, announced, async || body.next().await).await;
        let mut failed = match stored {
            Ok(stored) => {
                if let Some(lease) = answer.body.take_free() {
                    visit.client.upstreams().put_back(lease, None, Instant::now());
                }
                answer.body = Source::Stored(Box::new(Reading::new(stored)));
                return answer;
            }
            Err(Unstored::TooLong) => visit.client.fail(ForwardError::AnswerTooLong.into()),
            Err(Unstored::Store(error)) => no_room(visit, &error),
            Err(Unstored::Body(error)) => visit.client.fail(ForwardError::Body(error).into()),
        };
        failed.stands_for(&mut answer);
        failed
    }

    /// True if what was answered by `status` is to be sent again.
    fn is_again(&self, attempts: u32, status: StatusCode, method: &Method) -> bool {
        let seen = Seen {
            attempts,
            status,
            method,
        };
        let again = self.again.as_ref().filter(|_| attempts <= MAX_RETRIES);
        again.is_some_and(|again| holds(again, seen))
    }
}

impl Around for Buffering {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            let body = match self.request(visit).await {
                Ok(body) => body,
                Err(answer) => return answer,
            };
            let head = self.again.is_some().then(|| visit.head.clone());
            let method = visit.head.method.clone();
            let mut attempts = 0;
            loop {
                attempts += 1;
                if let Some(body) = &body {
                    visit.body = RequestBody::stored(body.clone());
                }
                let mut answer = next.run(visit).await;
                let is_tunnel = matches!(answer.body, Source::Tunnel(_));
                let mut is_again = !is_tunnel && self.is_again(attempts, answer.head.status, &method);
                if !is_again {
                    answer = self.answer(visit, answer).await;
                    // It may have broken off.
                    is_again = !is_tunnel && self.is_again(attempts, answer.head.status, &method);
                }
                let Some(head) = head.as_ref().filter(|_| is_again) else {
                    return answer;
                };
                tracing::debug!(status = %answer.head.status, attempts, "sending again");
                let_go(answer, visit.client.upstreams());
                visit.head.clone_from(head);
            }
        })
    }
}

/// Reads a body to its end.
async fn store<E>(
    limits: Limits,
    announced: u64,
    mut next: impl AsyncFnMut() -> Option<Result<http_body::Frame<bytes::Bytes>, E>>,
) -> Result<Rc<Stored>, Unstored<E>> {
    if limits.exceeds(announced) {
        return Err(Unstored::TooLong);
    }
    let mut storing = Storing::new(limits.memory);
    while let Some(part) = next().await {
        let part = part.map_err(Unstored::Body)?;
        let length = part.data_ref().map_or(0, |data| data.len() as u64);
        if limits.exceeds(storing.length().saturating_add(length)) {
            return Err(Unstored::TooLong);
        }
        storing.push(part).await.map_err(Unstored::Store)?;
    }
    storing.whole().await.map_err(Unstored::Store)
}

/// The answer where a body finds no place.
fn no_room(visit: &Visit<'_>, error: &StoreError) -> Answer {
    tracing::warn!(%error, "cannot store a body");
    visit.client.fail(ForwardError::NoRoom.into())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use bytes::Bytes;
    use http_body::Frame;

    use super::*;

    fn buffering(settings: serde_json::Value) -> Result<Buffering, String> {
        let settings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
        Buffering::new(&settings)
    }

    #[tokio::test]
    async fn a_body_is_as_long_as_it_may_be_and_no_longer() {
        let limited = buffering(serde_json::json!({"maxRequestBodyBytes": 4})).unwrap();
        for (parts, announced, is_stored) in [
            (&["ab", "cd"][..], 0, true),
            (&["ab", "cde"], 0, false),
            (&[], 5, false),
            (&[], 4, true),
        ] {
            let mut parts: VecDeque<_> = parts.iter().copied().collect();
            let next = async || {
                let part = parts.pop_front()?;
                Some(Ok::<_, ()>(Frame::data(Bytes::from_static(part.as_bytes()))))
            };
            let stored = store(limited.request, announced, next).await;
            assert_eq!(stored.is_ok(), is_stored, "{announced}");
        }
        assert!(!limited.answer.exceeds(u64::MAX));
    }

    #[test]
    fn a_condition_that_always_holds_ends_after_ten_times() {
        let always = buffering(serde_json::json!({"retryExpression": "ResponseCode() > 0"})).unwrap();
        let sent = (1..)
            .find(|attempts| !always.is_again(*attempts, StatusCode::OK, &Method::GET))
            .unwrap();
        assert_eq!(sent, 11);
        let never = buffering(serde_json::json!({})).unwrap();
        assert!(!never.is_again(1, StatusCode::BAD_GATEWAY, &Method::GET));
    }

    #[test]
    fn settings_that_say_nothing_sensible_are_refused() {
        for (settings, reason) in [
            (
                serde_json::json!({"retryExpression": "IsNetworkError() &&"}),
                "character 20",
            ),
            (
                serde_json::json!({"retryExpression": "Foo() > 1"}),
                "there are Attempts",
            ),
            (serde_json::json!({"maxRequestBodyBytes": -1}), "-1"),
        ] {
            let error = buffering(settings).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}

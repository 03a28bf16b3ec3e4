//! `retry`: sends requests again that reached no server, or were answered by a status that does not count.

use std::time::{Duration, Instant};

use futures::future::LocalBoxFuture;
use http::Method;
use mesh_config::model;
use rand::Rng;
use tokio::time::sleep;

use super::{Around, InvalidMiddleware, Next, Visit};
use crate::{
    forward::{Answer, ForwardError, Source, let_go},
    patience::limit,
    upstream::{Keep, RequestBody},
};

/// When a request is sent again.
#[derive(Debug)]
pub(super) struct Retry {
    attempts: u32,
    initial_interval: Duration,
    timeout: Option<Duration>,
    statuses: model::StatusRanges,
    max_body: Option<u64>,
    on_network_error: bool,
    non_idempotent: bool,
}

impl Retry {
    pub(super) fn new(settings: &model::RetryMiddleware) -> Result<Self, InvalidMiddleware> {
        if settings.disable_retry_on_network_error && settings.status.is_empty() {
            return Err(InvalidMiddleware {
                key: "disableRetryOnNetworkError",
                found: "true".to_owned(),
                reason: "leaves nothing to retry on; list statuses in `status`",
            });
        }
        if settings.max_request_body_bytes < -1 {
            return Err(InvalidMiddleware {
                key: "maxRequestBodyBytes",
                found: settings.max_request_body_bytes.to_string(),
                reason: "is no number of bytes; write -1 for no limit",
            });
        }
        Ok(Self {
            attempts: settings.attempts,
            initial_interval: settings.initial_interval,
            timeout: limit(settings.timeout),
            statuses: settings.status.clone(),
            max_body: u64::try_from(settings.max_request_body_bytes).ok(),
            on_network_error: !settings.disable_retry_on_network_error,
            non_idempotent: settings.retry_non_idempotent_method,
        })
    }

    /// True if requests of this method may be sent again on account of a status.
    fn repeats(&self, method: &Method) -> bool {
        !self.statuses.is_empty() && (self.non_idempotent || method.is_idempotent())
    }

    /// The pause before attempt number `next`, the second one being 2: it doubles from that to the last; `jitter`,
    /// from -0.5 to 0.5, is a part of it.
    fn pause(&self, next: u32, jitter: f64) -> Duration {
        let steps = f64::from(self.attempts.saturating_sub(2).max(1));
        let growth = 2_f64.powf(f64::from(next.saturating_sub(2)) / steps);
        self.initial_interval.mul_f64(growth * (1.0 + jitter))
    }
}

impl Around for Retry {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            let began = Instant::now();
            let head = (self.attempts > 1).then(|| visit.head.clone());
            let mut kept = None;
            let mut on_status = self.repeats(&visit.head.method);
            if on_status && !visit.body.is_empty() {
                match visit.body.keep(self.max_body).await {
                    Ok(Keep::Whole(body)) => kept = Some(body),
                    Ok(Keep::Nothing) => {}
                    Ok(Keep::TooLong | Keep::NoRoom) => on_status = false,
                    Err(error) => return visit.client.fail(ForwardError::Upload(error).into()),
                }
            }
            for attempt in 1_u32.. {
                let answer = next.run(visit).await;
                let Some(head) = head.as_ref().filter(|_| attempt < self.attempts) else {
                    return answer;
                };
                let pause = self.pause(attempt + 1, rand::rng().random_range(-0.5..=0.5));
                // Nobody waits for an attempt that would come too late.
                let next_at = began.elapsed().saturating_add(pause);
                let is_late = self.timeout.is_some_and(|timeout| next_at >= timeout);
                let status = answer.head.status;
                let is_refused = on_status
                    && self.statuses.contains(status.as_u16())
                    && !matches!(answer.body, Source::Tunnel(_));
                let is_unsent = self.on_network_error && answer.is_unsent();
                if is_late || !(is_refused || is_unsent) {
                    return answer;
                }
                tracing::debug!(%status, attempt, "trying again");
                let_go(answer, visit.client.upstreams());
                visit.head.clone_from(head);
                if let Some(kept) = &kept {
                    visit.body = RequestBody::kept(kept.clone());
                }
                if !pause.is_zero() {
                    sleep(pause).await;
                }
            }
            next.run(visit).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(settings: serde_json::Value) -> Retry {
        Retry::new(&serde_json::from_value(settings).unwrap()).unwrap()
    }

    #[test]
    fn pauses_double_from_the_second_attempt_to_the_last_and_vary_by_half() {
        let retry = retry(serde_json::json!({"attempts": 4, "initialInterval": "100ms"}));
        let pauses: Vec<_> = (2..=4).map(|next| retry.pause(next, 0.0).as_millis()).collect();
        assert_eq!(pauses, [100, 141, 200]);
        assert_eq!(retry.pause(2, 0.5).as_millis(), 150);
        assert_eq!(retry.pause(4, -0.5).as_millis(), 100);
    }

    #[test]
    fn only_what_may_be_repeated_is_sent_again_on_account_of_a_status() {
        let careful = retry(serde_json::json!({"attempts": 2, "status": ["500-599"]}));
        let bold =
            retry(serde_json::json!({"attempts": 2, "status": ["503"], "retryNonIdempotentMethod": true}));
        for (method, repeats) in [
            (Method::GET, true),
            (Method::PUT, true),
            (Method::POST, false),
            (Method::PATCH, false),
        ] {
            assert_eq!(careful.repeats(&method), repeats, "{method}");
            assert!(bold.repeats(&method));
        }
        assert!(!retry(serde_json::json!({"attempts": 2})).repeats(&Method::GET));
    }

    #[test]
    fn settings_that_retry_nothing_are_refused() {
        let settings = |value| serde_json::from_value::<model::RetryMiddleware>(value);
        let off = settings(serde_json::json!({"attempts": 2, "disableRetryOnNetworkError": true})).unwrap();
        assert!(Retry::new(&off).unwrap_err().to_string().contains("`status`"));
        let less = settings(serde_json::json!({"attempts": 2, "maxRequestBodyBytes": -2})).unwrap();
        assert!(Retry::new(&less).is_err());
        for wrong in [
            serde_json::json!({}),
            serde_json::json!({"attempts": 0}),
            serde_json::json!({"attempts": 1000}),
        ] {
            assert!(settings(wrong).is_err());
        }
    }
}

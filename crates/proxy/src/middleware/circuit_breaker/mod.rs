//! `circuitBreaker`: keeps requests from a service that fails, until it has recovered.

mod condition;
mod state;
mod window;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::LocalBoxFuture;
use http::StatusCode;
use mesh_config::model;
use mesh_telemetry::metrics::Outcome;

use self::state::{State, Terms, Turn};
use super::{Around, Instances, InvalidMiddleware, Next, Visit, expression::Expression, plain};
use crate::forward::Answer;

/// A breaker, with its state for one router.
#[derive(Debug)]
pub(super) struct CircuitBreaker {
    settings: Arc<Settings>,
    owner: Arc<str>,
    state: Arc<State>,
}

#[derive(Debug)]
struct Settings {
    terms: Terms,
    status: StatusCode,
    began: Instant,
    instances: Instances<State>,
}

impl CircuitBreaker {
    pub(super) fn new(settings: &model::CircuitBreaker) -> Result<Self, String> {
        let invalid = |key, found: &str, reason| InvalidMiddleware {
            key,
            found: found.to_owned(),
            reason,
        };
        let expression = settings.expression.trim();
        if expression.is_empty() {
            let reason = "never opens; write NetworkErrorRatio() > 0.30, say";
            return Err(invalid("expression", "", reason).into());
        }
        let condition = Expression::parse(expression)
            .map_err(|error| format!("expression {expression:?} is no condition: {error}"))?;
        for (key, duration) in [
            ("fallbackDuration", settings.fallback_duration),
            ("recoveryDuration", settings.recovery_duration),
        ] {
            if duration.is_zero() {
                return Err(invalid(key, "0s", "is no time; write 10s, say").into());
            }
        }
        let status = StatusCode::from_u16(settings.response_code);
        Ok(Self {
            settings: Arc::new(Settings {
                terms: Terms {
                    condition,
                    check_period: settings.check_period,
                    fallback: settings.fallback_duration,
                    recovery: settings.recovery_duration,
                },
                status: status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
                began: Instant::now(),
                instances: Instances::default(),
            }),
            owner: "".into(),
            state: Arc::default(),
        })
    }

    fn tell(&self, turn: Option<Turn>) {
        let owner = &*self.owner;
        match turn {
            Some(Turn::Opened) => tracing::warn!(%owner, "circuit breaker opens"),
            Some(Turn::Recovers) => tracing::info!(%owner, "circuit breaker lets some requests pass"),
            Some(Turn::Closed) => tracing::info!(%owner, "circuit breaker closes"),
            None => {}
        }
    }
}

impl Around for CircuitBreaker {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            let Settings { terms, began, .. } = &*self.settings;
            let started = Instant::now();
            let since_beginning = |time: Instant| time.saturating_duration_since(*began);
            let (admits, turn) = self.state.admits(terms, since_beginning(started));
            self.tell(turn);
            if !admits {
                return Answer::from(plain(self.settings.status)).counted(Outcome::Open);
            }
            let answer = next.run(visit).await;
            let ended = Instant::now();
            let took: Duration = ended.saturating_duration_since(started);
            let seen = (answer.head.status.as_u16(), took);
            let turn = self.state.note(terms, shard(), since_beginning(ended), seen);
            self.tell(turn);
            answer
        })
    }

    fn for_owner(&self, owner: &str) -> Option<Arc<dyn Around>> {
        Some(Arc::new(Self {
            settings: self.settings.clone(),
            owner: owner.into(),
            state: self.settings.instances.of(owner, State::default),
        }))
    }
}

/// The number of the worker that asks.
fn shard() -> usize {
    static WORKERS: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static HERE: usize = WORKERS.fetch_add(1, Ordering::Relaxed));
    HERE.with(|here| *here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_that_cannot_work_is_refused() {
        let breaker = |expression: &str, recovery| model::CircuitBreaker {
            expression: expression.to_owned(),
            recovery_duration: Duration::from_secs(recovery),
            ..model::CircuitBreaker::default()
        };
        assert!(CircuitBreaker::new(&breaker("NetworkErrorRatio() > 0.3", 1)).is_ok());
        for (settings, reason) in [
            (breaker("", 1), "NetworkErrorRatio() > 0.30"),
            (breaker("NetworkErrorRatio() > 0.3 &&", 1), "character 29"),
            (breaker("NetworkErrorRatio() > 0.3", 0), "recoveryDuration"),
        ] {
            let error = CircuitBreaker::new(&settings).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}

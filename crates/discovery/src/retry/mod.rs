//! Waiting between attempts, the only place that does it.
//!
//! Nothing here gives up: a provider that has been away for a day is asked again half a minute later at most.
//! The `backoff` crate is named in this module alone.

mod paced;

pub use paced::paced;

use std::time::Duration;

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder, backoff::Backoff as _};

use crate::provider::ProviderError;

/// Longest first wait.
pub const BASE: Duration = Duration::from_millis(500);

/// Longest wait of all, unless the other side asks for more.
pub const CAP: Duration = Duration::from_secs(30);

/// How much of a `Retry-After` is believed.
pub const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(300);

/// How long to wait after each failure in a row: a random part of a limit that starts at [`BASE`] and doubles
/// up to [`CAP`], so that many routers that lost one server do not come back to it in step.
#[derive(Debug)]
pub struct Backoff {
    inner: ExponentialBackoff,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

impl Backoff {
    /// The first failure is yet to come.
    pub fn new() -> Self {
        // The crate draws from current ± factor × current. With a factor of 1 and half of the limit that is
        // the whole range from zero to the limit: full jitter.
        let inner = ExponentialBackoffBuilder::new()
            .with_initial_interval(BASE / 2)
            .with_max_interval(CAP / 2)
            .with_multiplier(2.0)
            .with_randomization_factor(1.0)
            .with_max_elapsed_time(None)
            .build();
        Self { inner }
    }

    /// The wait after one more failure.
    pub fn wait(&mut self) -> Duration {
        self.inner.next_backoff().unwrap_or(CAP).min(CAP)
    }

    /// The wait after `error`. An answer that asks for fewer calls counts as two failures, and a `Retry-After`
    /// is waited out before the random part begins.
    pub fn wait_after(&mut self, error: &ProviderError) -> Duration {
        if error.is_throttle() {
            self.wait();
        }
        let asked = error.retry_after().unwrap_or_default().min(RETRY_AFTER_LIMIT);
        asked + self.wait()
    }

    /// The limit of the next wait.
    pub fn limit(&self) -> Duration {
        self.inner.current_interval * 2
    }

    /// It worked: the next failure is the first one again.
    pub fn reset(&mut self) {
        self.inner.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, retry_after: Option<u64>) -> ProviderError {
        ProviderError::Refused {
            endpoint: "consul".to_owned(),
            status,
            reason: String::new(),
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    #[test]
    fn the_limit_doubles_from_the_base_to_the_cap_and_stays_there() {
        let mut backoff = Backoff::new();
        let limits: Vec<_> = (0..9)
            .map(|_| {
                let limit = backoff.limit();
                assert!(backoff.wait() <= limit);
                limit.as_millis()
            })
            .collect();
        assert_eq!(
            limits,
            [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]
        );
    }

    #[test]
    fn waits_spread_over_the_whole_range() {
        let waits: Vec<_> = (0..400).map(|_| Backoff::new().wait()).collect();
        assert!(waits.iter().any(|wait| *wait < BASE / 4));
        assert!(waits.iter().any(|wait| *wait > BASE / 4 * 3));
    }

    #[test]
    fn a_success_starts_over() {
        let mut backoff = Backoff::new();
        for _ in 0..5 {
            backoff.wait();
        }
        backoff.reset();
        assert_eq!(backoff.limit(), BASE);
    }

    #[test]
    fn a_throttled_call_counts_twice() {
        let (mut throttled, mut refused_plainly) = (Backoff::new(), Backoff::new());
        throttled.wait_after(&refused(429, None));
        refused_plainly.wait_after(&refused(500, None));
        assert_eq!(throttled.limit(), refused_plainly.limit() * 2);
    }

    #[test]
    fn retry_after_is_a_lower_bound_within_reason() {
        let wait = Backoff::new().wait_after(&refused(503, Some(7)));
        assert!(
            (Duration::from_secs(7)..=Duration::from_secs(8)).contains(&wait),
            "{wait:?}"
        );
        let wait = Backoff::new().wait_after(&refused(429, Some(86_400)));
        assert!(wait <= RETRY_AFTER_LIMIT + CAP, "{wait:?}");
    }
}

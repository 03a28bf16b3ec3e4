//! Options of `circuitBreaker`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Keeps requests from a service that fails, until it has recovered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct CircuitBreaker {
    /// When it opens: `NetworkErrorRatio() > 0.30 && RequestThreshold() >= 10`.
    pub expression: String,
    /// How often the expression is looked at, at most.
    #[serde(with = "crate::duration")]
    pub check_period: Duration,
    /// How long it stays open.
    #[serde(with = "crate::duration")]
    pub fallback_duration: Duration,
    /// How long it takes, after that, until it lets everything pass again.
    #[serde(with = "crate::duration")]
    pub recovery_duration: Duration,
    /// The status of its answers, which are final ones.
    #[serde(deserialize_with = "crate::whole::within::<_, _, 200, 599>")]
    pub response_code: u16,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self {
            expression: String::new(),
            check_period: Duration::from_millis(100),
            fallback_duration: Duration::from_secs(10),
            recovery_duration: Duration::from_secs(10),
            response_code: 503,
        }
    }
}

//! How often a request is tried, and how long it may take.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{StatusRanges, is_default};

/// When a request of a service is offered to a server once more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Retry {
    /// Servers that one request is offered to at most; 1 means that nothing is tried again.
    #[serde(deserialize_with = "crate::whole::within::<_, _, 1, 10>")]
    pub attempts: u8,
    /// Answers that are dropped to try another server, by status.
    #[serde(skip_serializing_if = "is_default")]
    pub statuses: StatusRanges,
    /// How long one server has until the head of its answer, connecting included; 0 is without limit.
    #[serde(with = "crate::duration", skip_serializing_if = "is_default")]
    pub per_try_timeout: Duration,
    /// Try requests again that do something each time: POST, PATCH.
    #[serde(skip_serializing_if = "is_default")]
    pub non_idempotent: bool,
    /// Requests with a longer body, in bytes, are sent once.
    #[serde(deserialize_with = "crate::whole::within::<_, _, 0, 67_108_864>")]
    pub max_body_bytes: u64,
    /// Requests that are sent again, in per cent of all, over ten seconds.
    #[serde(deserialize_with = "crate::whole::within::<_, _, 0, 100>")]
    pub budget_percent: u8,
    /// Requests that may be sent again in each second, where that is more.
    #[serde(deserialize_with = "crate::whole::within::<_, _, 0, 10_000>")]
    pub min_retries_per_second: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 3,
            statuses: StatusRanges::default(),
            per_try_timeout: Duration::ZERO,
            non_idempotent: false,
            max_body_bytes: 1024 * 1024,
            budget_percent: 20,
            min_retries_per_second: 1,
        }
    }
}

/// How long requests may take. Absent and 0 set no limit; of several limits for one thing the shortest counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Timeouts {
    /// From the request to the last byte of its answer.
    #[serde(with = "crate::duration", skip_serializing_if = "is_default")]
    pub request: Duration,
    /// Until a connection to a server stands.
    #[serde(with = "crate::duration", skip_serializing_if = "is_default")]
    pub connect: Duration,
    /// From the end of the request to the head of the answer.
    #[serde(with = "crate::duration", skip_serializing_if = "is_default")]
    pub response_header: Duration,
    /// Longest silence of a server in the middle of an answer's body.
    #[serde(with = "crate::duration", skip_serializing_if = "is_default")]
    pub idle: Duration,
}

impl Timeouts {
    /// Of each limit the shorter one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            request: Self::shorter(self.request, other.request),
            connect: Self::shorter(self.connect, other.connect),
            response_header: Self::shorter(self.response_header, other.response_header),
            idle: Self::shorter(self.idle, other.idle),
        }
    }

    /// The shorter one of two limits, where zero is none.
    pub fn shorter(one: Duration, other: Duration) -> Duration {
        match (one.is_zero(), other.is_zero()) {
            (true, _) => other,
            (_, true) => one,
            _ => one.min(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_retry_says_what_it_cannot_be() {
        for (document, part) in [
            (json!({"attempts": 0}), "from 1 to 10"),
            (json!({"attempts": 11}), "from 1 to 10"),
            (json!({"budgetPercent": 101}), "from 0 to 100"),
            (json!({"statuses": ["5xx"]}), "no status"),
            (json!({"status": ["502"]}), "unknown field"),
        ] {
            let error = serde_json::from_value::<Retry>(document).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn of_two_limits_the_shorter_one_counts_and_none_is_no_limit() {
        let [none, short, long] = [0, 1, 2].map(Duration::from_secs);
        let limits = |request, idle| Timeouts {
            request,
            idle,
            ..Timeouts::default()
        };
        assert_eq!(limits(none, long).and(limits(long, short)), limits(long, short));
        assert_eq!(limits(short, none).and(limits(long, none)), limits(short, none));
    }
}

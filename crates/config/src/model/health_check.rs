//! How it is found out which servers of a load balancer serve.

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderName, HeaderValue, Method, uri::PathAndQuery};
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::{Scheme, is_default};

/// Active probes of the servers of a load balancer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HealthCheck {
    /// What a probe is.
    pub mode: HealthCheckMode,
    /// Path and query to ask for, relative to the server's URL.
    #[serde(deserialize_with = "path")]
    pub path: String,
    /// The service that a gRPC probe asks about; empty means the server as a whole.
    #[serde(skip_serializing_if = "is_default")]
    pub service: String,
    /// Scheme, when it differs from the server's.
    #[serde(skip_serializing_if = "is_default")]
    pub scheme: Option<Scheme>,
    /// Host header of the probe.
    #[serde(deserialize_with = "hostname", skip_serializing_if = "is_default")]
    pub hostname: String,
    /// Port, when it differs from the server's; 0 means the same.
    #[serde(skip_serializing_if = "is_default")]
    pub port: u16,
    /// Method of the probe.
    #[serde(deserialize_with = "method")]
    pub method: String,
    /// The status that counts as healthy; 0 means any of 200 to 399.
    #[serde(deserialize_with = "status", skip_serializing_if = "is_default")]
    pub status: u16,
    /// Time between probes of a healthy server; jittered by a tenth. 0 means the default.
    #[serde(deserialize_with = "interval", serialize_with = "crate::duration::serialize")]
    pub interval: Duration,
    /// Time between probes of an unhealthy server; absent means `interval`, 0 its default.
    #[serde(
        deserialize_with = "unhealthy_interval",
        serialize_with = "crate::duration::option::serialize",
        skip_serializing_if = "is_default"
    )]
    pub unhealthy_interval: Option<Duration>,
    /// Limit of one probe, from connecting to the head of the answer. 0 means the default.
    #[serde(deserialize_with = "timeout", serialize_with = "crate::duration::serialize")]
    pub timeout: Duration,
    /// Follow redirects and judge where they end; off, a redirect itself is judged.
    pub follow_redirects: bool,
    /// Further headers of the probe; `Host` belongs in `hostname`.
    #[serde(deserialize_with = "headers", skip_serializing_if = "is_default")]
    pub headers: BTreeMap<String, String>,
    /// Successes in a row that make an unhealthy server healthy.
    pub rise: u32,
    /// Failures in a row that make a healthy server unhealthy.
    pub fall: u32,
}

const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(5);

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            mode: HealthCheckMode::default(),
            path: String::new(),
            service: String::new(),
            scheme: None,
            hostname: String::new(),
            port: 0,
            method: "GET".to_owned(),
            status: 0,
            interval: INTERVAL,
            unhealthy_interval: None,
            timeout: TIMEOUT,
            follow_redirects: true,
            headers: BTreeMap::new(),
            rise: 1,
            fall: 1,
        }
    }
}

/// What a probe is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthCheckMode {
    /// An HTTP request.
    #[default]
    Http,
    /// A call of `grpc.health.v1.Health/Check`.
    Grpc,
    /// A connection.
    Tcp,
}

/// What requests tell of the servers of a load balancer: one that fails them is ejected for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PassiveHealthCheck {
    /// The time within which failures are counted; 0 means the default.
    #[serde(
        deserialize_with = "failure_window",
        serialize_with = "crate::duration::serialize"
    )]
    pub failure_window: Duration,
    /// Failures without a success between them that eject a server; 0 means that none do. At most 1000.
    #[serde(deserialize_with = "crate::whole::within::<_, _, 0, MAX_ATTEMPTS>")]
    pub max_failed_attempts: u16,
    /// Share of failures that ejects a server, in per cent of its requests; 0 means that none does.
    #[serde(deserialize_with = "crate::whole::within::<_, _, 0, 100>")]
    pub error_rate: u8,
    /// Requests within `failureWindow` without which `errorRate` says nothing.
    pub min_requests: u32,
    /// How long the first ejection takes; absent means `failureWindow`, or where servers are probed: until a probe
    /// passes.
    #[serde(with = "crate::duration::option", skip_serializing_if = "is_default")]
    pub base_ejection_time: Option<Duration>,
    /// How long an ejection takes at most: each takes twice as long as the one before.
    #[serde(with = "crate::duration")]
    pub max_ejection_time: Duration,
    /// Share of the servers that may be ejected at one time.
    #[serde(deserialize_with = "crate::whole::within::<_, _, 0, 100>")]
    pub max_ejection_percent: u8,
}

/// The time of each is remembered, for each server.
const MAX_ATTEMPTS: u64 = 1000;

const FAILURE_WINDOW: Duration = Duration::from_secs(10);

impl Default for PassiveHealthCheck {
    fn default() -> Self {
        Self {
            failure_window: FAILURE_WINDOW,
            max_failed_attempts: 1,
            error_rate: 0,
            min_requests: 20,
            base_ejection_time: None,
            max_ejection_time: Duration::from_secs(300),
            max_ejection_percent: 100,
        }
    }
}

/// Reads a duration; 0 stands for `default`.
/// A reference that has no host: a probe goes to its server and nowhere else.
fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let path = text.split(['?', '#']).next().unwrap_or_default();
    if path.contains("://") || path.starts_with("//") {
        return Err(D::Error::custom(format!(
            "{text:?} has a host: write the path alone, the server is asked"
        )));
    }
    match PathAndQuery::try_from(format!("/{}", text.trim_start_matches('/'))) {
        Ok(_) => Ok(text),
        Err(_) => Err(D::Error::custom(format!("{text:?} is no path"))),
    }
}

fn hostname<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.is_empty() || text.parse::<http::uri::Authority>().is_ok() {
        true => Ok(text),
        false => Err(D::Error::custom(format!("{text:?} is no host"))),
    }
}

fn method<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match Method::from_bytes(text.as_bytes()) {
        Ok(Method::CONNECT) | Err(_) => Err(D::Error::custom(format!(
            "{text:?} is no method of a probe: write GET or HEAD, for example"
        ))),
        Ok(_) => Ok(text),
    }
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    match u16::deserialize(deserializer)? {
        status @ (0 | 100..=599) => Ok(status),
        other => Err(D::Error::custom(format!(
            "{other} is no status: write one from 100 to 599, or 0 for any of 200 to 399"
        ))),
    }
}

/// What is said of a value quotes its name alone: it may be a secret.
fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let headers = BTreeMap::<String, String>::deserialize(deserializer)?;
    for (name, value) in &headers {
        if HeaderName::try_from(name.as_str()).is_err() {
            return Err(D::Error::custom(format!("{name:?} is no name of a header")));
        }
        if HeaderValue::try_from(value.as_str()).is_err() {
            return Err(D::Error::custom(format!(
                "the value of {name} has characters that no header may have"
            )));
        }
    }
    Ok(headers)
}

fn or<'de, D: Deserializer<'de>>(deserializer: D, default: Duration) -> Result<Duration, D::Error> {
    let read = crate::duration::deserialize(deserializer)?;
    Ok(if read.is_zero() { default } else { read })
}

fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    or(deserializer, INTERVAL)
}

fn unhealthy_interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let read = crate::duration::option::deserialize(deserializer)?;
    Ok(read.map(|read| if read.is_zero() { INTERVAL } else { read }))
}

fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    or(deserializer, TIMEOUT)
}

fn failure_window<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    or(deserializer, FAILURE_WINDOW)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_no_probe_could_send_or_get_is_refused() {
        for wrong in [
            json!({"path": "http://evil/"}),
            json!({"path": "//evil/"}),
            json!({"path": "/a b"}),
            json!({"path": "/a\r\nX: y"}),
            json!({"hostname": "a b"}),
            json!({"method": "G T"}),
            json!({"method": ""}),
            json!({"method": "CONNECT"}),
            json!({"status": 99}),
            json!({"status": 1000}),
            json!({"headers": {"a b": "c"}}),
            json!({"headers": {"a": "b\nc"}}),
        ] {
            let read = serde_json::from_value::<HealthCheck>(wrong.clone());
            assert!(read.is_err(), "{wrong} was taken");
        }
        for right in [
            json!({"path": ""}),
            json!({"path": "/a?b=c%20d"}),
            json!({"path": "?b"}),
            json!({"path": "a/b"}),
            json!({"hostname": "a.test:80", "method": "PURGE", "status": 204, "headers": {"A-b": "c d"}}),
        ] {
            let read = serde_json::from_value::<HealthCheck>(right.clone());
            assert!(read.is_ok(), "{right}: {read:?}");
        }
    }

    #[test]
    fn a_duration_of_zero_is_the_default() {
        let zero = json!({"interval": "0s", "unhealthyInterval": 0, "timeout": "0"});
        let check: HealthCheck = serde_json::from_value(zero).unwrap();
        assert_eq!((check.interval, check.timeout), (INTERVAL, TIMEOUT));
        assert_eq!(check.unhealthy_interval, Some(INTERVAL));
        let passive: PassiveHealthCheck = serde_json::from_value(json!({"failureWindow": 0})).unwrap();
        assert_eq!(passive, PassiveHealthCheck::default());
    }

    #[test]
    fn shares_and_counts_beyond_their_limits_are_refused_with_the_limit() {
        let error = |written: Value| {
            serde_json::from_value::<PassiveHealthCheck>(written)
                .unwrap_err()
                .to_string()
        };
        assert!(error(json!({"errorRate": 101})).contains("write a whole number from 0 to 100"));
        assert!(error(json!({"maxFailedAttempts": 1001})).contains("from 0 to 1000"));
    }

    #[test]
    fn what_is_written_reads_back() {
        let passive: PassiveHealthCheck = serde_json::from_value(json!({
            "errorRate": 50, "maxFailedAttempts": 5, "baseEjectionTime": "1s",
        }))
        .unwrap();
        let written = serde_json::to_value(&passive).unwrap();
        assert_eq!(
            serde_json::from_value::<PassiveHealthCheck>(written).unwrap(),
            passive
        );
    }
}

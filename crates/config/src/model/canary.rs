//! A new version of a service beside the one before: its part of the requests, and when it has to give that back.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::is_default;

/// How requests are divided between the servers marked as canaries and the stable ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Canary {
    /// Share of the canaries together, in per cent; absent means that each server counts by its own weight.
    #[serde(
        deserialize_with = "crate::whole::option::<_, _, 0, 100>",
        skip_serializing_if = "is_default"
    )]
    pub weight: Option<u8>,
    /// When they lose it; absent means never.
    #[serde(skip_serializing_if = "is_default")]
    pub stop: Option<CanaryStop>,
}

/// The canaries get nothing more once they fail more of their requests than the stable servers do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct CanaryStop {
    /// How much more, in points of per cent.
    #[serde(deserialize_with = "crate::whole::within::<_, _, 0, 99>")]
    pub margin: u8,
    /// Requests to canaries within `window` without which nothing is concluded.
    #[serde(deserialize_with = "crate::whole::within::<_, _, 1, MAX_REQUESTS>")]
    pub min_requests: u32,
    /// The time within which requests are counted; 0 means the default.
    #[serde(deserialize_with = "window", serialize_with = "crate::duration::serialize")]
    pub window: Duration,
    /// After this time they are tried again; absent means not before there is another canary.
    #[serde(with = "crate::duration::option", skip_serializing_if = "is_default")]
    pub resume_after: Option<Duration>,
}

/// More than this could not be counted within a window.
const MAX_REQUESTS: u64 = 1_000_000;

const WINDOW: Duration = Duration::from_secs(60);

impl Default for CanaryStop {
    fn default() -> Self {
        Self {
            margin: 10,
            min_requests: 20,
            window: WINDOW,
            resume_after: None,
        }
    }
}

fn window<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let read = crate::duration::deserialize(deserializer)?;
    Ok(if read.is_zero() { WINDOW } else { read })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_not_written_has_its_default_and_0_is_no_window() {
        let read = |written: Value| serde_json::from_value::<Canary>(written).unwrap();
        assert_eq!(read(json!({})), Canary::default());
        let stop = Some(CanaryStop::default());
        let written = json!({"weight": 0, "stop": {"window": 0}});
        assert_eq!(
            read(written),
            Canary {
                weight: Some(0),
                stop
            }
        );
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        let written = json!({
            "weight": 10,
            "stop": {"margin": 0, "minRequests": 50, "window": "5m", "resumeAfter": "1h"},
        });
        let canary: Canary = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(canary).unwrap(), written);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_would() {
        for (written, range) in [
            (json!({"weight": 101}), "from 0 to 100"),
            (json!({"stop": {"margin": 100}}), "from 0 to 99"),
            (json!({"stop": {"minRequests": 0}}), "from 1 to 1000000"),
            (json!({"stop": {"errorRate": 5}}), "unknown field `errorRate`"),
        ] {
            let error = serde_json::from_value::<Canary>(written).unwrap_err().to_string();
            assert!(error.contains(range), "{error}");
        }
    }
}

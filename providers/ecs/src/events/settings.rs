//! What users may say about events.

use std::time::Duration;

use mesh_config::duration;
use serde::Deserialize;

use crate::settings::SettingsError;

/// Longest first part of a queue's name: with what follows it SQS takes 80 characters.
const MAX_PREFIX: usize = 60;

/// Where events of ECS come from, and in what kind of queue they are heard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct EventsSettings {
    /// ARN of the SNS topic to which EventBridge sends events of ECS. Absent or empty: none are heard.
    pub topic: Option<String>,
    /// First part of the name of this process's own queue.
    pub queue_prefix: String,
    /// How long one question for events waits for them. Longer is cheaper, not slower.
    #[serde(with = "duration")]
    pub wait_time: Duration,
    /// Most events in one answer.
    pub max_messages: u8,
    /// How long events wait to be heard; later they tell nothing new.
    #[serde(with = "duration")]
    pub retention: Duration,
    /// After this time without a sign of life of its owner, a queue is removed by the others.
    #[serde(with = "duration")]
    pub expiry: Duration,
}

impl Default for EventsSettings {
    fn default() -> Self {
        Self {
            topic: None,
            queue_prefix: "mesh-events-".to_owned(),
            wait_time: Duration::from_secs(20),
            max_messages: 10,
            retention: Duration::from_secs(60),
            expiry: Duration::from_secs(1800),
        }
    }
}

impl EventsSettings {
    /// The topic; `None` where no events are to be heard.
    pub(crate) fn topic(&self) -> Option<&str> {
        self.topic.as_deref().filter(|topic| !topic.is_empty())
    }

    /// Finds values that AWS would refuse.
    pub(crate) fn validate(&self) -> Result<(), SettingsError> {
        let out_of_range =
            |key, found: String, allowed| Err(SettingsError::OutOfRange { key, found, allowed });
        if let Some(topic) = self.topic()
            && region(topic).is_none()
        {
            let allowed = "the ARN of a standard topic of SNS: arn:aws:sns:<region>:<account>:<name>";
            return out_of_range("events.topic", topic.to_owned(), allowed);
        }
        if !(1..=MAX_PREFIX).contains(&self.queue_prefix.len()) || !self.queue_prefix.chars().all(in_names) {
            let allowed = "1 to 60 letters, digits, - and _";
            return out_of_range("events.queuePrefix", self.queue_prefix.clone(), allowed);
        }
        if !(1..=10).contains(&self.max_messages) {
            return out_of_range("events.maxMessages", self.max_messages.to_string(), "1 to 10");
        }
        let seconds = Duration::from_secs;
        let times = [
            (
                "events.waitTime",
                self.wait_time,
                seconds(1)..=seconds(20),
                "1s to 20s, whole seconds",
            ),
            (
                "events.retention",
                self.retention,
                seconds(60)..=seconds(14 * 86_400),
                "1m to 14d, whole seconds",
            ),
            (
                "events.expiry",
                self.expiry,
                seconds(10)..=Duration::MAX,
                "10s or more, whole seconds",
            ),
        ];
        for (key, time, range, allowed) in times {
            if !range.contains(&time) || time.subsec_nanos() != 0 {
                return out_of_range(key, duration::format(time), allowed);
            }
        }
        Ok(())
    }
}

/// The region in the ARN of a topic; `None` where it is none.
pub(crate) fn region(topic: &str) -> Option<&str> {
    let mut parts = topic.split(':');
    let arn = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, name) = (parts.next()?, parts.next()?, parts.next()?);
    let is_arn = arn.0 == "arn" && arn.1.starts_with("aws") && arn.2 == "sns" && parts.next().is_none();
    let is_region = !region.is_empty()
        && region
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || char == '-');
    let is_account = account.len() == 12 && account.chars().all(|char| char.is_ascii_digit());
    let is_name = (1..=256).contains(&name.len()) && name.chars().all(in_names);
    (is_arn && is_region && is_account && is_name).then_some(region)
}

/// A character of the name of a topic or queue.
fn in_names(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '-' || char == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(settings: &str) -> String {
        let settings: EventsSettings = serde_json::from_str(settings).unwrap();
        settings.validate().unwrap_err().to_string()
    }

    #[test]
    fn without_a_topic_no_events_are_heard() {
        assert_eq!(EventsSettings::default().topic(), None);
        let empty: EventsSettings = serde_json::from_str(r#"{"topic": ""}"#).unwrap();
        assert_eq!((empty.topic(), empty.validate().is_ok()), (None, true));
    }

    #[test]
    fn the_region_is_the_topics_in_every_partition() {
        for (topic, expected) in [
            (
                "arn:aws:sns:eu-central-1:123456789012:mesh-events",
                Some("eu-central-1"),
            ),
            (
                "arn:aws-us-gov:sns:us-gov-west-1:123456789012:e",
                Some("us-gov-west-1"),
            ),
            ("arn:aws:sqs:eu-central-1:123456789012:mesh-events", None),
            ("arn:aws:sns:eu-central-1:123456789012:mesh.fifo", None),
            ("arn:aws:sns:eu-central-1:123456789012:mesh:0123", None),
            ("arn:aws:sns:eu-central-1:12345678901x:mesh", None),
            ("arn:aws:sns::123456789012:mesh", None),
            ("mesh-events", None),
        ] {
            assert_eq!(region(topic), expected, "{topic}");
        }
    }

    #[test]
    fn what_aws_would_refuse_is_refused_with_its_key() {
        for (settings, key) in [
            (r#"{"topic": "mesh-events"}"#, "events.topic"),
            (r#"{"queuePrefix": ""}"#, "events.queuePrefix"),
            (r#"{"queuePrefix": "mesh.events"}"#, "events.queuePrefix"),
            (r#"{"waitTime": "0s"}"#, "events.waitTime"),
            (r#"{"waitTime": "1500ms"}"#, "events.waitTime"),
            (r#"{"maxMessages": 11}"#, "events.maxMessages"),
            (r#"{"retention": "59s"}"#, "events.retention"),
            (r#"{"expiry": "1s"}"#, "events.expiry"),
        ] {
            let error = error(settings);
            assert!(error.starts_with(&format!("providers.ecs.{key} is ")), "{error}");
        }
    }
}

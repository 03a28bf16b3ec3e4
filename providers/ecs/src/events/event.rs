//! What an event is about. Nothing else of it is believed: what became of its subject, ECS is asked itself.

use serde::Deserialize;
use serde_json::Value;

/// Subjects in one event; those of ECS have one.
const MAX_SUBJECTS: usize = 10;

/// Longest ARN.
const MAX_ARN: usize = 2048;

/// Something in a cluster that an event is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// A task, by its ARN.
    Task(String),
    /// A service, by its name.
    Service(String),
    /// A container instance, by its ARN.
    Machine(String),
}

/// A subject and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hint {
    /// Name of the cluster.
    pub(crate) cluster: String,
    /// What the event is about.
    pub(crate) subject: Subject,
    /// The version of the subject that the event tells of; 0 where it does not say.
    pub(crate) version: u64,
}

/// An event of EventBridge.
#[derive(Debug, Deserialize)]
struct Event {
    source: String,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    detail: Value,
}

/// What SNS makes of an event where it does not deliver raw messages.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Notification {
    message: String,
}

/// What the message is about; `None` for one that is no event.
pub(crate) fn hints(message: &str) -> Option<Vec<Hint>> {
    let event: Event = serde_json::from_str(message).ok().or_else(|| {
        let notification: Notification = serde_json::from_str(message).ok()?;
        serde_json::from_str(&notification.message).ok()
    })?;
    // Versions in events of tags count something else.
    let version = match event.source.as_str() {
        "aws.ecs" => event.detail.get("version").and_then(Value::as_u64).unwrap_or(0),
        "aws.tag" => 0,
        _ => return None,
    };
    let cluster = event.detail.get("clusterArn").and_then(Value::as_str);
    let cluster = cluster.map(crate::calls::short);
    let subjects = event.resources.iter().take(MAX_SUBJECTS);
    let hints = subjects.filter_map(|arn| hint(arn, cluster, version));
    Some(hints.collect())
}

/// `arn:aws:ecs:<region>:<account>:<kind>/<cluster>/<name>`; in old ones the cluster is missing.
fn hint(arn: &str, cluster: Option<&str>, version: u64) -> Option<Hint> {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_:/.".contains(char);
    if arn.len() > MAX_ARN || !arn.starts_with("arn:") || !arn.chars().all(is_plain) {
        return None;
    }
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, resource) = (parts.next()?, parts.nth(2)?);
    let mut path = resource.split('/');
    let (kind, first, second) = (path.next()?, path.next()?, path.next());
    if service != "ecs" || first.is_empty() || second.is_some_and(str::is_empty) || path.next().is_some() {
        return None;
    }
    let (cluster, name) = match second {
        Some(name) => (first, name),
        None => (cluster?, first),
    };
    let subject = match kind {
        "task" if is_task_id(name) => Subject::Task(arn.to_owned()),
        "service" => Subject::Service(name.to_owned()),
        "container-instance" => Subject::Machine(arn.to_owned()),
        _ => return None,
    };
    Some(Hint {
        cluster: cluster.to_owned(),
        subject,
        version,
    })
}

/// 32 hexadecimal digits, or a UUID in old ones. ECS refuses all tasks that it is asked for together with another one.
fn is_task_id(name: &str) -> bool {
    let is_hex = |char: char| char.is_ascii_hexdigit();
    match name.len() {
        32 => name.chars().all(is_hex),
        36 => name.chars().all(|char| is_hex(char) || char == '-'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, proptest};
    use serde_json::json;

    use super::*;

    const ECS: &str = "arn:aws:ecs:eu-central-1:123456789012";

    fn event(source: &str, resource: &str, detail: &Value) -> String {
        json!({
            "version": "0", "id": "3317b2af-7005-947d-b652-f55e762e571a", "detail-type": "of no concern",
            "source": source, "account": "123456789012", "time": "2026-01-23T17:57:58Z", "region": "eu-central-1",
            "resources": [resource], "detail": detail,
        })
        .to_string()
    }

    fn one(message: &str) -> Option<(String, Subject, u64)> {
        let mut all = hints(message).unwrap();
        assert!(all.len() <= 1);
        all.pop().map(|hint| (hint.cluster, hint.subject, hint.version))
    }

    #[test]
    fn every_kind_of_event_tells_what_it_is_about() {
        let task = format!("{ECS}:task/shop/0123456789abcdef0123456789abcdef");
        let detail = json!({"clusterArn": format!("{ECS}:cluster/shop"), "taskArn": task, "version": 3});
        let expected = Some(("shop".to_owned(), Subject::Task(task.clone()), 3));
        assert_eq!(one(&event("aws.ecs", &task, &detail)), expected);

        let machine = format!("{ECS}:container-instance/shop/0123abcd");
        let expected = Some(("shop".to_owned(), Subject::Machine(machine.clone()), 7));
        assert_eq!(one(&event("aws.ecs", &machine, &json!({"version": 7}))), expected);

        let service = format!("{ECS}:service/shop/web");
        let expected = Some(("shop".to_owned(), Subject::Service("web".to_owned()), 0));
        let deployed = json!({"eventType": "INFO", "eventName": "SERVICE_DEPLOYMENT_COMPLETED"});
        assert_eq!(one(&event("aws.ecs", &service, &deployed)), expected);
        let tagged = json!({"changed-tag-keys": ["mesh.host"], "service": "ecs", "resource-type": "service", "version": 9.0});
        assert_eq!(one(&event("aws.tag", &service, &tagged)), expected);
    }

    #[test]
    fn an_arn_without_its_cluster_is_in_the_cluster_that_the_event_names() {
        let task = format!("{ECS}:task/01234567-89ab-cdef-0123-456789abcdef");
        let detail = json!({"clusterArn": format!("{ECS}:cluster/shop")});
        let expected = Some(("shop".to_owned(), Subject::Task(task.clone()), 0));
        assert_eq!(one(&event("aws.ecs", &task, &detail)), expected);
        assert_eq!(one(&event("aws.ecs", &task, &json!({}))), None);
    }

    #[test]
    fn an_event_in_an_envelope_of_sns_is_the_same_event() {
        let raw = event("aws.ecs", &format!("{ECS}:service/shop/web"), &json!({}));
        let wrapped = json!({"Type": "Notification", "MessageId": "1", "Message": raw, "Signature": "x"});
        assert_eq!(hints(&wrapped.to_string()), hints(&raw));
    }

    #[test]
    fn what_is_no_event_is_told_apart_and_other_subjects_are_none() {
        for message in [
            "",
            "{",
            "[]",
            "null",
            r#"{"Message": "hello"}"#,
            r#"{"source": "aws.s3"}"#,
        ] {
            assert_eq!(hints(message), None, "{message}");
        }
        for arn in [
            "",
            "arn",
            "arn:aws:s3:::shop",
            "arn:aws:ecs:eu-central-1:123456789012:task",
            "arn:aws:ecs:eu-central-1:123456789012:task/",
            "arn:aws:ecs:eu-central-1:123456789012:task/shop/",
            "arn:aws:ecs:eu-central-1:123456789012:task/shop/a/b",
            "arn:aws:ecs:eu-central-1:123456789012:task/shop/a b",
            "arn:aws:ecs:eu-central-1:123456789012:cluster/shop",
            "arn:aws:ecs:eu-central-1:123456789012:task/shop/0123",
            "arn:aws:ecs:eu-central-1:123456789012:task/shop/0123456789abcdef0123456789abcdeg",
            "arn:aws:ecs:eu-central-1:123456789012:task/shop/0123456789abcdef0123456789abcdef0",
        ] {
            assert_eq!(one(&event("aws.ecs", arn, &json!({}))), None, "{arn}");
        }
    }

    proptest! {
        #[test]
        fn no_message_panics_and_no_hint_has_an_empty_name(
            arn in "(arn:aws:ecs:r:1:)?(task|service|container-instance)?[a-z0-9:/é ]{0,40}", rest in ".{0,80}",
        ) {
            hints(&rest);
            for hint in hints(&event("aws.ecs", &arn, &json!({"clusterArn": rest, "version": rest}))).unwrap() {
                let (Subject::Task(name) | Subject::Service(name) | Subject::Machine(name)) = hint.subject;
                prop_assert!(!name.is_empty());
            }
        }
    }
}

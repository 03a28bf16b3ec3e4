//! The queue of this process: made, shown to be alive, removed.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use mesh_discovery::ProviderError;
use rand::Rng as _;
use serde_json::json;
use tracing::{debug, info, warn};

use super::{EventsSettings, client::Queues};

/// Tag that says who made a queue.
pub(super) const OWNER: &str = "mesh-owner";

/// Tag that changes for as long as the owner of a queue lives.
pub(super) const HEARTBEAT: &str = "mesh-heartbeat";

/// Characters after the prefix of a name.
pub(super) const RANDOM: usize = 16;

/// Seconds after which a message that was received and not deleted comes again.
const VISIBILITY: u32 = 30;

/// What there is of the queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Queue {
    pub(super) url: String,
    /// Known once the topic may send to it.
    pub(super) arn: Option<String>,
    /// Known once the topic does.
    pub(super) subscription: Option<String>,
    beats: u64,
}

/// The queue of this process, if it has one.
#[derive(Debug)]
pub(super) struct Own {
    topic: String,
    settings: EventsSettings,
    owner: String,
    queue: Mutex<Option<Queue>>,
}

impl Own {
    pub(super) fn new(topic: &str, settings: &EventsSettings, provider: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            settings: settings.clone(),
            owner: owner(provider),
            queue: Mutex::default(),
        }
    }

    /// The queue, once events come to it.
    pub(super) fn subscribed(&self) -> Option<Queue> {
        let queue = self.locked().clone();
        queue.filter(|queue| queue.subscription.is_some())
    }

    /// Makes the queue, or what is missing of it. What was made is remembered step by step, so that the next try goes on
    /// from there and an end in between leaves nothing behind.
    pub(super) async fn make(&self, client: &impl Queues) -> Result<Queue, ProviderError> {
        let known = self.locked().clone();
        let mut queue = match known {
            Some(queue) => queue,
            None => self.create(client).await?,
        };
        let arn = match &queue.arn {
            Some(arn) => arn.clone(),
            None => {
                let arn = self.allow(client, &queue.url).await?;
                self.remember(|queue| queue.arn = Some(arn.clone()));
                arn
            }
        };
        let subscription = client.subscribe(&self.topic, &arn).await?;
        self.remember(|queue| queue.subscription = Some(subscription.clone()));
        info!(
            queue = queue.url,
            topic = self.topic,
            "listening to events of ECS"
        );
        (queue.arn, queue.subscription) = (Some(arn), Some(subscription));
        Ok(queue)
    }

    async fn create(&self, client: &impl Queues) -> Result<Queue, ProviderError> {
        let settings = &self.settings;
        let random: u64 = rand::rng().random();
        let name = format!("{}{random:0width$x}", settings.queue_prefix, width = RANDOM);
        let attributes = [
            ("MessageRetentionPeriod", settings.retention.as_secs().to_string()),
            (
                "ReceiveMessageWaitTimeSeconds",
                settings.wait_time.as_secs().to_string(),
            ),
            ("VisibilityTimeout", VISIBILITY.to_string()),
            ("SqsManagedSseEnabled", "true".to_owned()),
        ];
        let tags = [(OWNER, self.owner.as_str()), (HEARTBEAT, "0")];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let url = client.create_queue(&name, &attributes, &tags.into()).await?;
        let queue = Queue {
            url,
            ..Queue::default()
        };
        *self.locked() = Some(queue.clone());
        Ok(queue)
    }

    /// Lets the topic send to the queue, and nobody else. The queue's ARN.
    async fn allow(&self, client: &impl Queues, url: &str) -> Result<String, ProviderError> {
        let lost = || ProviderError::Malformed {
            endpoint: "SQS".to_owned(),
            reason: format!("it does not know {url}, which it has just made"),
        };
        let arn = client.queue_arn(url).await?.ok_or_else(|| self.lost(lost()))?;
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "Topic",
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": self.topic}},
            }],
        });
        let set = client.set_policy(url, &policy.to_string()).await?;
        set.ok_or_else(|| self.lost(lost()))?;
        Ok(arn)
    }

    fn lost(&self, error: ProviderError) -> ProviderError {
        self.locked().take();
        error
    }

    /// The queue is gone: ends its subscription, so that the topic does not go on in vain.
    pub(super) async fn forget(&self, client: &impl Queues) {
        let queue = self.locked().take();
        if let Some(subscription) = queue.and_then(|queue| queue.subscription)
            && let Err(error) = client.unsubscribe(&subscription).await
        {
            debug!(subscription, %error, "the subscription of a queue that is gone stays for now");
        }
    }

    /// Shows that the owner lives, and subscribes again where somebody ended that.
    pub(super) async fn beat(&self, client: &impl Queues) -> Result<(), ProviderError> {
        let Some(queue) = self.subscribed() else {
            return Ok(());
        };
        let beats = queue.beats + 1;
        let tags = BTreeMap::from([(HEARTBEAT.to_owned(), beats.to_string())]);
        // Where it is gone, who listens notices.
        if client.tag_queue(&queue.url, &tags).await?.is_none() {
            return Ok(());
        }
        let arn = queue.arn.unwrap_or_default();
        let subscription = client.subscribe(&self.topic, &arn).await?;
        self.remember(|known| {
            if known.url == queue.url {
                known.beats = beats;
                known.subscription = Some(subscription);
            }
        });
        Ok(())
    }

    /// Removes the queue and its subscription.
    pub(super) async fn remove(&self, client: &impl Queues) {
        let Some(queue) = self.locked().take() else {
            return;
        };
        let unsubscribed = match &queue.subscription {
            Some(subscription) => client.unsubscribe(subscription).await,
            None => Ok(()),
        };
        let deleted = client.delete_queue(&queue.url).await.map(drop);
        match unsubscribed.and(deleted) {
            Ok(()) => debug!(queue = queue.url, "removed the queue of events"),
            Err(error) => warn!(
                queue = queue.url,
                %error,
                "could not remove the queue of events; another Mesh will, once it has expired"
            ),
        }
    }

    fn remember(&self, change: impl FnOnce(&mut Queue)) {
        if let Some(queue) = &mut *self.locked() {
            change(queue);
        }
    }

    fn locked(&self) -> MutexGuard<'_, Option<Queue>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who this is, in characters that a tag may have.
fn owner(provider: &str) -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_default();
    let text = format!("{provider} {host} {}", std::process::id());
    let fits = |char: &char| char.is_ascii_alphanumeric() || " _.:/=+-@".contains(*char);
    text.chars().filter(fits).take(256).collect()
}

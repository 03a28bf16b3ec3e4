//! The queue of this process: made, shown to be alive, removed.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use mesh_discovery::ProviderError;
use rand::Rng as _;
use serde_json::{Value, json};
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
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    /// What the next queue is called. It stays while it is not known whether there is one: asked again, SQS gives the
    /// queue that there is.
    name: Option<String>,
    queue: Option<Queue>,
}

/// What came of a sign of life.
#[derive(Debug)]
pub(super) struct Beat {
    /// Events did not come, and do again.
    pub(super) repaired: bool,
    /// The first failure.
    pub(super) kept: Result<(), ProviderError>,
}

impl Own {
    pub(super) fn new(topic: &str, settings: &EventsSettings, provider: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            settings: settings.clone(),
            owner: owner(provider),
            made: Mutex::default(),
        }
    }

    /// The queue, once events come to it.
    pub(super) fn subscribed(&self) -> Option<Queue> {
        let queue = self.known();
        queue.filter(|queue| queue.subscription.is_some())
    }

    /// The queue, whatever there is of it.
    pub(super) fn known(&self) -> Option<Queue> {
        self.locked().queue.clone()
    }

    /// First part of the names of queues like it.
    pub(super) fn prefix(&self) -> &str {
        &self.settings.queue_prefix
    }

    /// Makes the queue, or what is missing of it. What was made is remembered step by step, so that the next try goes on
    /// from there and an end in between leaves nothing behind.
    pub(super) async fn make(&self, client: &impl Queues) -> Result<(), ProviderError> {
        let queue = match self.known() {
            Some(queue) => queue,
            None => self.create(client).await?,
        };
        let arn = match &queue.arn {
            Some(arn) => arn.clone(),
            None => {
                let arn = self.allow(client, &queue.url).await?;
                self.remember(&queue.url, |queue| queue.arn = Some(arn.clone()));
                arn
            }
        };
        let subscription = client.subscribe(&self.topic, &arn).await?;
        self.remember(&queue.url, |queue| queue.subscription = Some(subscription));
        info!(
            queue = queue.url,
            topic = self.topic,
            "listening to events of ECS"
        );
        Ok(())
    }

    async fn create(&self, client: &impl Queues) -> Result<Queue, ProviderError> {
        let settings = &self.settings;
        let random: u64 = rand::rng().random();
        let name = format!("{}{random:0width$x}", settings.queue_prefix, width = RANDOM);
        let name = self.locked().name.get_or_insert(name).clone();
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
        let created = client.create_queue(&name, &attributes, &tags.into()).await;
        let url = created.inspect_err(|error| {
            // SQS refused the name, perhaps: there is no queue of ours that has it.
            if matches!(error, ProviderError::Refused { status, .. } if *status < 500) {
                self.locked().name.take();
            }
        })?;
        let queue = Queue {
            url,
            ..Queue::default()
        };
        *self.locked() = Made {
            name: None,
            queue: Some(queue.clone()),
        };
        Ok(queue)
    }

    /// Lets the topic send to the queue, and nobody else. The queue's ARN.
    async fn allow(&self, client: &impl Queues, url: &str) -> Result<String, ProviderError> {
        let lost = || ProviderError::Malformed {
            endpoint: "SQS".to_owned(),
            reason: format!("it does not know {url}, which it has just made"),
        };
        let arn = client.queue_arn(url).await?.ok_or_else(|| self.lost(lost()))?;
        let set = client.set_policy(url, &self.policy(&arn).to_string()).await?;
        set.ok_or_else(|| self.lost(lost()))?;
        Ok(arn)
    }

    fn policy(&self, arn: &str) -> Value {
        json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "Topic",
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": self.topic}},
            }],
        })
    }

    fn lost(&self, error: ProviderError) -> ProviderError {
        self.locked().queue.take();
        error
    }

    /// The queue is gone: ends its subscription, so that the topic does not go on in vain.
    pub(super) async fn forget(&self, client: &impl Queues) {
        let queue = self.locked().queue.take();
        if let Some(subscription) = queue.and_then(|queue| queue.subscription)
            && let Err(error) = client.unsubscribe(&subscription).await
        {
            debug!(subscription, %error, "the subscription of a queue that is gone stays for now");
        }
    }

    /// Shows that the owner lives, whatever else fails; and has the topic send, where somebody ended that.
    pub(super) async fn beat(&self, client: &impl Queues) -> Beat {
        let Some(queue) = self.known() else {
            return Beat {
                repaired: false,
                kept: Ok(()),
            };
        };
        let beats = queue.beats + 1;
        // At once: each sign differs from the one before, also where nobody knows what became of that.
        self.remember(&queue.url, |known| known.beats = beats);
        let tags = BTreeMap::from([(HEARTBEAT.to_owned(), beats.to_string())]);
        let tagged = client.tag_queue(&queue.url, &tags).await.map(drop);
        let (Some(arn), Some(subscription)) = (&queue.arn, &queue.subscription) else {
            // It is being made.
            return Beat {
                repaired: false,
                kept: tagged,
            };
        };
        let allowed = self.allow_again(client, &queue.url, arn).await;
        let subscribed = self.subscribe_again(client, &queue.url, arn, subscription).await;
        let repaired = |done: &Result<bool, ProviderError>| matches!(done, Ok(true));
        Beat {
            repaired: repaired(&allowed) || repaired(&subscribed),
            kept: tagged.and(allowed.map(drop)).and(subscribed.map(drop)),
        }
    }

    /// Sets the policy where it is another one. True where it was.
    async fn allow_again(&self, client: &impl Queues, url: &str, arn: &str) -> Result<bool, ProviderError> {
        let policy = self.policy(arn);
        match client.queue_policy(url).await? {
            Some(found) if serde_json::from_str(&found).ok().as_ref() != Some(&policy) => {
                Ok(client.set_policy(url, &policy.to_string()).await?.is_some())
            }
            // Where it is gone, who listens notices.
            Some(_) | None => Ok(false),
        }
    }

    /// Subscribes where that has ended. True where it had.
    async fn subscribe_again(
        &self,
        client: &impl Queues,
        url: &str,
        arn: &str,
        known: &str,
    ) -> Result<bool, ProviderError> {
        let subscription = client.subscribe(&self.topic, arn).await?;
        let is_new = subscription != known;
        self.remember(url, |queue| queue.subscription = Some(subscription));
        Ok(is_new)
    }

    /// Removes the queue and its subscription. A queue that stays keeps its subscription: others find it by that.
    pub(super) async fn remove(&self, client: &impl Queues) {
        let Some(queue) = self.locked().queue.take() else {
            return;
        };
        let removed = async {
            client.delete_queue(&queue.url).await?;
            match &queue.subscription {
                Some(subscription) => client.unsubscribe(subscription).await,
                None => Ok(()),
            }
        };
        match removed.await {
            Ok(()) => debug!(queue = queue.url, "removed the queue of events"),
            Err(error) => warn!(
                queue = queue.url,
                %error,
                "could not remove the queue of events; another Mesh will, once it has expired"
            ),
        }
    }

    /// Notes something of the queue, if it is still this one.
    fn remember(&self, url: &str, change: impl FnOnce(&mut Queue)) {
        let mut made = self.locked();
        if let Some(queue) = made.queue.as_mut().filter(|queue| queue.url == url) {
            change(queue);
        }
    }

    fn locked(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who this is, in characters that a tag may have.
fn owner(provider: &str) -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_default();
    let text = format!("{provider} {host} {}", std::process::id());
    let fits = |char: &char| char.is_ascii_alphanumeric() || " _.:/=+-@".contains(*char);
    text.chars().filter(fits).take(256).collect()
}

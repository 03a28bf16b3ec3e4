//! Queues and a topic in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use mesh_discovery::ProviderError;
use mesh_provider_ecs::{Message, Page, QueueAction, Queues, Subscription};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use crate::world::World;

pub(crate) const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:mesh-events";

const QUEUES: &str = "arn:aws:sqs:eu-central-1:123456789012";

/// How long a question for messages waits.
const WAIT: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
pub(crate) struct Mail {
    /// By URL.
    pub(crate) queues: BTreeMap<String, Queue>,
    /// Queues' ARNs by subscription.
    pub(crate) subscriptions: BTreeMap<String, String>,
    /// What fails.
    pub(crate) denied: BTreeSet<QueueAction>,
    pub(crate) called: BTreeSet<QueueAction>,
    /// Queues that are made still without the caller getting to know.
    pub(crate) lost_answers: usize,
    made: usize,
    arrived: Arc<Notify>,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    messages: Vec<String>,
    pub(crate) policy: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) received: usize,
}

impl World {
    /// Sends `message` to all queues that are subscribed and let the topic send.
    pub(crate) fn publish(&self, message: &str) {
        let mut state = self.state();
        let Mail {
            queues,
            subscriptions,
            ..
        } = &mut state.mail;
        for (url, queue) in queues {
            let subscribed = subscriptions.values().any(|arn| *arn == arn_of(url));
            if subscribed && queue.policy.contains(TOPIC) {
                queue.messages.push(message.to_owned());
            }
        }
        state.mail.arrived.notify_waiters();
    }

    fn call<T>(&self, action: QueueAction, act: impl FnOnce(&mut Mail) -> T) -> Result<T, ProviderError> {
        let mut state = self.state();
        state.mail.called.insert(action);
        if state.mail.denied.contains(&action) {
            return Err(ProviderError::Refused {
                endpoint: "aws.test".to_owned(),
                status: 403,
                reason: format!("AccessDenied to {}", action.as_str()),
                retry_after: None,
            });
        }
        Ok(act(&mut state.mail))
    }
}

fn arn_of(url: &str) -> String {
    format!("{QUEUES}:{}", url.rsplit('/').next().unwrap())
}

/// A page of two.
fn page_of<T: Clone>(all: &[T], page: Option<String>) -> Page<T> {
    let at: usize = page.map_or(0, |page| page.parse().unwrap());
    let items: Vec<_> = all.iter().skip(at).take(2).cloned().collect();
    let next = at + items.len();
    Page {
        items,
        next: (next < all.len()).then(|| next.to_string()),
    }
}

impl Queues for World {
    async fn create_queue(
        &self,
        name: &str,
        attributes: &[(&str, String)],
        tags: &BTreeMap<String, String>,
    ) -> Result<String, ProviderError> {
        self.call(QueueAction::CreateQueue, |mail| {
            let url = format!("https://sqs.test/123456789012/{name}");
            let attributes = attributes
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()));
            let queue = Queue {
                attributes: attributes.collect(),
                tags: tags.clone(),
                ..Queue::default()
            };
            mail.queues.entry(url.clone()).or_insert(queue);
            url
        })
        .and_then(|url| {
            let mut state = self.state();
            if state.mail.lost_answers == 0 {
                return Ok(url);
            }
            state.mail.lost_answers -= 1;
            Err(ProviderError::Unreachable {
                endpoint: "aws.test".to_owned(),
                reason: "timeout".to_owned(),
            })
        })
    }

    async fn queue_arn(&self, url: &str) -> Result<Option<String>, ProviderError> {
        self.call(QueueAction::GetQueueAttributes, |mail| {
            mail.queues.contains_key(url).then(|| arn_of(url))
        })
    }

    async fn queue_policy(&self, url: &str) -> Result<Option<String>, ProviderError> {
        self.call(QueueAction::GetQueueAttributes, |mail| {
            mail.queues.get(url).map(|queue| queue.policy.clone())
        })
    }

    async fn set_policy(&self, url: &str, policy: &str) -> Result<Option<()>, ProviderError> {
        self.call(QueueAction::SetQueueAttributes, |mail| {
            policy.clone_into(&mut mail.queues.get_mut(url)?.policy);
            Some(())
        })
    }

    async fn tag_queue(
        &self,
        url: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<Option<()>, ProviderError> {
        self.call(QueueAction::TagQueue, |mail| {
            mail.queues.get_mut(url)?.tags.extend(tags.clone());
            Some(())
        })
    }

    async fn queue_tags(&self, url: &str) -> Result<Option<BTreeMap<String, String>>, ProviderError> {
        self.call(QueueAction::ListQueueTags, |mail| {
            mail.queues.get(url).map(|queue| queue.tags.clone())
        })
    }

    async fn queues(&self, prefix: &str, page: Option<String>) -> Result<Page<String>, ProviderError> {
        self.call(QueueAction::ListQueues, |mail| {
            let begins = |url: &&String| url.rsplit('/').next().unwrap().starts_with(prefix);
            let all: Vec<String> = mail.queues.keys().filter(begins).cloned().collect();
            page_of(&all, page)
        })
    }

    async fn receive(&self, url: &str) -> Result<Option<Vec<Message>>, ProviderError> {
        let start = Instant::now();
        let arrived = self.state().mail.arrived.clone();
        loop {
            let news = arrived.notified();
            let received = self.call(QueueAction::ReceiveMessage, |mail| {
                let queue = mail.queues.get_mut(url)?;
                let count = queue.messages.len().min(10);
                queue.received += count;
                // Deleted at once; receipts are not looked at.
                Some(queue.messages.drain(..count).collect::<Vec<_>>())
            })?;
            let Some(messages) = received else {
                return Ok(None);
            };
            if !messages.is_empty() || start.elapsed() >= WAIT {
                let message = |body| Message {
                    body,
                    receipt: "receipt".to_owned(),
                };
                return Ok(Some(messages.into_iter().map(message).collect()));
            }
            // Queues go without a word.
            let _: Result<(), _> = timeout(Duration::from_secs(1), news).await;
        }
    }

    async fn delete_messages(&self, url: &str, _: &[String]) -> Result<Option<()>, ProviderError> {
        self.call(QueueAction::DeleteMessage, |mail| {
            mail.queues.contains_key(url).then_some(())
        })
    }

    async fn delete_queue(&self, url: &str) -> Result<Option<()>, ProviderError> {
        self.call(QueueAction::DeleteQueue, |mail| mail.queues.remove(url).map(drop))
    }

    async fn subscribe(&self, topic: &str, queue: &str) -> Result<String, ProviderError> {
        assert_eq!(topic, TOPIC);
        self.call(QueueAction::Subscribe, |mail| {
            let known = mail.subscriptions.iter().find(|(_, arn)| *arn == queue);
            if let Some((subscription, _)) = known {
                return subscription.clone();
            }
            mail.made += 1;
            let subscription = format!("{TOPIC}:{}", mail.made);
            mail.subscriptions.insert(subscription.clone(), queue.to_owned());
            subscription
        })
    }

    async fn subscriptions(
        &self,
        _: &str,
        page: Option<String>,
    ) -> Result<Page<Subscription>, ProviderError> {
        self.call(QueueAction::ListSubscriptionsByTopic, |mail| {
            let all = mail.subscriptions.iter().map(|(arn, endpoint)| Subscription {
                arn: arn.clone(),
                endpoint: endpoint.clone(),
            });
            page_of(&all.collect::<Vec<_>>(), page)
        })
    }

    async fn unsubscribe(&self, subscription: &str) -> Result<(), ProviderError> {
        self.call(QueueAction::Unsubscribe, |mail| {
            mail.subscriptions.remove(subscription);
        })
    }
}

//! What is asked of SQS and SNS, one call at a time, behind a trait that tests stand in for.

use std::{collections::BTreeMap, future::Future};

use mesh_discovery::ProviderError;

use crate::answer::Page;

/// A call to SQS or SNS, by the action that an IAM policy has to allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueAction {
    /// `sqs:CreateQueue`
    CreateQueue,
    /// `sqs:GetQueueAttributes`
    GetQueueAttributes,
    /// `sqs:SetQueueAttributes`
    SetQueueAttributes,
    /// `sqs:TagQueue`
    TagQueue,
    /// `sqs:ListQueues`
    ListQueues,
    /// `sqs:ListQueueTags`
    ListQueueTags,
    /// `sqs:ReceiveMessage`
    ReceiveMessage,
    /// `sqs:DeleteMessage`
    DeleteMessage,
    /// `sqs:DeleteQueue`
    DeleteQueue,
    /// `sns:Subscribe`
    Subscribe,
    /// `sns:ListSubscriptionsByTopic`
    ListSubscriptionsByTopic,
    /// `sns:Unsubscribe`
    Unsubscribe,
}

impl QueueAction {
    /// As policies write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateQueue => "sqs:CreateQueue",
            Self::GetQueueAttributes => "sqs:GetQueueAttributes",
            Self::SetQueueAttributes => "sqs:SetQueueAttributes",
            Self::TagQueue => "sqs:TagQueue",
            Self::ListQueues => "sqs:ListQueues",
            Self::ListQueueTags => "sqs:ListQueueTags",
            Self::ReceiveMessage => "sqs:ReceiveMessage",
            Self::DeleteMessage => "sqs:DeleteMessage",
            Self::DeleteQueue => "sqs:DeleteQueue",
            Self::Subscribe => "sns:Subscribe",
            Self::ListSubscriptionsByTopic => "sns:ListSubscriptionsByTopic",
            Self::Unsubscribe => "sns:Unsubscribe",
        }
    }
}

/// A message in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its text.
    pub body: String,
    /// Deletes it.
    pub receipt: String,
}

/// A subscription of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Ends it.
    pub arn: String,
    /// Where messages go: for a queue, its ARN.
    pub endpoint: String,
}

/// SQS and SNS as this provider needs them. `None` says that there is no such queue.
pub trait Queues: Send + Sync + 'static {
    /// Makes a queue and gives its URL; the same one where there is a queue of this name and these attributes.
    fn create_queue(
        &self,
        name: &str,
        attributes: &[(&str, String)],
        tags: &BTreeMap<String, String>,
    ) -> impl Future<Output = Result<String, ProviderError>> + Send;

    /// The ARN of a queue.
    fn queue_arn(&self, url: &str) -> impl Future<Output = Result<Option<String>, ProviderError>> + Send;

    /// Who may do what with a queue; empty where nobody said so.
    fn queue_policy(&self, url: &str) -> impl Future<Output = Result<Option<String>, ProviderError>> + Send;

    /// Says who may do what with a queue.
    fn set_policy(
        &self,
        url: &str,
        policy: &str,
    ) -> impl Future<Output = Result<Option<()>, ProviderError>> + Send;

    /// Gives a queue further tags.
    fn tag_queue(
        &self,
        url: &str,
        tags: &BTreeMap<String, String>,
    ) -> impl Future<Output = Result<Option<()>, ProviderError>> + Send;

    /// The tags of a queue.
    fn queue_tags(
        &self,
        url: &str,
    ) -> impl Future<Output = Result<Option<BTreeMap<String, String>>, ProviderError>> + Send;

    /// The URLs of the queues whose names begin with `prefix`.
    fn queues(
        &self,
        prefix: &str,
        page: Option<String>,
    ) -> impl Future<Output = Result<Page<String>, ProviderError>> + Send;

    /// Waits for messages, up to the time and number that the provider's settings say.
    fn receive(&self, url: &str) -> impl Future<Output = Result<Option<Vec<Message>>, ProviderError>> + Send;

    /// Deletes up to ten messages.
    fn delete_messages(
        &self,
        url: &str,
        receipts: &[String],
    ) -> impl Future<Output = Result<Option<()>, ProviderError>> + Send;

    /// Deletes a queue with all that is in it.
    fn delete_queue(&self, url: &str) -> impl Future<Output = Result<Option<()>, ProviderError>> + Send;

    /// Lets a topic send to a queue, and gives the ARN of the subscription; the same one where it did already.
    fn subscribe(
        &self,
        topic: &str,
        queue: &str,
    ) -> impl Future<Output = Result<String, ProviderError>> + Send;

    /// The subscriptions of a topic.
    fn subscriptions(
        &self,
        topic: &str,
        page: Option<String>,
    ) -> impl Future<Output = Result<Page<Subscription>, ProviderError>> + Send;

    /// Ends a subscription, if there is one.
    fn unsubscribe(&self, subscription: &str) -> impl Future<Output = Result<(), ProviderError>> + Send;
}

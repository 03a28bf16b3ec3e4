//! SQS and SNS, through their SDKs.

use std::{collections::BTreeMap, error::Error};

use aws_config::{Region, SdkConfig};
use aws_sdk_ecs::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, QueueAttributeName};
use mesh_discovery::ProviderError;

use super::{CALL_TIMEOUT, SdkClient, Services, error::Asked};
use crate::{
    answer::Page,
    events::{EventsSettings, Message, QueueAction, Queues, Subscription, region},
};

/// Entries on a page of queues: the most there may be.
const QUEUES_PAGE: i32 = 1000;

/// The configuration for queues: in the region of the topic, and with time to wait for messages.
pub(super) fn configuration(config: &SdkConfig, events: &EventsSettings) -> SdkConfig {
    let mut builder = config.clone().into_builder();
    if let Some(region) = events.topic().and_then(region) {
        builder = builder.region(Region::new(region.to_owned()));
    }
    let timeouts = config.timeout_config().cloned().map(|timeouts| {
        let timeouts = timeouts.into_builder();
        timeouts
            .operation_timeout(CALL_TIMEOUT + events.wait_time)
            .build()
    });
    builder.set_timeout_config(timeouts);
    builder.build()
}

impl SdkClient {
    async fn asks_queues(&self, action: QueueAction) -> Result<(&Services, Asked<'_>), ProviderError> {
        let services = self.services().await?;
        let asked = Asked {
            endpoint: &services.endpoint,
            action: action.as_str(),
        };
        Ok((services, asked))
    }
}

/// An answer of SQS; `None` where the queue does not exist.
fn of_a_queue<T, E>(
    asked: Asked<'_>,
    answer: Result<T, SdkError<E, HttpResponse>>,
) -> Result<Option<T>, ProviderError>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.code().is_some_and(is_missing) => Ok(None),
        Err(error) => Err(asked.failed(&error)),
    }
}

fn is_missing(code: &str) -> bool {
    code == "QueueDoesNotExist" || code.ends_with("NonExistentQueue")
}

impl Queues for SdkClient {
    async fn create_queue(
        &self,
        name: &str,
        attributes: &[(&str, String)],
        tags: &BTreeMap<String, String>,
    ) -> Result<String, ProviderError> {
        let (services, asked) = self.asks_queues(QueueAction::CreateQueue).await?;
        let mut call = services.sqs.create_queue().queue_name(name);
        for (key, value) in attributes {
            call = call.attributes(QueueAttributeName::from(*key), value);
        }
        for (key, value) in tags {
            call = call.tags(key, value);
        }
        let answer = call.send().await.map_err(|error| asked.failed(&error))?;
        asked.there("QueueUrl", answer.queue_url)
    }

    async fn queue_arn(&self, url: &str) -> Result<Option<String>, ProviderError> {
        let (services, asked) = self.asks_queues(QueueAction::GetQueueAttributes).await?;
        let call = services.sqs.get_queue_attributes().queue_url(url);
        let call = call.attribute_names(QueueAttributeName::QueueArn);
        let Some(answer) = of_a_queue(asked, call.send().await)? else {
            return Ok(None);
        };
        let mut attributes = answer.attributes.unwrap_or_default();
        let arn = attributes.remove(&QueueAttributeName::QueueArn);
        asked.there("QueueArn", arn).map(Some)
    }

    async fn queue_policy(&self, url: &str) -> Result<Option<String>, ProviderError> {
        let (services, asked) = self.asks_queues(QueueAction::GetQueueAttributes).await?;
        let call = services.sqs.get_queue_attributes().queue_url(url);
        let call = call.attribute_names(QueueAttributeName::Policy);
        let answer = of_a_queue(asked, call.send().await)?;
        Ok(answer.map(|answer| {
            let mut attributes = answer.attributes.unwrap_or_default();
            attributes.remove(&QueueAttributeName::Policy).unwrap_or_default()
        }))
    }

    async fn set_policy(&self, url: &str, policy: &str) -> Result<Option<()>, ProviderError> {
        let (services, asked) = self.asks_queues(QueueAction::SetQueueAttributes).await?;
        let call = services.sqs.set_queue_attributes().queue_url(url);
        let call = call.attributes(QueueAttributeName::Policy, policy);
        Ok(of_a_queue(asked, call.send().await)?.map(drop))
    }

    async fn tag_queue(
        &self,
        url: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<Option<()>, ProviderError> {
        let (services, asked) = self.asks_queues(QueueAction::TagQueue).await?;
        let mut call = services.sqs.tag_queue().queue_url(url);
        for (key, value) in tags {
            call = call.tags(key, value);
        }
        Ok(of_a_queue(asked, call.send().await)?.map(drop))
    }

    async fn queue_tags(&self, url: &str) -> Result<Option<BTreeMap<String, String>>, ProviderError> {
        let (services, asked) = self.asks_queues(QueueAction::ListQueueTags).await?;
        let call = services.sqs.list_queue_tags().queue_url(url);
        let answer = of_a_queue(asked, call.send().await)?;
        Ok(answer.map(|answer| answer.tags.unwrap_or_default().into_iter().collect()))
    }

    async fn queues(&self, prefix: &str, page: Option<String>) -> Result<Page<String>, ProviderError> {
        let (services, asked) = self.asks_queues(QueueAction::ListQueues).await?;
        let call = services.sqs.list_queues().queue_name_prefix(prefix);
        let call = call.max_results(QUEUES_PAGE).set_next_token(page);
        let answer = call.send().await.map_err(|error| asked.failed(&error))?;
        Ok(Page {
            items: answer.queue_urls.unwrap_or_default(),
            next: answer.next_token.filter(|token| !token.is_empty()),
        })
    }

    async fn receive(&self, url: &str) -> Result<Option<Vec<Message>>, ProviderError> {
        let (services, asked) = self.asks_queues(QueueAction::ReceiveMessage).await?;
        let events = &self.settings.events;
        let wait = events.wait_time.as_secs().try_into().unwrap_or(i32::MAX);
        let call = services.sqs.receive_message().queue_url(url);
        let call = call
            .max_number_of_messages(events.max_messages.into())
            .wait_time_seconds(wait);
        let Some(answer) = of_a_queue(asked, call.send().await)? else {
            return Ok(None);
        };
        let messages = answer.messages.unwrap_or_default().into_iter();
        let messages = messages.map(|message| Message {
            body: message.body.unwrap_or_default(),
            receipt: message.receipt_handle.unwrap_or_default(),
        });
        Ok(Some(messages.collect()))
    }

    async fn delete_messages(&self, url: &str, receipts: &[String]) -> Result<Option<()>, ProviderError> {
        let (services, asked) = self.asks_queues(QueueAction::DeleteMessage).await?;
        let mut call = services.sqs.delete_message_batch().queue_url(url);
        for (id, receipt) in receipts.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder();
            let entry = entry.id(id.to_string()).receipt_handle(receipt).build();
            call = call.entries(entry.map_err(|error| asked.malformed(&error))?);
        }
        Ok(of_a_queue(asked, call.send().await)?.map(drop))
    }

    async fn delete_queue(&self, url: &str) -> Result<Option<()>, ProviderError> {
        let (services, asked) = self.asks_queues(QueueAction::DeleteQueue).await?;
        let call = services.sqs.delete_queue().queue_url(url);
        Ok(of_a_queue(asked, call.send().await)?.map(drop))
    }

    async fn subscribe(&self, topic: &str, queue: &str) -> Result<String, ProviderError> {
        let (services, asked) = self.asks_queues(QueueAction::Subscribe).await?;
        let call = services
            .sns
            .subscribe()
            .topic_arn(topic)
            .protocol("sqs")
            .endpoint(queue);
        let call = call
            .attributes("RawMessageDelivery", "true")
            .return_subscription_arn(true);
        let answer = call.send().await.map_err(|error| asked.failed(&error))?;
        asked.there("SubscriptionArn", answer.subscription_arn)
    }

    async fn subscriptions(
        &self,
        topic: &str,
        page: Option<String>,
    ) -> Result<Page<Subscription>, ProviderError> {
        let (services, asked) = self.asks_queues(QueueAction::ListSubscriptionsByTopic).await?;
        let call = services.sns.list_subscriptions_by_topic().topic_arn(topic);
        let answer = call.set_next_token(page).send().await;
        let answer = answer.map_err(|error| asked.failed(&error))?;
        let all = answer.subscriptions.unwrap_or_default().into_iter();
        let all = all.map(|one| Subscription {
            arn: one.subscription_arn.unwrap_or_default(),
            endpoint: one.endpoint.unwrap_or_default(),
        });
        Ok(Page {
            items: all.collect(),
            next: answer.next_token.filter(|token| !token.is_empty()),
        })
    }

    async fn unsubscribe(&self, subscription: &str) -> Result<(), ProviderError> {
        let (services, asked) = self.asks_queues(QueueAction::Unsubscribe).await?;
        let call = services.sns.unsubscribe().subscription_arn(subscription);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NotFound") => Ok(()),
            Err(error) => Err(asked.failed(&error)),
        }
    }
}

//! Queues whose owners ended without removing them.
//!
//! A living owner changes the tag of its queue again and again. What did not change for a while, as long as this process
//! has watched it, is removed. Clocks of other machines do not count.

use std::{collections::BTreeMap, time::Duration};

use mesh_discovery::ProviderError;
use tokio::time::Instant;
use tracing::{debug, info};

use super::{
    client::{Queues, Subscription},
    queue::{HEARTBEAT, Queue, RANDOM},
};

/// Most queues that are looked at in one round; others have their turn in the next ones.
const LOOKS: usize = 10;

/// Most pages of subscriptions, of a hundred each.
const MAX_PAGES: usize = 20;

/// What was seen of the queues of others.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    seen: BTreeMap<String, Seen>,
    /// The queue that was looked at last.
    last: String,
    /// Queues could not be listed.
    is_blind: bool,
}

/// The sign of life of a queue; `None` where the queue itself is gone.
#[derive(Debug)]
struct Seen {
    sign: Option<String>,
    since: Instant,
}

impl Leftovers {
    /// Looks at some of the queues of `topic`, and of those whose names begin with `prefix`, beside `own`; and removes
    /// those without a sign of life for `expiry`.
    pub(super) async fn clear(
        &mut self,
        client: &impl Queues,
        (topic, prefix): (&str, &str),
        own: &Queue,
        expiry: Duration,
    ) -> Result<(), ProviderError> {
        let subscribed = subscribed(client, topic, own).await?;
        let mut others = self.unsubscribed(client, prefix, own).await;
        others.extend(subscribed);
        self.seen.retain(|queue, _| others.contains_key(queue));
        let is_past = |queue: &str| queue <= self.last.as_str();
        let (past, turn): (Vec<_>, Vec<_>) = others.iter().partition(|(queue, _)| is_past(queue));
        for (queue, subscription) in turn.into_iter().chain(past).take(LOOKS) {
            self.last.clone_from(queue);
            let url = url(own, queue);
            let sign = match client.queue_tags(&url).await? {
                None => None,
                Some(mut tags) => match tags.remove(HEARTBEAT) {
                    Some(sign) => Some(sign),
                    // Not one of ours.
                    None => continue,
                },
            };
            if self.is_dead(queue, sign, expiry) {
                // A queue that stays is found by its subscription.
                client.delete_queue(&url).await?;
                if let Some(subscription) = subscription {
                    client.unsubscribe(subscription).await?;
                }
                self.seen.remove(queue);
                info!(queue = url, "removed a queue of events whose owner is gone");
            }
        }
        Ok(())
    }

    /// Queues of our kind by their names: one may have been made and never subscribed. Without the right to list them
    /// these stay.
    async fn unsubscribed(
        &mut self,
        client: &impl Queues,
        prefix: &str,
        own: &Queue,
    ) -> BTreeMap<String, Option<String>> {
        let (mut others, mut next) = (BTreeMap::new(), None);
        for _ in 0..MAX_PAGES {
            let page = match client.queues(prefix, next).await {
                Ok(page) => page,
                Err(error) => {
                    if !self.is_blind {
                        debug!(prefix, %error, "cannot list queues; those that were never subscribed stay");
                    }
                    self.is_blind = true;
                    break;
                }
            };
            self.is_blind = false;
            let arns = page.items.iter().filter_map(|found| arn(own, found));
            others.extend(arns.map(|arn| (arn, None)));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        others
    }

    fn is_dead(&mut self, queue: &str, sign: Option<String>, expiry: Duration) -> bool {
        let now = Instant::now();
        match self.seen.get(queue) {
            Some(seen) if seen.sign == sign => now.duration_since(seen.since) >= expiry,
            Some(_) | None => {
                self.seen.insert(queue.to_owned(), Seen { sign, since: now });
                false
            }
        }
    }
}

/// Queues of our kind that the topic sends to: their ARNs and subscriptions.
async fn subscribed(
    client: &impl Queues,
    topic: &str,
    own: &Queue,
) -> Result<BTreeMap<String, Option<String>>, ProviderError> {
    let (mut others, mut next) = (BTreeMap::new(), None);
    for _ in 0..MAX_PAGES {
        let page = client.subscriptions(topic, next).await?;
        // A subscription that waits to be confirmed has no ARN.
        let ours = page
            .items
            .into_iter()
            .filter(|one: &Subscription| one.arn.starts_with("arn:") && is_of_our_kind(&one.endpoint, own));
        others.extend(ours.map(|one| (one.endpoint, Some(one.arn))));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    Ok(others)
}

/// The ARN of a queue in the same account and region, with a name like ours; and not ours.
fn is_of_our_kind(arn: &str, own: &Queue) -> bool {
    let Some(own) = own.arn.as_deref() else {
        return false;
    };
    let stem = own.len().checked_sub(RANDOM).and_then(|at| own.get(..at));
    let random = stem.and_then(|stem| arn.strip_prefix(stem));
    let is_random = |text: &str| text.len() == RANDOM && text.chars().all(|char| char.is_ascii_hexdigit());
    arn != own && random.is_some_and(is_random)
}

/// The URL of a queue beside ours.
fn url(own: &Queue, arn: &str) -> String {
    let base = own.url.rsplit_once('/').map_or("", |(base, _)| base);
    let name = arn.rsplit(':').next().unwrap_or_default();
    format!("{base}/{name}")
}

/// The ARN of the queue at `found`, if it is one of our kind. Lists have queues of our account and region alone.
fn arn(own: &Queue, found: &str) -> Option<String> {
    let base = own.arn.as_deref()?.rsplit_once(':')?.0;
    let arn = format!("{base}:{}", found.rsplit('/').next()?);
    is_of_our_kind(&arn, own).then_some(arn)
}

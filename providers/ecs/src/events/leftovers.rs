//! Queues whose owners ended without removing them.
//!
//! A living owner changes the tag of its queue again and again. What did not change for a while, as long as this process
//! has watched it, is removed. Clocks of other machines do not count.

use std::{collections::BTreeMap, time::Duration};

use mesh_discovery::ProviderError;
use tokio::time::Instant;
use tracing::info;

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
}

/// The sign of life of a queue; `None` where the queue itself is gone.
#[derive(Debug)]
struct Seen {
    sign: Option<String>,
    since: Instant,
}

impl Leftovers {
    /// Looks at some of the queues of `topic` beside `own`, and removes those without a sign of life for `expiry`.
    pub(super) async fn clear(
        &mut self,
        client: &impl Queues,
        topic: &str,
        own: &Queue,
        expiry: Duration,
    ) -> Result<(), ProviderError> {
        let others = others(client, topic, own).await?;
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
                client.unsubscribe(subscription).await?;
                client.delete_queue(&url).await?;
                self.seen.remove(queue);
                info!(queue = url, "removed a queue of events whose owner is gone");
            }
        }
        Ok(())
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
async fn others(
    client: &impl Queues,
    topic: &str,
    own: &Queue,
) -> Result<BTreeMap<String, String>, ProviderError> {
    let (mut others, mut next) = (BTreeMap::new(), None);
    for _ in 0..MAX_PAGES {
        let page = client.subscriptions(topic, next).await?;
        let ours = page.items.into_iter().filter(|one| is_of_our_kind(one, own));
        others.extend(ours.map(|one| (one.endpoint, one.arn)));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    Ok(others)
}

/// In the same account and region, with a name like ours; and not ours.
fn is_of_our_kind(subscription: &Subscription, own: &Queue) -> bool {
    let Some(arn) = own.arn.as_deref() else {
        return false;
    };
    let stem = arn.len().checked_sub(RANDOM).and_then(|at| arn.get(..at));
    let random = stem.and_then(|stem| subscription.endpoint.strip_prefix(stem));
    let is_random = |text: &str| text.len() == RANDOM && text.chars().all(|char| char.is_ascii_hexdigit());
    // A subscription that waits to be confirmed has no ARN.
    subscription.arn.starts_with("arn:") && subscription.endpoint != arn && random.is_some_and(is_random)
}

/// The URL of a queue beside ours.
fn url(own: &Queue, arn: &str) -> String {
    let base = own.url.rsplit_once('/').map_or("", |(base, _)| base);
    let name = arn.rsplit(':').next().unwrap_or_default();
    format!("{base}/{name}")
}

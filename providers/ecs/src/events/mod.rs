//! Events of ECS, which say sooner than the next read that something changed.
//!
//! An event is only a hint: what became of its subject, ECS is asked at once. Whether events come twice, late or never,
//! routing is what ECS says; and what they miss, the next read finds.

mod client;
mod event;
mod hints;
mod leftovers;
mod queue;
mod settings;

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures::{Stream, stream};
use mesh_discovery::{ProviderError, retry::Backoff};
use rand::Rng as _;
use tokio::time::Instant;
use tracing::{debug, warn};

pub use client::{Message, QueueAction, Queues, Subscription};
pub(crate) use event::Subject;
pub(crate) use hints::{Expected, Told, Waiting};
pub use settings::EventsSettings;
pub(crate) use settings::region;

use hints::Hints;
use leftovers::Leftovers;
use queue::{Beat, Own, Queue};

/// The scope that tells whether events are heard.
pub(crate) const SCOPE: &str = "events";

/// How often it is told that they are.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// Shortest time from a question for events that nothing answered to the next one: not everything that speaks as SQS
/// does waits for them.
const APART: Duration = Duration::from_millis(100);

/// Signs of life within the time after which a queue without one is removed.
const SIGNS: u32 = 4;

/// What is needed to hear events.
#[derive(Debug)]
pub(crate) struct Events {
    topic: String,
    expiry: Duration,
    own: Own,
    hints: Hints,
}

impl Events {
    /// `None` where no events are to be heard.
    pub(crate) fn new(provider: &str, settings: &EventsSettings) -> Option<Self> {
        let topic = settings.topic()?;
        Some(Self {
            topic: topic.to_owned(),
            expiry: settings.expiry,
            own: Own::new(topic, settings, provider),
            hints: Hints::default(),
        })
    }

    /// What events say of `cluster` from now on.
    pub(crate) fn of(&self, cluster: &str) -> Arc<Waiting> {
        self.hints.of(cluster)
    }

    /// Hears events without end, and tells now and then whether it can.
    pub(crate) fn heard<'a, C: Queues>(
        &'a self,
        client: &'a C,
    ) -> impl Stream<Item = Result<(), ProviderError>> + Send + 'a {
        let listener = Listener {
            events: self,
            client,
            backoff: Backoff::new(),
            wait: Duration::ZERO,
            is_deaf: true,
            told: None,
        };
        stream::unfold(listener, async |mut listener| {
            Some((listener.next().await, listener))
        })
    }

    /// Keeps the queue alive, and removes those of others who did not.
    pub(crate) async fn keep<C: Queues>(&self, client: &C) -> Infallible {
        let (mut leftovers, mut fails) = (Leftovers::default(), false);
        loop {
            let pause = self.expiry / SIGNS;
            let pause = pause.mul_f64(rand::rng().random_range(0.8..=1.0));
            tokio::time::sleep(pause).await;
            let kept = self.keep_once(client, &mut leftovers).await;
            if let Err(error) = &kept
                && !fails
            {
                warn!(topic = self.topic, %error, "could not look after the queues of events");
            }
            fails = kept.is_err();
        }
    }

    /// Does what can be done; gives the first failure.
    async fn keep_once<C: Queues>(&self, client: &C, leftovers: &mut Leftovers) -> Result<(), ProviderError> {
        let Beat { repaired, kept } = self.own.beat(client).await;
        if repaired {
            warn!(
                topic = self.topic,
                "somebody kept events from the queue; they come again"
            );
            self.hints.tell_everything();
        }
        // Others have names like that of our own.
        let cleared = match self.own.known().filter(|own| own.arn.is_some()) {
            Some(own) => {
                let names = (self.topic.as_str(), self.own.prefix());
                leftovers.clear(client, names, &own, self.expiry).await
            }
            None => Ok(()),
        };
        kept.and(cleared)
    }

    /// Removes what was made for events.
    pub(crate) async fn end<C: Queues>(&self, client: &C) {
        self.own.remove(client).await;
    }
}

/// Hears events for one provider.
struct Listener<'a, C> {
    events: &'a Events,
    client: &'a C,
    backoff: Backoff,
    wait: Duration,
    /// Events may be missed.
    is_deaf: bool,
    /// When it was told last that events are heard; `None` while something fails.
    told: Option<Instant>,
}

/// What came of one step.
enum Step {
    /// The queue was made: what happened before was not heard.
    Made,
    /// All messages that were there are passed on.
    Heard { silence: bool },
    /// The same, but they will come again.
    NotDeleted(ProviderError),
    /// There is no queue any more.
    Gone,
}

impl<C: Queues> Listener<'_, C> {
    /// Whether events are heard, when that is news or was not told for a while.
    async fn next(&mut self) -> Result<(), ProviderError> {
        loop {
            tokio::time::sleep(self.wait).await;
            let start = Instant::now();
            match self.step().await {
                Ok(Step::Gone) => {
                    warn!(
                        topic = self.events.topic,
                        "the queue of events is gone; another one is made"
                    );
                    self.events.own.forget(self.client).await;
                    self.wait = self.backoff.wait();
                    (self.is_deaf, self.told) = (true, None);
                }
                Ok(Step::Made) => {
                    self.is_deaf = true;
                    self.wait = Duration::ZERO;
                    if self.hears() {
                        return Ok(());
                    }
                }
                Ok(Step::Heard { silence }) => {
                    self.backoff.reset();
                    self.wait = match silence {
                        true => APART.saturating_sub(start.elapsed()),
                        false => Duration::ZERO,
                    };
                    if self.hears() {
                        return Ok(());
                    }
                }
                Ok(Step::NotDeleted(error)) => {
                    // What is heard counts: nothing waits for that.
                    self.wait = Duration::ZERO;
                    self.catches_up();
                    self.told = None;
                    return Err(ProviderError::Unhurried(Box::new(error)));
                }
                Err(error) => {
                    self.wait = self.backoff.wait_after(&error);
                    (self.is_deaf, self.told) = (true, None);
                    return Err(ProviderError::Unhurried(Box::new(error)));
                }
            }
        }
    }

    /// Events are heard: has all read that was missed. True when it is time to tell that they are.
    fn hears(&mut self) -> bool {
        self.catches_up();
        let is_due = self.told.is_none_or(|told| told.elapsed() >= TELL_AGAIN);
        if is_due {
            self.told = Some(Instant::now());
        }
        is_due
    }

    fn catches_up(&mut self) {
        if std::mem::take(&mut self.is_deaf) {
            self.events.hints.tell_everything();
        }
    }

    async fn step(&self) -> Result<Step, ProviderError> {
        let own = &self.events.own;
        let Some(Queue { url, .. }) = own.subscribed() else {
            own.make(self.client).await?;
            return Ok(Step::Made);
        };
        let Some(messages) = self.client.receive(&url).await? else {
            return Ok(Step::Gone);
        };
        for message in &messages {
            match event::hints(&message.body) {
                Some(hints) => hints.into_iter().for_each(|hint| self.events.hints.tell(hint)),
                None => debug!(queue = url, "a message that is no event of ECS is left out"),
            }
        }
        let receipts: Vec<String> = messages.into_iter().map(|message| message.receipt).collect();
        if receipts.is_empty() {
            return Ok(Step::Heard { silence: true });
        }
        // One that cannot be deleted comes again, and does no harm.
        Ok(match self.client.delete_messages(&url, &receipts).await {
            Ok(Some(())) => Step::Heard { silence: false },
            Ok(None) => Step::Gone,
            Err(error) => Step::NotDeleted(error),
        })
    }
}

//! Follows the instances of one service: the scope `service <name>`.

use std::{sync::Arc, time::Duration};

use futures::{Stream, stream};
use mesh_config::instance::Instance;
use mesh_discovery::{Content, ProviderError, Report};
use mesh_remote::{Index, Settle};
use tokio::{sync::Notify, time::Instant};
use tracing::warn;

use crate::{Followed, PACE, answer::Registration, client::Client, cursor::Cursor, services};

/// Where the follower of one service stands.
struct Position {
    service: String,
    cursor: Cursor,
    settle: Settle,
    /// It listed instances the last time.
    has_some: bool,
    /// Tells when to ask where the query may not block.
    notice: Arc<Notify>,
}

/// The instances of `service` whenever they may have changed.
pub(crate) fn reports<C: Client>(
    followed: &Followed<C>,
    service: String,
) -> impl Stream<Item = Report> + Send + '_ {
    let position = Position {
        notice: followed.notices.of(&service),
        service,
        cursor: Cursor::new(followed.bucket(PACE), followed.service_watch()),
        settle: Settle::default(),
        has_some: false,
    };
    stream::unfold(position, async move |mut position| {
        let scope = services::scope(&position.service);
        let report = match position.next(followed).await {
            Ok(instances) => Report::Replace {
                scope,
                content: Content::Instances(instances),
            },
            Err(error) => {
                position.cursor.restart();
                followed.join(|join| join.service_failed(&position.service));
                // What changes now must be found when it works again.
                position.notice.notify_one();
                Report::Failed { scope, error }
            }
        };
        Some((report, position))
    })
}

impl Position {
    /// Waits for news and reads them.
    async fn next<C: Client>(&mut self, followed: &Followed<C>) -> Result<Vec<Instance>, ProviderError> {
        let wait = self.settle.limit(followed.wait);
        self.turn(followed, wait).await;
        let mut found = self.read(followed, wait).await?;
        if found.is_empty() && self.has_some && !self.settle.is_on() {
            found = self.second_look(followed).await?;
        }
        // Ready or not is what allocations say; not before they have been asked for may anybody be sent there.
        let _ = followed.opened.subscribe().wait_for(|opened| *opened).await;
        self.has_some = !found.is_empty();
        let settling = self.settle.is_on();
        let instances = followed.join(|join| {
            if settling {
                join.keep_missing(&self.service, &mut found);
            }
            join.service(&self.service, found, Instant::now())
        });
        followed.changed.notify_one();
        Ok(instances)
    }

    /// Waits until it may, and needs to, ask.
    async fn turn<C: Client>(&mut self, followed: &Followed<C>, wait: Duration) {
        let resync = followed.refresh_interval.max(wait);
        let called = tokio::time::timeout(resync, self.notice.notified());
        self.cursor.turn(true, called).await;
    }

    async fn read<C: Client>(
        &mut self,
        followed: &Followed<C>,
        wait: Duration,
    ) -> Result<Vec<Registration>, ProviderError> {
        let service = self.service.as_str();
        let query = |index: Index| async move {
            // One that blocks holds no turn: it is counted by the limit of watches.
            let _turn = match index.value() {
                0 => followed.watches.turn().await,
                _ => None,
            };
            let namespace = &followed.namespace;
            followed.client.service(namespace, service, index, wait).await
        };
        let (value, back) = self.cursor.ask(followed.stale, query).await?;
        if back && self.has_some {
            warn!(
                nomad = followed.client.endpoint(),
                service = %self.service,
                "nomad's history went back; missing instances are kept for now"
            );
            self.settle.begin();
        }
        Ok(value)
    }

    /// An empty answer where there was something: is the service gone, was it a moment in between, or may the token
    /// see no more?
    async fn second_look<C: Client>(
        &mut self,
        followed: &Followed<C>,
    ) -> Result<Vec<Registration>, ProviderError> {
        let listed = followed
            .client
            .services(&followed.namespace, Index::START, followed.wait)
            .await?;
        services::self_test(followed, &listed.value).await?;
        self.cursor.restart();
        let found = self.read(followed, followed.wait).await?;
        if found.is_empty() && listed.value.contains_key(&self.service) {
            return Err(ProviderError::Malformed {
                endpoint: followed.client.endpoint().to_owned(),
                reason: format!("service {} is listed and shows no instance", self.service),
            });
        }
        Ok(found)
    }
}

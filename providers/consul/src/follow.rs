//! Follows the instances of one service: the scope `service <name>`.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::{Stream, stream};
use mesh_config::instance::Instance;
use mesh_discovery::{Content, ProviderError, Report};
use mesh_remote::{Bucket, Index, Settle, ask};
use tokio::sync::Notify;
use tracing::warn;

use crate::{Followed, Mode, answer::Entry, catalog, client::Client};

/// Where the follower of one service stands.
struct Position {
    service: String,
    index: Index,
    bucket: Bucket,
    settle: Settle,
    known: Option<Vec<Instance>>,
    /// False before the first question, which waits for nothing.
    asked: bool,
    mode: Mode,
    /// Calls it where it has no blocking query of its own.
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
        index: Index::START,
        bucket: Bucket::new(),
        settle: Settle::default(),
        known: None,
        asked: false,
        mode: *followed.mode.borrow(),
    };
    stream::unfold(position, async move |mut position| {
        let scope = catalog::scope(&position.service);
        let report = match position.next(followed).await {
            Ok(instances) => Report::Replace {
                scope,
                content: Content::Instances(instances),
            },
            Err(error) => {
                position.index = position.index.from_anew();
                // What changes now must be found when it works again.
                position.notice.notify_one();
                Report::Failed { scope, error }
            }
        };
        Some((report, position))
    })
}

impl Position {
    /// The next news, however they are learnt of. What is known stays when that changes.
    async fn next<C: Client>(&mut self, followed: &Followed<C>) -> Result<Vec<Instance>, ProviderError> {
        let mut modes = followed.mode.subscribe();
        loop {
            let mode = *modes.borrow_and_update();
            if mode != self.mode {
                self.mode = mode;
                self.index = self.index.from_anew();
                self.asked = false;
            }
            tokio::select! {
                biased;
                // Its own query holds a connection that is needed now, or it waits for a call that nobody makes.
                Ok(()) = modes.changed() => {}
                news = self.news(followed) => return news,
            }
        }
    }

    /// Waits for news and reads them. Says nothing while the service is gone: the catalog will.
    async fn news<C: Client>(&mut self, followed: &Followed<C>) -> Result<Vec<Instance>, ProviderError> {
        loop {
            let wait = self.settle.limit(followed.wait);
            self.turn(followed, wait).await;
            let mut entries = self.read(followed, wait).await?;
            if entries.is_empty() && !self.settle.is_on() {
                entries = match self.second_look(followed).await? {
                    Some(entries) => entries,
                    None => continue,
                };
            }
            let mut found = followed.translation.instances(&entries);
            if self.settle.is_on() {
                keep_missing(&mut found, self.known.as_deref().unwrap_or_default());
            }
            self.known = Some(found.clone());
            return Ok(found);
        }
    }

    /// Waits until it may, and needs to, ask.
    async fn turn<C: Client>(&mut self, followed: &Followed<C>, wait: Duration) {
        match self.mode {
            Mode::Watch => self.bucket.ready().await,
            Mode::Notice | Mode::Poll => {
                if self.asked {
                    let resync = followed.refresh_interval.max(wait);
                    let _ = tokio::time::timeout(resync, self.notice.notified()).await;
                }
                self.index = self.index.from_anew();
            }
        }
        self.asked = true;
    }

    async fn read<C: Client>(
        &mut self,
        followed: &Followed<C>,
        wait: Duration,
    ) -> Result<Vec<Entry>, ProviderError> {
        let service = self.service.as_str();
        let query = |index: Index| async move {
            // One that blocks holds no turn: it is counted by the limit of watches.
            let _turn = match index.value() {
                0 => followed.turns.acquire().await.ok(),
                _ => None,
            };
            followed.client.health(service, index, wait).await
        };
        let (value, back) = ask(&mut self.index, followed.stale, query).await?;
        if back && self.known.is_some() {
            warn!(
                consul = followed.client.endpoint(),
                service = %self.service,
                "consul's history went back; missing instances are kept for now"
            );
            self.settle.begin();
        }
        followed.places.saw(&self.service, &value);
        Ok(value)
    }

    /// An empty answer: is the service gone (`None`), was it a moment in between, or is the token not allowed to
    /// see the nodes?
    async fn second_look<C: Client>(
        &mut self,
        followed: &Followed<C>,
    ) -> Result<Option<Vec<Entry>>, ProviderError> {
        let listed = followed.client.services(Index::START, followed.wait).await?;
        catalog::self_test(followed, &listed.value)?;
        if !listed.value.contains_key(&self.service) {
            return Ok(None);
        }
        self.index = self.index.from_anew();
        let entries = self.read(followed, followed.wait).await?;
        if !entries.is_empty() {
            return Ok(Some(entries));
        }
        Err(ProviderError::Unauthorized {
            endpoint: followed.client.endpoint().to_owned(),
            reason: format!(
                "service {} is listed and shows no instance: the token needs node_prefix \"\" {{ policy = \"read\" }} \
                 beside read on services",
                self.service
            ),
        })
    }
}

/// Adds the instances of `known` that `found` lacks.
fn keep_missing(found: &mut Vec<Instance>, known: &[Instance]) {
    let ids: BTreeSet<_> = found.iter().map(|instance| instance.id.clone()).collect();
    found.extend(
        known
            .iter()
            .filter(|instance| !ids.contains(&instance.id))
            .cloned(),
    );
}

//! Follows the list of services: the scope `services`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{Stream, StreamExt as _, stream};
use mesh_discovery::{Content, ProviderError, Report, Scope};
use mesh_remote::{Index, Settle};
use tokio::time::Instant;
use tracing::warn;

use crate::{Followed, PACE, answer::Services, client::Client, cursor::Cursor, is_forbidden};

/// The scope of the list.
pub(crate) const SCOPE: &str = "services";

/// The scope that stands for the list of a namespace that may not be read.
const CLOSED: &str = "not readable";

/// Where the watch stands.
struct Position {
    cursor: Cursor,
    settle: Settle,
    known: Option<Services>,
    /// It may not be read, and that was told.
    told: bool,
}

/// The list whenever it may have changed.
pub(crate) fn reports<C: Client>(followed: &Followed<C>) -> impl Stream<Item = Report> + Send + '_ {
    let position = Position {
        cursor: Cursor::new(followed.bucket(PACE), followed.list_watch()),
        settle: Settle::default(),
        known: None,
        told: false,
    };
    let reports = stream::unfold(position, async move |mut position| {
        let scope = Scope::new(SCOPE);
        let report = match position.next(followed).await {
            Ok(services) => Report::Replace {
                scope,
                content: followed.list(services.into_keys().collect()),
            },
            // Of what was known in an earlier run nothing may go.
            Err(error) if position.is_closed(followed, &error) => Report::Replace {
                scope: Scope::new(CLOSED),
                content: Content::Instances(Vec::new()),
            },
            Err(error) => {
                position.cursor.restart();
                followed.join(|join| join.list_failed());
                Report::Failed { scope, error }
            }
        };
        let mut reports = vec![report];
        if matches!(reports[..], [Report::Replace { .. }]) {
            followed.listed.send_replace(true);
            if let index @ 1.. = position.cursor.seen() {
                reports.insert(0, Report::History { index });
            }
        }
        Some((reports, position))
    });
    reports.flat_map(stream::iter)
}

/// The scope of a service.
pub(crate) fn scope(service: &str) -> Scope {
    Scope::new(format!("service {service}"))
}

/// The service of a scope.
pub(crate) fn service(scope: &Scope) -> Option<&str> {
    scope.as_str().strip_prefix("service ")
}

impl Position {
    async fn next<C: Client>(&mut self, followed: &Followed<C>) -> Result<Services, ProviderError> {
        let wait = self.settle.limit(followed.wait);
        let pause = tokio::time::sleep(followed.refresh_interval);
        self.cursor.turn(!self.told, pause).await;
        let mut answer = self.read(followed, wait).await?;
        if !self.lost(&answer).is_empty() {
            // A list that shrinks is read twice before it is believed.
            self.cursor.restart();
            answer = self.read(followed, wait).await?;
        }
        let lost = self.lost(&answer);
        let mut services = answer;
        if self.settle.is_on() {
            services.extend(lost);
        }
        self.wake(followed, &services);
        self.known = Some(services.clone());
        Ok(services)
    }

    async fn read<C: Client>(
        &mut self,
        followed: &Followed<C>,
        wait: Duration,
    ) -> Result<Services, ProviderError> {
        let query = |index| followed.client.services(&followed.namespace, index, wait);
        let (value, back) = self.cursor.ask(followed.stale, query).await?;
        self_test(followed, &value).await?;
        self.told = false;
        if back && self.known.is_some() {
            warn!(
                nomad = followed.client.endpoint(),
                namespace = followed.namespace,
                "nomad's history went back; missing services are kept for now"
            );
            self.settle.begin();
        }
        Ok(value
            .into_iter()
            .filter(|(_, tags)| followed.wants(tags))
            .collect())
    }

    /// True for a namespace that nobody named and that was never readable. That is told once, and is no failure.
    fn is_closed<C: Client>(&mut self, followed: &Followed<C>, error: &ProviderError) -> bool {
        let closed = followed.found && self.known.is_none() && is_forbidden(error);
        if closed && !self.told {
            warn!(
                nomad = followed.client.endpoint(),
                namespace = followed.namespace,
                "the token may not read this namespace, which namespaces = * includes: its services get no routes"
            );
        }
        self.told |= closed;
        closed
    }

    /// Services that were there and are not in `answer`.
    fn lost(&self, answer: &Services) -> Services {
        let known = self.known.iter().flatten();
        let lost = known.filter(|(name, _)| !answer.contains_key(*name));
        lost.map(|(name, tags)| (name.clone(), tags.clone())).collect()
    }

    /// Tells followers without a query of their own what to read again. A new instance does not show in the list, so
    /// an answer that seems unchanged concerns all.
    fn wake<C: Client>(&self, followed: &Followed<C>, services: &Services) {
        let Some(known) = &self.known else {
            return;
        };
        let changed: BTreeSet<&String> = services
            .iter()
            .filter(|(name, tags)| known.get(*name) != Some(*tags))
            .map(|(name, _)| name)
            .collect();
        if changed.is_empty() || !self.cursor.may_block() {
            followed.notices.wake_all();
        } else {
            changed.iter().for_each(|name| followed.notices.wake(name));
        }
    }
}

/// Nomad knows every namespace that somebody asks for, and says that it is empty. To a task's own token without a policy it
/// lists no namespace at all, so that such a token cannot tell either.
pub(crate) async fn self_test<C: Client>(
    followed: &Followed<C>,
    services: &BTreeMap<String, Vec<String>>,
) -> Result<(), ProviderError> {
    if !services.is_empty() {
        return Ok(());
    }
    let namespaces = followed
        .client
        .namespaces(Index::START, followed.wait)
        .await?
        .value;
    // One that was found and is no longer there is gone, and its services are with it.
    if namespaces.contains(&followed.namespace) || (followed.found && !namespaces.is_empty()) {
        return Ok(());
    }
    Err(ProviderError::Unauthorized {
        endpoint: followed.client.endpoint().to_owned(),
        reason: format!(
            "it lists no namespace {}: there is none, or the token may not see it: it needs \
             namespace \"{}\" {{ capabilities = [\"read-job\"] }}",
            followed.namespace, followed.namespace
        ),
    })
}

impl<C> Followed<C> {
    fn list(&self, services: BTreeSet<String>) -> Content {
        let content = self.join(|join| join.list(services, Instant::now()));
        self.changed.notify_one();
        content
    }
}

//! Follows the list of services: the scope `catalog`.

use std::{collections::BTreeMap, time::Duration};

use futures::{Stream, StreamExt as _, stream};
use mesh_discovery::{Content, ProviderError, Report, Scope};
use mesh_remote::{Bucket, Index, Settle, ask};
use tracing::warn;

use crate::{Followed, Mode, answer::Services, client::Client, places};

/// The scope of the list.
pub(crate) const SCOPE: &str = "catalog";

/// The service of Consul's own servers: there always, and a test of what a token may see.
const CONSUL: &str = "consul";

/// How long a server that lags gets to catch up before the second look at what the list does not show.
const LAG: Duration = Duration::from_secs(1);

/// Where the watch stands.
struct Position {
    index: Index,
    bucket: Bucket,
    settle: Settle,
    known: Option<Services>,
    /// How often to look for changes that the last answer told of and does not show.
    looks: u8,
}

/// The list whenever it may have changed.
pub(crate) fn reports<C: Client>(followed: &Followed<C>) -> impl Stream<Item = Report> + Send + '_ {
    let position = Position {
        index: Index::START,
        bucket: Bucket::new(),
        settle: Settle::default(),
        known: None,
        looks: 0,
    };
    let reports = stream::unfold(position, async move |mut position| {
        let reports = match position.next(followed).await {
            Ok(services) => vec![
                Report::History {
                    index: position.index.seen(),
                },
                Report::Replace {
                    scope: Scope::new(SCOPE),
                    content: Content::Scopes(services.keys().map(|name| scope(name)).collect()),
                },
            ],
            Err(error) => {
                position.index = position.index.from_anew();
                vec![Report::Failed {
                    scope: Scope::new(SCOPE),
                    error,
                }]
            }
        };
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
        let mut wait = self.settle.limit(followed.wait);
        if self.looks > 0 {
            self.looks -= 1;
            wake_hidden(followed).await;
            if self.looks > 0 {
                wait = wait.min(LAG);
            }
        }
        if followed.watch {
            self.bucket.ready().await;
        } else if self.known.is_some() {
            tokio::time::sleep(followed.refresh_interval).await;
            self.index = self.index.from_anew();
        }
        let before = self.index;
        let mut answer = self.read(followed, wait).await?;
        if !self.lost(&answer).is_empty() {
            // A list that shrinks is read twice before it is believed.
            self.index = self.index.from_anew();
            answer = self.read(followed, wait).await?;
        }
        let lost = self.lost(&answer);
        let mut services = answer;
        if self.settle.is_on() {
            services.extend(lost);
        }
        self.wake(followed, &services);
        if self.known.is_some() && self.index != before {
            // What was read after the first look may have come from a server that lags.
            self.looks = if followed.stale && followed.watch { 2 } else { 1 };
        }
        self.known = Some(services.clone());
        Ok(services)
    }

    async fn read<C: Client>(
        &mut self,
        followed: &Followed<C>,
        wait: Duration,
    ) -> Result<Services, ProviderError> {
        let query = |index| async move {
            let answer = followed.client.services(index, wait).await?;
            self_test(followed, &answer.value)?;
            Ok(answer)
        };
        let (value, back) = ask(&mut self.index, followed.stale, query).await?;
        if back && self.known.is_some() {
            warn!(
                consul = followed.client.endpoint(),
                "consul's history went back; missing services are kept for now"
            );
            self.settle.begin();
        }
        Ok(value
            .into_iter()
            .filter(|(name, tags)| followed.wants(name, tags))
            .collect())
    }

    /// Services that were there and are not in `answer`.
    fn lost(&self, answer: &Services) -> Services {
        let known = self.known.iter().flatten();
        let lost = known.filter(|(name, _)| !answer.contains_key(*name));
        lost.map(|(name, tags)| (name.clone(), tags.clone())).collect()
    }

    /// Tells followers without a query of their own what to read again.
    fn wake<C: Client>(&self, followed: &Followed<C>, services: &Services) {
        let known = self.known.iter().flatten();
        let known: BTreeMap<_, _> = known.collect();
        for (name, tags) in services {
            if known.get(name) != Some(&tags) {
                followed.notices.wake(name);
            }
        }
    }
}

/// Tells followers without a query of their own of changes that the list does not show.
async fn wake_hidden<C: Client>(followed: &Followed<C>) {
    let mode = *followed.mode.borrow();
    match mode {
        Mode::Watch => {}
        Mode::Poll => followed.notices.wake_all(),
        Mode::Notice => match places::changed(followed).await {
            Some(services) => services.iter().for_each(|service| followed.notices.wake(service)),
            None => followed.notices.wake_all(),
        },
    }
}

/// Consul leaves out what a token may not see, without a word.
pub(crate) fn self_test<C: Client>(
    followed: &Followed<C>,
    services: &BTreeMap<String, Vec<String>>,
) -> Result<(), ProviderError> {
    // Other namespaces than the default one do not hold it.
    if followed
        .namespace
        .as_deref()
        .is_some_and(|name| name != "default")
        || services.contains_key(CONSUL)
    {
        return Ok(());
    }
    Err(ProviderError::Unauthorized {
        endpoint: followed.client.endpoint().to_owned(),
        reason: "its list of services lacks consul itself: the token needs service_prefix \"\" { policy = \"read\" } \
                 (or, to see a few services only, service \"consul\" { policy = \"read\" } beside theirs) and \
                 node_prefix \"\" { policy = \"read\" }"
            .to_owned(),
    })
}

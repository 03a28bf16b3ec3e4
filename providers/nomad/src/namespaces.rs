//! Finds namespaces: with `*`, each is a provider of its own.

use std::sync::Arc;

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use mesh_config::ProviderName;
use mesh_discovery::{Content, Exposure, Provider, ProviderError, Registration, Report, Scope, retry::paced};
use mesh_remote::{Bucket, Index, ask};

use crate::{
    Followed, Nomad,
    client::{Client, DEFAULT_WAIT},
    settings::Settings,
    watches::{Watch, Watches},
};

/// The scope of the list.
const SCOPE: &str = "namespaces";

/// Delivers a provider for each namespace that the token may see, `nomad-<namespace>`.
#[derive(Debug)]
pub struct Namespaces<C> {
    pub(crate) name: ProviderName,
    pub(crate) settings: Settings,
    pub(crate) exposure: Exposure,
    pub(crate) client: Arc<C>,
    pub(crate) watches: Arc<Watches>,
}

impl<C: Client> Namespaces<C> {
    fn members(&self, names: Vec<String>) -> Content {
        let names = names.into_iter();
        Content::Members(
            names
                .map(|name| ProviderName::new(format!("{}-{name}", self.name)))
                .collect(),
        )
    }
}

/// Where the watch stands.
struct Position {
    index: Index,
    bucket: Bucket,
    watch: Option<Watch>,
    /// False before the first question, which waits for nothing.
    asked: bool,
}

impl Position {
    async fn next<C: Client>(&mut self, of: &Namespaces<C>) -> Result<Vec<String>, ProviderError> {
        if self.watch.is_some() {
            self.bucket.ready().await;
        } else {
            if self.asked {
                tokio::time::sleep(of.settings.refresh_interval).await;
            }
            self.index = self.index.from_anew();
        }
        self.asked = true;
        let wait = of.settings.endpoint.endpoint_wait_time.unwrap_or(DEFAULT_WAIT);
        let query = |index| of.client.namespaces(index, wait);
        let (value, _) = ask(&mut self.index, of.settings.stale, query).await?;
        if !value.is_empty() {
            return Ok(value);
        }
        Err(ProviderError::Unauthorized {
            endpoint: of.client.endpoint().to_owned(),
            reason:
                "it lists no namespace: the token needs namespace \"*\" { capabilities = [\"read-job\"] }"
                    .to_owned(),
        })
    }
}

impl<C: Client> Provider for Namespaces<C> {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn reports(&self) -> BoxStream<'_, Report> {
        let position = Position {
            index: Index::START,
            bucket: Bucket::new(),
            watch: self.settings.watch.then(|| self.watches.list()).flatten(),
            asked: false,
        };
        let reports = stream::unfold(position, async |mut position| {
            let scope = Scope::new(SCOPE);
            let report = match position.next(self).await {
                Ok(names) => Report::Replace {
                    scope,
                    content: self.members(names),
                },
                Err(error) => {
                    position.index = position.index.from_anew();
                    Report::Failed { scope, error }
                }
            };
            Some((report, position))
        });
        paced(reports).boxed()
    }

    fn member(&self, name: &ProviderName) -> Option<Registration> {
        let namespace = name
            .as_str()
            .strip_prefix(self.name.as_str())?
            .strip_prefix('-')?;
        let followed = Followed::new(
            &self.settings,
            namespace,
            self.exposure.label_prefixes.clone(),
            self.client.clone(),
            self.watches.clone(),
        );
        Some(Registration {
            provider: Arc::new(Nomad {
                name: name.clone(),
                followed: Followed {
                    found: true,
                    ..followed
                },
            }),
            required: self.settings.required,
            exposure: Some(self.exposure.clone()),
        })
    }
}

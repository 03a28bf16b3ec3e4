//! Finds namespaces: with `*`, each is a provider of its own.

use std::sync::Arc;

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use mesh_config::ProviderName;
use mesh_discovery::{Content, Exposure, Provider, ProviderError, Registration, Report, Scope, retry::paced};
use mesh_remote::Bucket;

use crate::{
    Followed, Nomad,
    client::{Client, DEFAULT_WAIT},
    cursor::Cursor,
    settings::Settings,
    watches::Watches,
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
struct Position(Cursor);

impl Position {
    async fn next<C: Client>(&mut self, of: &Namespaces<C>) -> Result<Vec<String>, ProviderError> {
        let pause = tokio::time::sleep(of.settings.refresh_interval);
        self.0.turn(true, pause).await;
        let wait = of.settings.endpoint.endpoint_wait_time.unwrap_or(DEFAULT_WAIT);
        let query = |index| of.client.namespaces(index, wait);
        let (value, _) = self.0.ask(of.settings.stale, query).await?;
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
        let watch = self.settings.watch.then(|| self.watches.list()).flatten();
        let position = Position(Cursor::new(Bucket::new(), watch));
        let reports = stream::unfold(position, async |mut position| {
            let scope = Scope::new(SCOPE);
            let report = match position.next(self).await {
                Ok(names) => Report::Replace {
                    scope,
                    content: self.members(names),
                },
                Err(error) => {
                    position.0.restart();
                    Report::Failed { scope, error }
                }
            };
            Some((report, position))
        });
        paced(reports).boxed()
    }

    fn finds(&self) -> bool {
        true
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

//! Services from the Consul catalog.
//!
//! One blocking query follows the list of services, and one more each service that may be exposed, so that a
//! change costs Consul one answer. Each service is a scope of its own: one that cannot be read keeps what is
//! known of it, and the others go on. Only the list says that a service is gone.

mod answer;
mod catalog;
mod checks;
mod client;
mod endpoint;
mod follow;
mod followers;
mod instances;
mod places;
mod settings;

use std::time::Duration;

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use mesh_config::ProviderName;
use mesh_discovery::{Provider, Report};
use mesh_remote::{Environment, Notices};
use tokio::sync::{Semaphore, watch};

pub use answer::{CheckResult, Entry, Node, Registered, Registration, Service, Services, Weights};
pub use client::{Client, DEFAULT_WAIT, HttpClient};
use followers::Followers;
pub use instances::Translation;
use places::Places;
pub use settings::{Check, EndpointSettings, Settings, SettingsError};

/// How many queries that need not block may be under way at once.
const TURNS: usize = 20;

/// Delivers the services of one Consul namespace.
#[derive(Debug)]
pub struct ConsulCatalog<C = HttpClient> {
    name: ProviderName,
    followed: Followed<C>,
}

/// What all followers of one provider share.
#[derive(Debug)]
struct Followed<C> {
    client: C,
    namespace: Option<String>,
    translation: Translation,
    exposed_by_default: bool,
    /// Services that are exposed only when their tags say so.
    reserved: [String; 2],
    watch: bool,
    /// Answers may come from a server, or a cache, that lags behind another one.
    stale: bool,
    wait: Duration,
    refresh_interval: Duration,
    max_watches: usize,
    mode: watch::Sender<Mode>,
    notices: Notices,
    places: Places,
    turns: Semaphore,
}

/// How followers of services learn of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// By a blocking query each.
    Watch,
    /// By two blocking queries for all.
    Notice,
    /// By asking again and again.
    Poll,
}

impl ConsulCatalog {
    /// The providers that `settings` ask for: `name` itself, or `name-<namespace>` for each namespace.
    ///
    /// # Errors
    /// When the settings contradict themselves or name files that cannot be used.
    pub fn all(
        name: &ProviderName,
        settings: &Settings,
        environment: Environment<'_>,
    ) -> Result<Vec<Self>, SettingsError> {
        let one = |name: ProviderName, namespace: Option<&str>| {
            let client = HttpClient::new(settings, namespace, environment)?;
            Self::with_client(name, settings, namespace, client)
        };
        if settings.namespaces.is_empty() {
            return Ok(vec![one(name.clone(), None)?]);
        }
        let namespaces = settings.namespaces.iter();
        namespaces
            .map(|namespace| one(ProviderName::new(format!("{name}-{namespace}")), Some(namespace)))
            .collect()
    }
}

impl<C: Client> ConsulCatalog<C> {
    /// The same with another way to ask Consul.
    ///
    /// # Errors
    /// When the settings contradict themselves.
    pub fn with_client(
        name: ProviderName,
        settings: &Settings,
        namespace: Option<&str>,
        client: C,
    ) -> Result<Self, SettingsError> {
        settings.validate()?;
        Ok(Self {
            name,
            followed: Followed {
                client,
                namespace: namespace.map(str::to_owned),
                translation: Translation {
                    prefixes: settings.exposure()?.label_prefixes,
                    accepted: settings.strict_checks.clone(),
                },
                exposed_by_default: settings.exposed_by_default,
                reserved: ["consul".to_owned(), settings.service_name.clone()],
                watch: settings.watch,
                stale: settings.stale || settings.cache,
                wait: settings.endpoint.endpoint_wait_time.unwrap_or(DEFAULT_WAIT),
                refresh_interval: settings.refresh_interval,
                max_watches: settings.max_watches,
                mode: watch::Sender::new(if settings.watch { Mode::Watch } else { Mode::Poll }),
                notices: Notices::default(),
                places: Places::default(),
                turns: Semaphore::new(TURNS),
            },
        })
    }
}

impl<C> Followed<C> {
    /// True when an instance of the service may be exposed. `tags` are those of all its instances together.
    fn wants(&self, service: &str, tags: &[String]) -> bool {
        let by_default = self.exposed_by_default && !self.reserved.iter().any(|name| name == service);
        by_default || tags.iter().any(|tag| self.translation.says(tag, "enable"))
    }
}

impl<C: Client> Provider for ConsulCatalog<C> {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn reports(&self) -> BoxStream<'_, Report> {
        let followers = Followers::new(&self.followed);
        stream::unfold(followers, async |mut followers| {
            let report = followers.next().await?;
            Some((report, followers))
        })
        .boxed()
    }
}

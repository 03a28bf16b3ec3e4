//! Services of Nomad.
//!
//! One blocking query follows the list of services, one more each service that may be exposed, and one all
//! allocations: registered is not ready, and only allocations tell which is which. Each service is a scope of its
//! own: one that cannot be read keeps what is known of it, and the others go on. Only the list says that a service
//! is gone.

mod allocations;
mod answer;
mod client;
mod cursor;
mod endpoint;
mod follow;
mod followers;
mod instances;
mod join;
mod namespaces;
mod services;
mod settings;
mod table;
mod watches;

use std::{sync::Arc, time::Duration};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use mesh_config::ProviderName;
use mesh_discovery::{Provider, ProviderError, Registration, Report};
use mesh_remote::{Bucket, Environment, Notices};
use tokio::sync::{Notify, watch};

pub use answer::{
    Allocation, DeploymentStatus, DesiredTransition, Namespace, NamespaceServices,
    Registration as Registered, ServiceStub, Services,
};
pub use client::{Client, DEFAULT_WAIT, HttpClient};
use followers::Followers;
pub use instances::Translation;
use join::Join;
pub use join::{LAG, LINGER, PROMOTION};
pub use namespaces::Namespaces;
use settings::ALL_NAMESPACES;
pub use settings::{EndpointSettings, Settings, SettingsError};
pub use table::{Standing, Table};
use watches::{Watch, Watches};

/// The namespace of jobs that name none.
const DEFAULT_NAMESPACE: &str = "default";

/// Answers in a row that a watch of services lets pass without a pause, and answers a second after that. A
/// registration wakes the watches of all services of its namespace, so some come for nothing.
const PACE: (f64, f64) = (20.0, 5.0);

/// Delivers the services of one Nomad namespace.
#[derive(Debug)]
pub struct Nomad<C = HttpClient> {
    name: ProviderName,
    followed: Followed<C>,
}

/// What all followers of one namespace share.
#[derive(Debug)]
struct Followed<C> {
    client: Arc<C>,
    namespace: String,
    /// Nobody named the namespace: it was found.
    found: bool,
    translation: Translation,
    exposed_by_default: bool,
    watch: bool,
    /// Answers may come from a server that lags behind another one.
    stale: bool,
    wait: Duration,
    refresh_interval: Duration,
    throttle: Duration,
    watches: Arc<Watches>,
    notices: Notices,
    join: std::sync::Mutex<Join>,
    /// The list of services has been told once; before, allocations alone would seem to be all there is.
    listed: watch::Sender<bool>,
    /// Allocations have been asked for once.
    opened: watch::Sender<bool>,
    /// The join has something to tell.
    changed: Notify,
}

/// The providers that `settings` ask for: `name` itself for one namespace, `name-<namespace>` for several. With `*`
/// it is one that finds the others.
///
/// # Errors
/// When the settings contradict themselves or name files that cannot be used.
pub fn providers(
    name: &ProviderName,
    settings: &Settings,
    environment: Environment<'_>,
) -> Result<Vec<Registration>, SettingsError> {
    let named = environment("NOMAD_NAMESPACE").filter(|name| !name.is_empty());
    let mut settings = settings.clone();
    if settings.namespaces.is_empty() {
        settings
            .namespaces
            .push(named.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()));
    }
    let client = HttpClient::new(&settings, environment)?;
    with_client(name, &settings, client)
}

/// The same with another way to ask Nomad; here no namespaces means `default`.
///
/// # Errors
/// When the settings contradict themselves.
pub fn with_client<C: Client>(
    name: &ProviderName,
    settings: &Settings,
    client: C,
) -> Result<Vec<Registration>, SettingsError> {
    settings.validate()?;
    let exposure = settings.exposure()?;
    let (client, watches) = (Arc::new(client), Arc::new(Watches::new(settings.max_watches)));
    let registration = |provider: Arc<dyn Provider>| Registration {
        provider,
        required: settings.required,
        exposure: Some(exposure.clone()),
    };
    let one = |name: ProviderName, namespace: &str| {
        let prefixes = exposure.label_prefixes.clone();
        let followed = Followed::new(settings, namespace, prefixes, client.clone(), watches.clone());
        registration(Arc::new(Nomad { name, followed }))
    };
    Ok(match &settings.namespaces[..] {
        [] => vec![one(name.clone(), DEFAULT_NAMESPACE)],
        [all] if all == ALL_NAMESPACES => vec![registration(Arc::new(Namespaces {
            name: name.clone(),
            settings: settings.clone(),
            exposure: exposure.clone(),
            client,
            watches,
        }))],
        [only] => vec![one(name.clone(), only)],
        several => several
            .iter()
            .map(|namespace| one(ProviderName::new(format!("{name}-{namespace}")), namespace))
            .collect(),
    })
}

impl<C> Followed<C> {
    fn new(
        settings: &Settings,
        namespace: &str,
        prefixes: Vec<String>,
        client: Arc<C>,
        watches: Arc<Watches>,
    ) -> Self {
        let translation = Translation { prefixes };
        Self {
            client,
            namespace: namespace.to_owned(),
            found: false,
            join: std::sync::Mutex::new(Join::new(translation.clone())),
            translation,
            exposed_by_default: settings.exposed_by_default,
            watch: settings.watch,
            stale: settings.stale,
            wait: settings.endpoint.endpoint_wait_time.unwrap_or(DEFAULT_WAIT),
            refresh_interval: settings.refresh_interval,
            throttle: settings.throttle_duration,
            watches,
            notices: Notices::default(),
            listed: watch::Sender::new(false),
            opened: watch::Sender::new(false),
            changed: Notify::new(),
        }
    }

    /// True when an instance of a service may be exposed. `tags` are those of all its instances together.
    fn wants(&self, tags: &[String]) -> bool {
        self.exposed_by_default || tags.iter().any(|tag| self.translation.says(tag, "enable"))
    }

    fn join<T>(&self, act: impl FnOnce(&mut Join) -> T) -> T {
        // Whatever was being done is done again with the next answer.
        act(&mut self
            .join
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Lets `burst` answers in a row pass and `rate` a second after that, unless settings slow it down.
    fn bucket(&self, (burst, rate): (f64, f64)) -> Bucket {
        match self.throttle {
            Duration::ZERO => Bucket::with(burst, rate),
            throttle => Bucket::with(1.0, rate.min(throttle.as_secs_f64().recip())),
        }
    }

    /// The right to a blocking query for a list; without it the list is read every `refreshInterval`.
    fn list_watch(&self) -> Option<Watch> {
        self.watch.then(|| self.watches.list()).flatten()
    }

    /// The same for a service; without it the list of services tells when to read it.
    fn service_watch(&self) -> Option<Watch> {
        self.watch.then(|| self.watches.service()).flatten()
    }
}

impl<C: Client> Provider for Nomad<C> {
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

/// The token lacks a right.
fn is_forbidden(error: &ProviderError) -> bool {
    matches!(
        error,
        ProviderError::Refused {
            status: 401 | 403,
            ..
        }
    )
}

//! Asks Nomad: the only part of this provider that does I/O.

use std::{future::Future, time::Duration};

use mesh_discovery::ProviderError;
use mesh_remote::{Answer, Environment, Index, Remote, blocking_timeout};
use serde::de::DeserializeOwned;

use crate::{
    answer::{Allocation, Namespace, NamespaceServices, Registration, Services},
    endpoint::Endpoint,
    settings::{Settings, SettingsError},
};

/// How long one blocking query hangs unless settings say otherwise: below the minute after which many balancers
/// and firewalls cut a silent connection.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(55);

/// What is not asked for: jobs that have run to their end stay in the list for hours.
const FILTER: &str = r#"ClientStatus != "complete""#;

/// Nomad as this provider needs it. With an index other than 0 a call waits for a change, for `wait` at most.
pub trait Client: Send + Sync + 'static {
    /// Names Nomad in messages.
    fn endpoint(&self) -> &str;

    /// All services of a namespace and their tags.
    fn services(
        &self,
        namespace: &str,
        after: Index,
        wait: Duration,
    ) -> impl Future<Output = Result<Answer<Services>, ProviderError>> + Send;

    /// The instances of a service.
    fn service(
        &self,
        namespace: &str,
        service: &str,
        after: Index,
        wait: Duration,
    ) -> impl Future<Output = Result<Answer<Vec<Registration>>, ProviderError>> + Send;

    /// The allocations of a namespace, but for those that have completed.
    fn allocations(
        &self,
        namespace: &str,
        after: Index,
        wait: Duration,
    ) -> impl Future<Output = Result<Answer<Vec<Allocation>>, ProviderError>> + Send;

    /// The namespaces that may be seen.
    fn namespaces(
        &self,
        after: Index,
        wait: Duration,
    ) -> impl Future<Output = Result<Answer<Vec<String>>, ProviderError>> + Send;
}

/// Nomad over HTTP.
#[derive(Debug)]
pub struct HttpClient {
    remote: Remote,
    region: Option<String>,
    stale: bool,
}

impl HttpClient {
    /// A client for one Nomad.
    ///
    /// # Errors
    /// When the endpoint cannot be understood or its TLS files cannot be used.
    pub fn new(settings: &Settings, environment: Environment<'_>) -> Result<Self, SettingsError> {
        let endpoint = Endpoint::resolve(&settings.endpoint, environment)?;
        Ok(Self {
            remote: Remote::new(endpoint.target)?,
            region: endpoint.region,
            stale: settings.stale,
        })
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        more: &[(&str, &str)],
        after: Index,
        wait: Duration,
    ) -> Result<Answer<Vec<T>>, ProviderError> {
        let seconds = wait.as_secs().max(1);
        let (index, wait) = (after.value().to_string(), format!("{seconds}s"));
        let mut query = more.to_vec();
        query.extend(self.region.iter().map(|region| ("region", region.as_str())));
        if self.stale {
            query.push(("stale", ""));
        }
        let blocks = after.value() > 0;
        if blocks {
            query.extend([("index", index.as_str()), ("wait", wait.as_str())]);
        }
        let timeout = blocking_timeout(blocks.then(|| Duration::from_secs(seconds)));
        let reply = self.remote.get(path, &query, timeout).await?;
        // Go writes an empty list as null.
        let value = reply.json::<Option<Vec<T>>>()?.unwrap_or_default();
        // A page of something in between may well be JSON.
        let index = reply
            .number("x-nomad-index")
            .ok_or_else(|| reply.malformed(&"the header X-Nomad-Index is missing: is it Nomad?"))?;
        Ok(Answer { index, value })
    }
}

impl Client for HttpClient {
    fn endpoint(&self) -> &str {
        self.remote.endpoint()
    }

    async fn services(
        &self,
        namespace: &str,
        after: Index,
        wait: Duration,
    ) -> Result<Answer<Services>, ProviderError> {
        let query = [("namespace", namespace)];
        let answer = self.get::<NamespaceServices>(&["v1", "services"], &query, after, wait);
        let Answer { index, value } = answer.await?;
        let services = value.into_iter().filter(|found| found.namespace == namespace);
        let value = services
            .flat_map(|found| found.services)
            .map(|service| (service.service_name, service.tags))
            .collect();
        Ok(Answer { index, value })
    }

    async fn service(
        &self,
        namespace: &str,
        service: &str,
        after: Index,
        wait: Duration,
    ) -> Result<Answer<Vec<Registration>>, ProviderError> {
        let query = [("namespace", namespace)];
        self.get(&["v1", "service", service], &query, after, wait).await
    }

    async fn allocations(
        &self,
        namespace: &str,
        after: Index,
        wait: Duration,
    ) -> Result<Answer<Vec<Allocation>>, ProviderError> {
        let query = [
            ("namespace", namespace),
            ("task_states", "false"),
            ("filter", FILTER),
        ];
        self.get(&["v1", "allocations"], &query, after, wait).await
    }

    async fn namespaces(&self, after: Index, wait: Duration) -> Result<Answer<Vec<String>>, ProviderError> {
        let Answer { index, value } = self
            .get::<Namespace>(&["v1", "namespaces"], &[], after, wait)
            .await?;
        let value = value.into_iter().map(|namespace| namespace.name).collect();
        Ok(Answer { index, value })
    }
}

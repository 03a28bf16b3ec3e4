//! Asks Consul: the only part of this provider that does I/O.

use std::{collections::BTreeMap, future::Future, time::Duration};

use mesh_discovery::ProviderError;
use mesh_remote::{Answer, Environment, Index, Remote, blocking_timeout};
use serde::de::DeserializeOwned;

use crate::{
    answer::{CheckResult, Entry, Node, Registered, Services},
    endpoint::Endpoint,
    settings::{Settings, SettingsError},
};

/// How long one blocking query hangs unless settings say otherwise: below the minute after which many balancers
/// and firewalls cut a silent connection.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(55);

/// Consul as this provider needs it. With an index other than 0 a call waits for a change, for `wait` at most.
pub trait Client: Send + Sync + 'static {
    /// Names Consul in messages.
    fn endpoint(&self) -> &str;

    /// All services and their tags.
    fn services(
        &self,
        after: Index,
        wait: Duration,
    ) -> impl Future<Output = Result<Answer<Services>, ProviderError>> + Send;

    /// The instances of a service with their checks.
    fn health(
        &self,
        service: &str,
        after: Index,
        wait: Duration,
    ) -> impl Future<Output = Result<Answer<Vec<Entry>>, ProviderError>> + Send;

    /// All checks.
    fn checks(
        &self,
        after: Index,
        wait: Duration,
    ) -> impl Future<Output = Result<Answer<Vec<CheckResult>>, ProviderError>> + Send;

    /// The names of all nodes, at once.
    fn nodes(&self) -> impl Future<Output = Result<Vec<String>, ProviderError>> + Send;

    /// A node and what is registered on it, at once.
    fn node(&self, name: &str) -> impl Future<Output = Result<Registered, ProviderError>> + Send;
}

/// Consul over HTTP.
#[derive(Debug)]
pub struct HttpClient {
    remote: Remote,
    /// Sent with every query: datacenter, namespace, partition, consistency.
    query: Vec<(&'static str, String)>,
    cache: bool,
}

impl HttpClient {
    /// A client for one namespace, or for Consul's only one.
    ///
    /// # Errors
    /// When the endpoint cannot be understood or its TLS files cannot be used.
    pub fn new(
        settings: &Settings,
        namespace: Option<&str>,
        environment: Environment<'_>,
    ) -> Result<Self, SettingsError> {
        let endpoint = Endpoint::resolve(&settings.endpoint, environment)?;
        let optional = [
            ("dc", endpoint.datacenter),
            ("ns", namespace.map(str::to_owned)),
            ("partition", settings.partition.clone()),
            ("stale", settings.stale.then(String::new)),
            ("consistent", settings.require_consistent.then(String::new)),
        ];
        Ok(Self {
            remote: Remote::new(endpoint.target)?,
            query: optional
                .into_iter()
                .filter_map(|(key, value)| Some((key, value?)))
                .collect(),
            cache: settings.cache,
        })
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        after: Index,
        wait: Duration,
        cached: bool,
    ) -> Result<Answer<T>, ProviderError> {
        let seconds = wait.as_secs().max(1);
        let (index, wait) = (after.value().to_string(), format!("{seconds}s"));
        let mut query: Vec<(&str, &str)> = self
            .query
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
            .collect();
        let blocks = after.value() > 0;
        if blocks {
            query.extend([("index", index.as_str()), ("wait", wait.as_str())]);
        }
        if cached {
            query.push(("cached", ""));
        }
        let timeout = blocking_timeout(blocks.then(|| Duration::from_secs(seconds)));
        let reply = self.remote.get(path, &query, timeout).await?;
        let value = reply.json()?;
        // A page of something in between may well be JSON.
        let index = reply
            .number("x-consul-index")
            .ok_or_else(|| reply.malformed(&"the header X-Consul-Index is missing: is it Consul?"))?;
        Ok(Answer { index, value })
    }
}

impl Client for HttpClient {
    fn endpoint(&self) -> &str {
        self.remote.endpoint()
    }

    async fn services(&self, after: Index, wait: Duration) -> Result<Answer<Services>, ProviderError> {
        // Go writes an empty list as null.
        let answer = self.get::<BTreeMap<String, Option<Vec<String>>>>(
            &["v1", "catalog", "services"],
            after,
            wait,
            false,
        );
        let Answer { index, value } = answer.await?;
        let value = value
            .into_iter()
            .map(|(name, tags)| (name, tags.unwrap_or_default()))
            .collect();
        Ok(Answer { index, value })
    }

    async fn health(
        &self,
        service: &str,
        after: Index,
        wait: Duration,
    ) -> Result<Answer<Vec<Entry>>, ProviderError> {
        self.get(&["v1", "health", "service", service], after, wait, self.cache)
            .await
    }

    async fn checks(&self, after: Index, wait: Duration) -> Result<Answer<Vec<CheckResult>>, ProviderError> {
        self.get(&["v1", "health", "state", "any"], after, wait, false)
            .await
    }

    async fn nodes(&self) -> Result<Vec<String>, ProviderError> {
        let answer =
            self.get::<Option<Vec<Node>>>(&["v1", "catalog", "nodes"], Index::START, DEFAULT_WAIT, false);
        let nodes = answer.await?.value.unwrap_or_default();
        Ok(nodes.into_iter().map(|node| node.node).collect())
    }

    async fn node(&self, name: &str) -> Result<Registered, ProviderError> {
        let path = ["v1", "catalog", "node", name];
        let answer = self.get::<Option<Registered>>(&path, Index::START, DEFAULT_WAIT, false);
        Ok(answer.await?.value.unwrap_or_default())
    }
}

//! Asks Consul: the only part of this provider that does I/O.

use std::{future::Future, path::Path, time::Duration};

use futures::StreamExt;
use mesh_discovery::ProviderError;
use reqwest::{Certificate, Identity, StatusCode, header::HeaderValue, redirect};
use serde::de::DeserializeOwned;

use crate::{
    answer::{CheckResult, Entry, Services},
    endpoint::{Endpoint, Environment, Token},
    index::Index,
    settings::{Scheme, Settings, SettingsError, TlsSettings},
};

/// Answers larger than this are refused; 10,000 instances with long tags take about a third of it.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// How long one blocking query hangs unless settings say otherwise: below the minute after which many balancers
/// and firewalls cut a silent connection.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(55);

/// How long a connection may take, and how long an answer that need not block.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of a refusal's text is kept.
const MAX_REASON_CHARS: usize = 200;

/// An answer and its place in Consul's history.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// `X-Consul-Index`
    pub index: u64,
    /// What was asked for.
    pub value: T,
}

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
}

/// Consul over HTTP.
#[derive(Debug)]
pub struct HttpClient {
    http: reqwest::Client,
    endpoint: Endpoint,
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
            ("dc", endpoint.datacenter.clone()),
            ("ns", namespace.map(str::to_owned)),
            ("partition", settings.partition.clone()),
            ("stale", settings.stale.then(String::new)),
            ("consistent", settings.require_consistent.then(String::new)),
        ];
        Ok(Self {
            http: http(&endpoint)?,
            query: optional
                .into_iter()
                .filter_map(|(key, value)| Some((key, value?)))
                .collect(),
            cache: settings.cache,
            endpoint,
        })
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        after: Index,
        wait: Duration,
        cached: bool,
    ) -> Result<Answer<T>, ProviderError> {
        let mut url = reqwest::Url::parse(&self.endpoint.base).map_err(|error| self.malformed(&error))?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        url.query_pairs_mut().extend_pairs(&self.query);
        let mut timeout = ANSWER_TIMEOUT;
        if after.value() > 0 {
            let seconds = wait.as_secs().max(1);
            // Consul adds up to a sixteenth by itself.
            timeout = Duration::from_secs(seconds * 17 / 16) + ANSWER_TIMEOUT;
            url.query_pairs_mut()
                .append_pair("index", &after.value().to_string())
                .append_pair("wait", &format!("{seconds}s"));
        }
        if cached {
            url.query_pairs_mut().append_key_only("cached");
        }
        let request = self.authorized(self.http.get(url).timeout(timeout)).await?;
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        let (retry_after, index) = (
            header(&response, "retry-after"),
            header(&response, "x-consul-index"),
        );
        let body = self.body(response).await?;
        if status != StatusCode::OK {
            return Err(ProviderError::Refused {
                endpoint: self.endpoint.base.clone(),
                status: status.as_u16(),
                reason: excerpt(&body),
                retry_after: retry_after.map(Duration::from_secs),
            });
        }
        let value = serde_json::from_slice(&body)
            .map_err(|error| self.malformed(&format_args!("{error}; it begins with {:?}", excerpt(&body))))?;
        // A page of something in between may well be JSON.
        let index =
            index.ok_or_else(|| self.malformed(&"the header X-Consul-Index is missing: is it Consul?"))?;
        Ok(Answer { index, value })
    }

    async fn authorized(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::RequestBuilder, ProviderError> {
        let request = match &self.endpoint.auth {
            Some(auth) => request.basic_auth(&auth.username, Some(auth.password.expose())),
            None => request,
        };
        let token = match &self.endpoint.token {
            Token::None => return Ok(request),
            Token::Value(token) => token.expose().to_owned(),
            // Read for each query: agents and templates renew it in place.
            Token::File(path) => tokio::fs::read_to_string(path)
                .await
                .map_err(|error| unreadable(path, &error))?,
        };
        let mut value = HeaderValue::from_str(token.trim()).map_err(|_| ProviderError::Unauthorized {
            endpoint: self.endpoint.base.clone(),
            reason: "the token holds characters that no HTTP header carries".to_owned(),
        })?;
        value.set_sensitive(true);
        Ok(request.header("x-consul-token", value))
    }

    /// The whole body, if it is not too large and not cut.
    async fn body(&self, response: reqwest::Response) -> Result<Vec<u8>, ProviderError> {
        let mut body = Vec::new();
        let mut parts = response.bytes_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|error| match error.is_timeout() {
                true => self.unreachable(error),
                false => self.malformed(&format_args!("it was cut: {}", chain(&error.without_url()))),
            })?;
            if body.len() + part.len() > MAX_ANSWER_BYTES {
                return Err(self.malformed(&format_args!("it is larger than {MAX_ANSWER_BYTES} bytes")));
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    }

    fn unreachable(&self, error: reqwest::Error) -> ProviderError {
        ProviderError::Unreachable {
            endpoint: self.endpoint.base.clone(),
            reason: if error.is_timeout() {
                "timed out".to_owned()
            } else {
                chain(&error.without_url())
            },
        }
    }

    fn malformed(&self, reason: &dyn std::fmt::Display) -> ProviderError {
        ProviderError::Malformed {
            endpoint: self.endpoint.base.clone(),
            reason: reason.to_string(),
        }
    }
}

impl Client for HttpClient {
    fn endpoint(&self) -> &str {
        &self.endpoint.base
    }

    async fn services(&self, after: Index, wait: Duration) -> Result<Answer<Services>, ProviderError> {
        // Go writes an empty list as null.
        let answer = self.get::<std::collections::BTreeMap<String, Option<Vec<String>>>>(
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
}

fn http(endpoint: &Endpoint) -> Result<reqwest::Client, SettingsError> {
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        // A token goes nowhere but to the configured host, by no detour.
        .redirect(redirect::Policy::none())
        .no_proxy()
        .tls_danger_accept_invalid_certs(endpoint.tls.insecure_skip_verify);
    let builder = match &endpoint.socket {
        Some(socket) => on_socket(builder, socket),
        None => builder,
    };
    let encrypted = endpoint.base.starts_with(Scheme::Https.as_str());
    let builder = if encrypted {
        with_tls(builder, &endpoint.tls)?
    } else {
        builder
    };
    builder.build().map_err(SettingsError::Client)
}

#[cfg(unix)]
fn on_socket(builder: reqwest::ClientBuilder, socket: &Path) -> reqwest::ClientBuilder {
    builder.unix_socket(socket)
}

#[cfg(not(unix))]
fn on_socket(builder: reqwest::ClientBuilder, _: &Path) -> reqwest::ClientBuilder {
    builder
}

fn with_tls(
    mut builder: reqwest::ClientBuilder,
    tls: &TlsSettings,
) -> Result<reqwest::ClientBuilder, SettingsError> {
    if let Some(path) = &tls.ca {
        let authorities =
            Certificate::from_pem_bundle(&read(path)?).map_err(|error| unusable(path, &error))?;
        if authorities.is_empty() {
            return Err(unusable(path, &"it holds no certificate"));
        }
        builder = builder.tls_certs_only(authorities);
    }
    if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
        let pair = [read(cert)?, b"\n".to_vec(), read(key)?].concat();
        builder = builder.identity(Identity::from_pem(&pair).map_err(|error| unusable(cert, &error))?);
    }
    Ok(builder)
}

fn read(path: &Path) -> Result<Vec<u8>, SettingsError> {
    std::fs::read(path).map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, reason: &dyn std::fmt::Display) -> SettingsError {
    SettingsError::File {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> ProviderError {
    ProviderError::Unreadable {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}

fn header(response: &reqwest::Response, name: &str) -> Option<u64> {
    response.headers().get(name)?.to_str().ok()?.trim().parse().ok()
}

/// An error with its causes, which hold what a user can act on (`connection refused`).
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ")
}

/// The beginning of a text on one line.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..4 * MAX_REASON_CHARS).unwrap_or(body));
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MAX_REASON_CHARS).collect()
}

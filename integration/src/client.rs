//! What clients and operators see of a Mesh, wherever it runs.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use reqwest::StatusCode;
use serde_json::Value;

/// Asks one Mesh at its entrypoints `web` and `mesh`.
#[derive(Debug)]
pub struct Client {
    web: SocketAddr,
    admin: SocketAddr,
    client: reqwest::Client,
}

impl Client {
    /// Of a Mesh at these ports of this machine: that of `web`, that of `mesh`.
    pub fn of(ports: [u16; 2]) -> Self {
        let [web, admin] = ports.map(|port| (Ipv4Addr::LOCALHOST, port).into());
        Self {
            web,
            admin,
            client: reqwest::Client::new(),
        }
    }

    /// A second one that shares no connection with this.
    pub fn again(&self) -> Self {
        Self::of([self.web.port(), self.admin.port()])
    }

    /// Where it takes requests.
    pub fn address(&self) -> SocketAddr {
        self.web
    }

    /// Asks for `/` of `host`: status and body.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn ask(&self, host: &str) -> Result<(StatusCode, String), reqwest::Error> {
        let response = self.send(host).await?;
        Ok((response.status(), response.text().await?))
    }

    /// The answer for `host` with its headers; `None` if there is none.
    pub async fn answer(&self, host: &str) -> Option<reqwest::Response> {
        self.send(host).await.ok()
    }

    async fn send(&self, host: &str) -> Result<reqwest::Response, reqwest::Error> {
        let request = self
            .client
            .get(format!("http://{}/", self.web))
            .header("host", host)
            .timeout(Duration::from_secs(5));
        request.send().await
    }

    /// Asks for `/` of `host`: status and body; `None` when nobody answers.
    pub async fn get(&self, host: &str) -> Option<(StatusCode, String)> {
        self.ask(host).await.ok()
    }

    /// Who answers for `host` with 200.
    pub async fn who(&self, host: &str) -> Option<String> {
        self.get(host)
            .await
            .filter(|(status, _)| status.is_success())
            .map(|(_, name)| name)
    }

    /// Everybody who answers for `host` in ten requests.
    pub async fn all(&self, host: &str) -> Vec<String> {
        let mut names = Vec::new();
        for _ in 0..10 {
            names.push(match self.get(host).await {
                Some((status, name)) if status.is_success() => name,
                Some((status, _)) => status.as_u16().to_string(),
                None => "nobody".to_owned(),
            });
        }
        names.sort();
        names.dedup();
        names
    }

    /// An answer of the entrypoint `mesh`.
    pub async fn admin(&self, path: &str) -> Option<(StatusCode, Value)> {
        let url = format!("http://{}{path}", self.admin);
        let response = self
            .client
            .get(url)
            .timeout(Duration::from_secs(5))
            .send()
            .await
            .ok()?;
        let (status, text) = (response.status(), response.text().await.ok()?);
        Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// The scopes of the provider called `name`.
    pub async fn scopes(&self, name: &str) -> Vec<Value> {
        let Some((_, Value::Array(providers))) = self.admin("/api/providers").await else {
            return Vec::new();
        };
        let found = providers.into_iter().find(|provider| provider["name"] == name);
        found
            .and_then(|provider| provider["scopes"].as_array().cloned())
            .unwrap_or_default()
    }

    /// The errors of all scopes of the provider called `name`.
    pub async fn errors(&self, name: &str) -> Vec<String> {
        let scopes = self.scopes(name).await;
        scopes
            .iter()
            .filter_map(|scope| Some(scope["lastError"].as_str()?.to_owned()))
            .collect()
    }

    /// True when `/ready` says so.
    pub async fn is_ready(&self) -> bool {
        self.admin("/ready")
            .await
            .is_some_and(|(status, _)| status == StatusCode::OK)
    }
}

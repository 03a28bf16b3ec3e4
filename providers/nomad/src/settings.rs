//! What users may say about the Nomad provider.

use std::{collections::BTreeMap, time::Duration};

use mesh_config::{ProviderName, Secret};
use mesh_discovery::{
    Allow, ExposureSettings,
    exposure::{DEFAULT_RULE, Exposure, ExposureError},
};
use mesh_remote::{TargetError, TlsSettings};
use serde::Deserialize;

/// Longest wait that Nomad grants a blocking query.
const MAX_WAIT: Duration = Duration::from_secs(300);

/// Stands for every namespace.
pub(crate) const ALL_NAMESPACES: &str = "*";

/// How to reach Nomad, and which of its services to expose.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Settings {
    /// Where Nomad is.
    pub endpoint: EndpointSettings,
    /// Learn of changes at once, by blocking queries. Off, everything is read every `refreshInterval`.
    pub watch: bool,
    /// How often everything is read when `watch` is off, and what has no blocking query of its own.
    #[serde(with = "mesh_config::duration")]
    pub refresh_interval: Duration,
    /// Let any server answer, leader or not: keeps working while there is no leader, and may be a little behind.
    pub stale: bool,
    /// Shortest time between two answers of one blocking query; 0 leaves the pace to Mesh.
    #[serde(with = "mesh_config::duration")]
    pub throttle_duration: Duration,
    /// Namespaces to read. One: objects are `x@nomad`. Several, or `*` for all: `x@nomad-<namespace>`. None:
    /// `NOMAD_NAMESPACE`, else `default`.
    pub namespaces: Vec<String>,
    /// Most blocking queries at a time, of all namespaces together. Nomad takes 100 connections of one address;
    /// services beyond this are read when the list of services changes.
    pub max_watches: usize,
    /// Mesh is not ready before all services have been read once.
    pub required: bool,
    /// Expose services whose tags do not say `mesh.enable`.
    pub exposed_by_default: bool,
    /// Which instances to take, by their tags: ``Tag(`public`) && !TagRegex(`^test-`)``; empty takes all.
    pub constraints: String,
    /// The rule of a service that declares none.
    pub default_rule: String,
    /// First part of the tags of ours; takes the place of `labelPrefixes`.
    pub prefix: Option<String>,
    /// First parts of the tags of ours; for one key the first listed wins.
    pub label_prefixes: Vec<String>,
    /// Limits for what tags may declare.
    pub allow: Allow,
    /// Providers whose objects tags may refer to, beside their own and `file`.
    pub references: Vec<ProviderName>,
    /// Further Nomads, each inheriting the block around it: `nomad-<name>`.
    pub instances: BTreeMap<String, Self>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: EndpointSettings::default(),
            watch: true,
            refresh_interval: Duration::from_secs(15),
            stale: false,
            throttle_duration: Duration::ZERO,
            namespaces: Vec::new(),
            max_watches: 60,
            required: true,
            exposed_by_default: true,
            constraints: String::new(),
            default_rule: DEFAULT_RULE.to_owned(),
            prefix: None,
            label_prefixes: vec!["mesh".to_owned()],
            allow: Allow::default(),
            references: Vec::new(),
            instances: BTreeMap::new(),
        }
    }
}

/// Where Nomad is. What is absent here is taken from the variables that Nomad's own tools read, and from what Nomad
/// gives to a task.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct EndpointSettings {
    /// `http://host:port`, `https://host:port`, or `unix:///path` for a socket. Absent: `NOMAD_ADDR`, else
    /// `NOMAD_UNIX_ADDR`, else the socket in `NOMAD_SECRETS_DIR` where there is one, else `http://127.0.0.1:4646`.
    pub address: Option<String>,
    /// The region. Absent: `NOMAD_REGION`, else the agent's.
    pub region: Option<String>,
    /// ACL token; needs `read-job` in every namespace it reads. Absent: `NOMAD_TOKEN`, else the task's own in
    /// `NOMAD_SECRETS_DIR`, read again for each query.
    pub token: Option<Secret>,
    /// TLS towards Nomad. Absent: `NOMAD_CACERT`, `NOMAD_CLIENT_CERT`, `NOMAD_CLIENT_KEY`, `NOMAD_TLS_SERVER_NAME`,
    /// `NOMAD_SKIP_VERIFY`.
    pub tls: Option<TlsSettings>,
    /// How long one blocking query may hang. Longer is cheaper for Nomad; changes arrive at once all the same.
    #[serde(with = "mesh_config::duration::option")]
    pub endpoint_wait_time: Option<Duration>,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A pair of which one has no effect.
    #[error("{0} and {1} exclude each other: keep one")]
    Exclusive(&'static str, &'static str),
    /// Nothing to slow down.
    #[error("throttleDuration slows down what watch brings: leave it out, or watch on")]
    Throttle,
    /// `*` beside names.
    #[error("namespaces: * means all of them: write it alone, or names without it")]
    AllAndMore,
    /// A name that is none.
    #[error("namespaces: {0:?} is no name of a namespace")]
    Namespace(String),
    /// What is to be exposed cannot be told.
    #[error(transparent)]
    Exposure(#[from] ExposureError),
    /// A number that cannot work.
    #[error("{key} is {found}: use {allowed}")]
    OutOfRange {
        /// Which.
        key: &'static str,
        /// What was found.
        found: String,
        /// What may be.
        allowed: &'static str,
    },
    /// The address is none.
    #[error(
        "endpoint.address: {0:?} is no address: write http://host:port, https://host:port or \
         unix:///path"
    )]
    Address(String),
    /// What was found there cannot be used.
    #[error("endpoint: {0}")]
    Target(#[from] TargetError),
}

impl Settings {
    /// What of Nomad's services becomes routes.
    ///
    /// # Errors
    /// When the template, the constraints or a prefix cannot be used.
    pub fn exposure(&self) -> Result<Exposure, ExposureError> {
        let settings = ExposureSettings {
            exposed_by_default: self.exposed_by_default,
            default_rule: self.default_rule.clone(),
            constraints: self.constraints.clone(),
            label_prefixes: self.label_prefixes.clone(),
            prefix: self.prefix.clone(),
            allow: self.allow.clone(),
            references: self.references.clone(),
        };
        settings.build()
    }

    /// Finds what serde cannot: values that exclude each other or cannot work, what is to be exposed included.
    ///
    /// # Errors
    /// With the first such value.
    pub fn validate(&self) -> Result<(), SettingsError> {
        if self.prefix.is_some() && self.label_prefixes != Self::default().label_prefixes {
            return Err(SettingsError::Exclusive("prefix", "labelPrefixes"));
        }
        if !self.watch && self.throttle_duration > Duration::ZERO {
            return Err(SettingsError::Throttle);
        }
        if self.namespaces.len() > 1 && self.namespaces.iter().any(|name| name == ALL_NAMESPACES) {
            return Err(SettingsError::AllAndMore);
        }
        let is_name = |name: &String| {
            name == ALL_NAMESPACES
                || (!name.is_empty()
                    && name
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)))
        };
        if let Some(bad) = self.namespaces.iter().find(|name| !is_name(name)) {
            return Err(SettingsError::Namespace(bad.clone()));
        }
        let duration = |key, value, shortest, longest, allowed| match value {
            Some(value) if value < shortest || value > longest => {
                let found = mesh_config::duration::format(value);
                Err(SettingsError::OutOfRange { key, found, allowed })
            }
            _ => Ok(()),
        };
        let shortest = Duration::from_millis(100);
        let interval = Some(self.refresh_interval);
        duration(
            "refreshInterval",
            interval,
            shortest,
            Duration::MAX,
            "100ms or more",
        )?;
        let (key, wait) = ("endpoint.endpointWaitTime", self.endpoint.endpoint_wait_time);
        duration(key, wait, Duration::from_secs(1), MAX_WAIT, "1s to 5m")?;
        if self.max_watches > 90 {
            return Err(SettingsError::OutOfRange {
                key: "maxWatches",
                found: self.max_watches.to_string(),
                allowed: "90 or less: Nomad takes 100 connections of one address",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validate(json: &str) -> Result<(), String> {
        let settings: Settings = serde_json::from_str(json).map_err(|error| error.to_string())?;
        settings.validate().map_err(|error| error.to_string())
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        for (json, key) in [
            (r#"{"namespaces": ["*", "a"]}"#, "namespaces"),
            (r#"{"namespaces": ["a/b"]}"#, "namespaces"),
            (r#"{"endpoint": {"endpointWaitTime": "6m"}}"#, "endpointWaitTime"),
            (r#"{"maxWatches": 120}"#, "maxWatches"),
            (
                r#"{"prefix": "edge", "labelPrefixes": ["mesh", "traefik"]}"#,
                "labelPrefixes",
            ),
            (
                r#"{"throttleDuration": "5s", "watch": false}"#,
                "throttleDuration",
            ),
            (r#"{"allowEmptyServices": true}"#, "allowEmptyServices"),
        ] {
            let error = validate(json).unwrap_err();
            assert!(error.contains(key), "{error}");
        }
        assert_eq!(validate(r#"{"namespaces": ["*"], "prefix": "edge"}"#), Ok(()));
    }
}

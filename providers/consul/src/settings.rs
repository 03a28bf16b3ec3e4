//! What users may say about the Consul catalog provider.

use std::{collections::BTreeMap, time::Duration};

use mesh_config::{ProviderName, Secret};
use mesh_discovery::{
    Allow, ExposureSettings,
    exposure::{DEFAULT_RULE, Exposure, ExposureError},
};
use mesh_remote::{HttpAuth, Scheme, TargetError, TlsSettings};
use serde::{Deserialize, Deserializer, de::Error as _};

/// Longest wait that Consul grants a blocking query.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// How to reach Consul, and which of its services to expose.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Settings {
    /// Where Consul is.
    pub endpoint: EndpointSettings,
    /// Learn of changes at once, by blocking queries. Off, everything is read every `refreshInterval`.
    pub watch: bool,
    /// How often everything is read when `watch` is off.
    #[serde(with = "mesh_config::duration")]
    pub refresh_interval: Duration,
    /// Let the leader confirm its leadership for every answer: never outdated, and slower.
    pub require_consistent: bool,
    /// Let any server answer, leader or not: keeps working while there is no leader, and may be a little behind.
    pub stale: bool,
    /// Let the agent answer for services from its cache.
    pub cache: bool,
    /// The name under which Mesh itself is registered. Not routed to unless its own tags enable it: it would be
    /// a loop.
    pub service_name: String,
    /// The states of an instance that get requests: `passing`, `warning`, `critical`, `maintenance`, `any`.
    pub strict_checks: Vec<Check>,
    /// Consul Enterprise namespaces. Each is a provider of its own, `consulcatalog-<namespace>`.
    pub namespaces: Vec<String>,
    /// Consul Enterprise admin partition; absent means the agent's.
    pub partition: Option<String>,
    /// Most services that are followed by a blocking query each. Consul takes 200 connections of one address, and
    /// goes on with the queries of one who died; with more services than this, two queries notice changes for all.
    pub max_watches: usize,
    /// Mesh is not ready before all services have been read once.
    pub required: bool,
    /// Expose services whose tags do not say `mesh.enable`. Off, `enable` must be a tag: one in `Meta` alone is
    /// not seen.
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
    /// Further Consuls, each inheriting the block around it: `consulcatalog-<name>`.
    pub instances: BTreeMap<String, Self>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: EndpointSettings::default(),
            watch: true,
            refresh_interval: Duration::from_secs(15),
            require_consistent: false,
            stale: false,
            cache: false,
            service_name: "mesh".to_owned(),
            strict_checks: vec![Check::Passing, Check::Warning],
            namespaces: Vec::new(),
            partition: None,
            max_watches: 120,
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

/// Where Consul is. What is absent here is taken from the variables that Consul's own tools read.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct EndpointSettings {
    /// `host:port`, or `unix:///path` for a socket. Absent: `CONSUL_HTTP_ADDR`, else `127.0.0.1:8500`.
    pub address: Option<String>,
    /// `http` or `https`. Absent: as `CONSUL_HTTP_ADDR` and `CONSUL_HTTP_SSL` say, else `http`.
    pub scheme: Option<Scheme>,
    /// The datacenter; absent means the agent's.
    pub datacenter: Option<String>,
    /// ACL token; needs `read` on services and nodes. Absent: `CONSUL_HTTP_TOKEN`, or the content of the file that
    /// `CONSUL_HTTP_TOKEN_FILE` names.
    pub token: Option<Secret>,
    /// Basic authentication of a proxy in front of Consul. Absent: `CONSUL_HTTP_AUTH`, `user:password`.
    pub http_auth: Option<HttpAuth>,
    /// TLS towards Consul. Absent: `CONSUL_CACERT`, `CONSUL_CLIENT_CERT`, `CONSUL_CLIENT_KEY`,
    /// `CONSUL_TLS_SERVER_NAME`,
    /// `CONSUL_HTTP_SSL_VERIFY`.
    pub tls: Option<TlsSettings>,
    /// How long one blocking query may hang. Longer is cheaper for Consul; changes arrive at once all the same.
    #[serde(with = "mesh_config::duration::option")]
    pub endpoint_wait_time: Option<Duration>,
}

/// The state of an instance: the worst of its checks and its node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// All checks pass, or there are none.
    Passing,
    /// One warns.
    Warning,
    /// One fails.
    Critical,
    /// Taken out by hand.
    Maintenance,
    /// Whatever the state.
    Any,
}

impl Check {
    /// As users write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Maintenance => "maintenance",
            Self::Any => "any",
        }
    }

    /// The state called `name` in any case.
    pub fn named(name: &str) -> Option<Self> {
        [
            Self::Passing,
            Self::Warning,
            Self::Critical,
            Self::Maintenance,
            Self::Any,
        ]
        .into_iter()
        .find(|check| check.as_str().eq_ignore_ascii_case(name))
    }
}

impl<'de> Deserialize<'de> for Check {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(name.trim()).ok_or_else(|| {
            D::Error::custom(format_args!(
                "{name:?} is no state: use passing, warning, critical, maintenance or any"
            ))
        })
    }
}

/// Why settings cannot be used; keys are those within the block of the provider.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Consul refuses such a pair.
    #[error("{0} and {1} exclude each other: keep one")]
    Exclusive(&'static str, &'static str),
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
    #[error("endpoint.address: {0:?} is no address: write host:port or unix:///path")]
    Address(String),
    /// What was found there cannot be used.
    #[error("endpoint: {0}")]
    Target(#[from] TargetError),
}

impl Settings {
    /// What of the catalog becomes routes.
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

    /// Finds what serde cannot: values that exclude each other or cannot work.
    ///
    /// # Errors
    /// With the first such value.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let exclusive = [
            (self.stale, "stale", self.require_consistent, "requireConsistent"),
            (self.cache, "cache", self.require_consistent, "requireConsistent"),
            (
                self.prefix.is_some(),
                "prefix",
                self.label_prefixes != Self::default().label_prefixes,
                "labelPrefixes",
            ),
        ];
        if let Some((_, one, _, other)) = exclusive.iter().find(|(one, _, other, _)| *one && *other) {
            return Err(SettingsError::Exclusive(one, other));
        }
        let out_of_range =
            |key, found: String, allowed| Err(SettingsError::OutOfRange { key, found, allowed });
        if self.refresh_interval < Duration::from_millis(100) {
            let found = mesh_config::duration::format(self.refresh_interval);
            return out_of_range("refreshInterval", found, "100ms or more");
        }
        match self.endpoint.endpoint_wait_time {
            Some(wait) if wait < Duration::from_secs(1) || wait > MAX_WAIT => {
                let found = mesh_config::duration::format(wait);
                out_of_range("endpoint.endpointWaitTime", found, "1s to 10m")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_takes_the_place_of_the_default_prefixes_and_excludes_written_ones() {
        let mut settings = Settings {
            prefix: Some("edge".to_owned()),
            ..Settings::default()
        };
        assert!(settings.validate().is_ok());
        assert_eq!(settings.exposure().unwrap().label_prefixes, ["edge"]);
        settings.label_prefixes = vec!["mesh".to_owned(), "traefik".to_owned()];
        assert!(settings.validate().is_err());
    }
}

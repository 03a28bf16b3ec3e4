//! What users may say about the ECS provider.

use std::{collections::BTreeMap, time::Duration};

use mesh_config::{ProviderName, Secret};
use mesh_discovery::{
    Allow, ExposureSettings,
    exposure::{DEFAULT_RULE, Exposure, ExposureError},
};
use serde::Deserialize;

use crate::events::EventsSettings;

/// Which clusters to read, as whom, and which of their tasks to expose.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Settings {
    /// The clusters, by name or ARN. With more than one, services are named `<cluster>/<service>`.
    pub clusters: Vec<String>,
    /// Read every cluster of the account in the region; `clusters` does not count then.
    pub auto_discover_clusters: bool,
    /// How often everything is read: a number of seconds, or a time like `500ms`. Twice as long above 1,000 tasks
    /// in a cluster, and up to eight times while AWS throttles.
    #[serde(with = "mesh_config::duration")]
    pub refresh_seconds: Duration,
    /// Send requests only to containers that pass a health check, and so to none that has no check.
    pub healthy_tasks_only: bool,
    /// Find the addresses of ECS Anywhere machines (`mi-…`), through SSM.
    pub ecs_anywhere: bool,
    /// The region. Absent: as AWS's own tools find it, `AWS_REGION` first.
    pub region: Option<String>,
    /// How changes are heard of before the next read.
    pub events: EventsSettings,
    /// Where ECS, EC2, SSM, STS, SQS and SNS answer, instead of where AWS does. Absent: `AWS_ENDPOINT_URL_ECS` and the like,
    /// `AWS_ENDPOINT_URL`.
    pub endpoint: Option<String>,
    /// Access key; with `secretAccessKey`. Absent: as AWS's own tools find one, the task's role included.
    #[serde(rename = "accessKeyID")]
    pub access_key_id: Option<Secret>,
    /// The access key's secret.
    pub secret_access_key: Option<Secret>,
    /// Role to assume with these credentials, in another account for example.
    pub role_arn: Option<String>,
    /// What the role's trust policy asks for.
    pub external_id: Option<String>,
    /// What CloudTrail calls the session of the role.
    pub role_session_name: String,
    /// Mesh is not ready before all clusters have been read once.
    pub required: bool,
    /// Expose tasks whose tags and labels do not say `mesh.enable`.
    pub exposed_by_default: bool,
    /// Which tasks to take, by their tags and labels: ``Label(`stage`, `prod`)``; empty takes all.
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
    /// Further regions, accounts or roles, each inheriting the block around it: `ecs-<name>`.
    pub instances: BTreeMap<String, Self>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clusters: vec!["default".to_owned()],
            auto_discover_clusters: false,
            refresh_seconds: Duration::from_secs(15),
            healthy_tasks_only: false,
            ecs_anywhere: false,
            region: None,
            events: EventsSettings::default(),
            endpoint: None,
            access_key_id: None,
            secret_access_key: None,
            role_arn: None,
            external_id: None,
            role_session_name: "mesh".to_owned(),
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

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Only one of the two can count.
    #[error("providers.ecs: {0} and {1} exclude each other: keep one")]
    Exclusive(&'static str, &'static str),
    /// One means nothing without the other.
    #[error("providers.ecs: {0} needs {1}: give both or none")]
    Alone(&'static str, &'static str),
    /// What is to be exposed cannot be told.
    #[error("providers.ecs.{0}")]
    Exposure(#[from] ExposureError),
    /// A value that cannot work.
    #[error("providers.ecs.{key} is {found:?}: use {allowed}")]
    OutOfRange {
        /// Which.
        key: &'static str,
        /// What was found.
        found: String,
        /// What may be.
        allowed: &'static str,
    },
}

impl Settings {
    /// What of the clusters becomes routes.
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
        if self.prefix.is_some() && self.label_prefixes != Self::default().label_prefixes {
            return Err(SettingsError::Exclusive("prefix", "labelPrefixes"));
        }
        let pairs = [
            (
                self.access_key_id.is_some(),
                "accessKeyID",
                self.secret_access_key.is_some(),
                "secretAccessKey",
            ),
            (
                self.secret_access_key.is_some(),
                "secretAccessKey",
                self.access_key_id.is_some(),
                "accessKeyID",
            ),
            (
                self.external_id.is_some(),
                "externalId",
                self.role_arn.is_some(),
                "roleArn",
            ),
        ];
        if let Some((_, one, _, other)) = pairs.iter().find(|(one, _, other, _)| *one && !*other) {
            return Err(SettingsError::Alone(one, other));
        }
        self.events.validate()?;
        let out_of_range =
            |key, found: String, allowed| Err(SettingsError::OutOfRange { key, found, allowed });
        if self.refresh_seconds < Duration::from_millis(100) {
            let found = mesh_config::duration::format(self.refresh_seconds);
            return out_of_range("refreshSeconds", found, "100ms or more");
        }
        if !self.auto_discover_clusters
            && (self.clusters.is_empty() || self.clusters.iter().any(String::is_empty))
        {
            let found = self.clusters.join(",");
            return out_of_range(
                "clusters",
                found,
                "one name or ARN or more, or autoDiscoverClusters",
            );
        }
        let url = self
            .endpoint
            .as_ref()
            .map(|endpoint| (endpoint, endpoint.parse::<http::Uri>()));
        match url {
            Some((_, Ok(url))) if url.scheme().is_some() && url.host().is_some() => Ok(()),
            Some((found, _)) => out_of_range("endpoint", found.clone(), "a URL like http://127.0.0.1:5000"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(settings: &str) -> String {
        let settings: Settings = serde_json::from_str(settings).unwrap();
        settings.validate().unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_valid_and_a_number_of_seconds_is_one() {
        assert!(Settings::default().validate().is_ok());
        let settings: Settings = serde_json::from_str(r#"{"refreshSeconds": 30}"#).unwrap();
        assert_eq!(settings.refresh_seconds, Duration::from_secs(30));
    }

    #[test]
    fn halves_of_pairs_and_values_that_cannot_work_are_refused_with_their_key() {
        for (settings, key) in [
            (r#"{"accessKeyID": "AKIA"}"#, "secretAccessKey"),
            (r#"{"secretAccessKey": "x"}"#, "accessKeyID"),
            (r#"{"externalId": "x"}"#, "roleArn"),
            (r#"{"refreshSeconds": "1ms"}"#, "refreshSeconds"),
            (r#"{"clusters": []}"#, "clusters"),
            (r#"{"endpoint": "127.0.0.1:5000"}"#, "endpoint"),
            (r#"{"events": {"topic": "mesh-events"}}"#, "events.topic"),
            (r#"{"prefix": "a", "labelPrefixes": ["b"]}"#, "labelPrefixes"),
        ] {
            let error = error(settings);
            assert!(error.contains(key), "{error}");
        }
    }
}

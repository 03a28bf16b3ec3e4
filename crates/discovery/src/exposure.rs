//! What of a provider's world becomes routes, and what its labels may ask for.

use std::collections::BTreeSet;

use mesh_config::{
    ProviderName, constraint::Constraint, rule::RuleError, template::DefaultRule, template::TemplateError,
};
use serde::{Deserialize, Serialize};

/// The rule of services that declare none.
pub const DEFAULT_RULE: &str = "Host(`{{ normalize .Name }}`)";

/// The settings every provider of instances has. A provider repeats these keys in its own settings, where a
/// flattened struct would hide unknown keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ExposureSettings {
    /// Expose instances that do not say `mesh.enable`.
    pub exposed_by_default: bool,
    /// Template for the rule of a router that has none.
    pub default_rule: String,
    /// Only instances that match are seen; empty sees all.
    pub constraints: String,
    /// First segments of labels that are read as ours; for one key the first prefix listed wins. Empty: `mesh`.
    pub label_prefixes: Vec<String>,
    /// The same with one element; takes the place of `labelPrefixes`.
    pub prefix: Option<String>,
    /// Limits for what labels may declare.
    pub allow: Allow,
    /// Providers whose objects labels may refer to, beside their own and `file`.
    pub references: Vec<ProviderName>,
}

impl Default for ExposureSettings {
    fn default() -> Self {
        Self {
            exposed_by_default: true,
            default_rule: DEFAULT_RULE.to_owned(),
            constraints: String::new(),
            label_prefixes: vec!["mesh".to_owned()],
            prefix: None,
            allow: Allow::default(),
            references: Vec::new(),
        }
    }
}

/// Limits for what the labels of one provider may declare; unset means no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Allow {
    /// Hosts: `example.com` allows it and all below it, `*.example.com` only what is below it. Every
    /// alternative of a rule must be bound to an allowed host.
    pub hosts: Vec<String>,
    /// Entrypoints. A router that names none listens on all of these.
    pub entry_points: Vec<String>,
    /// Highest priority; a router that names none gets at most this.
    pub max_priority: Option<i64>,
}

/// [`ExposureSettings`], parsed.
#[derive(Debug, Clone)]
pub struct Exposure {
    /// Expose instances that do not say otherwise.
    pub exposed_by_default: bool,
    /// Template for the rule of a router that has none.
    pub default_rule: DefaultRule,
    /// Only instances that match are seen.
    pub constraints: Option<Constraint>,
    /// First segments of labels that are read as ours, strongest first.
    pub label_prefixes: Vec<String>,
    /// Limits for what labels may declare.
    pub allow: Allow,
    /// Providers whose objects labels may refer to, beside their own and `file`.
    pub references: BTreeSet<ProviderName>,
}

/// Why exposure settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ExposureError {
    /// `defaultRule` is no template.
    #[error("defaultRule: {0}")]
    DefaultRule(#[from] TemplateError),
    /// `constraints` is no expression.
    #[error("constraints: {0}")]
    Constraints(#[from] RuleError),
    /// A label prefix is empty or has more than one segment.
    #[error("labelPrefixes: {0:?} is no prefix: write one word without dots, like mesh")]
    Prefix(String),
}

impl ExposureSettings {
    /// Parses the texts among the settings, once.
    ///
    /// # Errors
    /// When the template, the constraints or a prefix cannot be used.
    pub fn build(&self) -> Result<Exposure, ExposureError> {
        let prefixes = match &self.prefix {
            Some(prefix) => vec![prefix.clone()],
            None if self.label_prefixes.is_empty() => vec!["mesh".to_owned()],
            None => self.label_prefixes.clone(),
        };
        if let Some(bad) = prefixes
            .iter()
            .find(|prefix| prefix.is_empty() || prefix.contains('.'))
        {
            return Err(ExposureError::Prefix(bad.clone()));
        }
        let constraints = match self.constraints.trim() {
            "" => None,
            text => Some(Constraint::parse(text)?),
        };
        Ok(Exposure {
            exposed_by_default: self.exposed_by_default,
            default_rule: DefaultRule::parse(&self.default_rule)?,
            constraints,
            label_prefixes: prefixes,
            allow: self.allow.clone(),
            references: self.references.iter().cloned().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_expose_everything_labelled_mesh() {
        let exposure = ExposureSettings::default().build().unwrap();
        assert!(exposure.exposed_by_default);
        assert_eq!(exposure.label_prefixes, ["mesh"]);
        assert!(exposure.constraints.is_none());
    }

    #[test]
    fn prefix_takes_the_place_of_label_prefixes() {
        let settings: ExposureSettings =
            serde_json::from_str(r#"{"labelPrefixes": ["mesh", "traefik"], "prefix": "edge"}"#).unwrap();
        assert_eq!(settings.build().unwrap().label_prefixes, ["edge"]);
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_key() {
        for (settings, key) in [
            (r#"{"constraints": "Tag("}"#, "constraints: "),
            (r#"{"defaultRule": "{{ nope"}"#, "defaultRule: "),
            (r#"{"labelPrefixes": ["a.b"]}"#, "labelPrefixes: "),
        ] {
            let settings: ExposureSettings = serde_json::from_str(settings).unwrap();
            let error = settings.build().unwrap_err().to_string();
            assert!(error.starts_with(key), "{error}");
        }
    }
}

//! Names of objects: `web`, `web@consulcatalog`, and references between them.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The provider an object belongs to, as it appears after `@`: `file`, `consulcatalog`, `nomad-prod`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderName(Arc<str>);

impl ProviderName {
    /// The provider of objects that Mesh makes itself: `api@internal`, `ping@internal`.
    pub const INTERNAL: &'static str = "internal";

    /// The provider of objects in files.
    pub const FILE: &'static str = "file";

    /// Wraps `name` as it is.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The provider of objects that Mesh makes itself.
    pub fn internal() -> Self {
        Self::new(Self::INTERNAL)
    }

    /// The name without decoration.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ProviderName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ProviderName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// The name of one object in the whole configuration, written `name@provider`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QualifiedName {
    /// The name within its provider; holds no `@`.
    pub name: Arc<str>,
    /// The provider that delivered the object.
    pub provider: ProviderName,
}

impl QualifiedName {
    /// `name@provider`.
    pub fn new(name: impl Into<Arc<str>>, provider: ProviderName) -> Self {
        Self {
            name: name.into(),
            provider,
        }
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.provider)
    }
}

impl Serialize for QualifiedName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for QualifiedName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse::<Reference>().map_err(serde::de::Error::custom)? {
            Reference {
                name,
                provider: Some(provider),
            } => Ok(Self { name, provider }),
            Reference { provider: None, .. } => Err(serde::de::Error::custom(format_args!(
                "{text:?} lacks its provider: write name@provider"
            ))),
        }
    }
}

/// What one object calls another: `auth`, meaning "of my own provider", or `auth@file`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The name before `@`.
    pub name: Arc<str>,
    /// The provider after `@`, if one was written.
    pub provider: Option<ProviderName>,
}

impl Reference {
    /// A reference to an object of the same provider.
    pub fn local(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            provider: None,
        }
    }

    /// The object meant, seen from an object of `home`.
    pub fn resolve(&self, home: &ProviderName) -> QualifiedName {
        QualifiedName {
            name: self.name.clone(),
            provider: self.provider.clone().unwrap_or_else(|| home.clone()),
        }
    }
}

impl From<QualifiedName> for Reference {
    fn from(name: QualifiedName) -> Self {
        Self {
            name: name.name,
            provider: Some(name.provider),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.provider {
            Some(provider) => write!(f, "{}@{provider}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing before or after `@`.
    #[error("{0:?} has an empty part: write name or name@provider")]
    Empty(String),
    /// More than one `@`.
    #[error("{0:?} has more than one @: write name or name@provider")]
    ManyAts(String),
}

impl FromStr for Reference {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        let (name, provider) = match text.split_once('@') {
            Some((_, provider)) if provider.contains('@') => return Err(NameError::ManyAts(text.to_owned())),
            Some((name, provider)) => (name, Some(provider)),
            None => (text, None),
        };
        if name.is_empty() || provider.is_some_and(str::is_empty) {
            return Err(NameError::Empty(text.to_owned()));
        }
        Ok(Self {
            name: name.into(),
            provider: provider.map(ProviderName::new),
        })
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// `text` as a name that may stand in a host: runs of letters and digits joined by `-`
/// (`/my_app.v1/` becomes `my-app-v1`).
pub fn normalize(text: &str) -> String {
    let pieces: Vec<_> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|piece| !piece.is_empty())
        .collect();
    pieces.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normalized_name_has_only_letters_digits_and_single_dashes() {
        assert_eq!(normalize("/my_app.v1/"), "my-app-v1");
        assert_eq!(normalize("Ünïcode  2"), "Ünïcode-2");
        assert_eq!(normalize("--"), "");
    }

    #[test]
    fn a_reference_without_provider_means_the_provider_of_its_owner() {
        let reference: Reference = "auth".parse().unwrap();
        assert_eq!(
            reference.resolve(&ProviderName::new("nomad")).to_string(),
            "auth@nomad"
        );
    }

    #[test]
    fn a_reference_with_provider_stands_for_itself() {
        let reference: Reference = "auth@file".parse().unwrap();
        assert_eq!(
            reference.resolve(&ProviderName::new("nomad")).to_string(),
            "auth@file"
        );
    }

    #[test]
    fn names_with_empty_parts_or_two_ats_are_refused() {
        for text in ["", "@file", "a@", "a@b@c"] {
            assert!(text.parse::<Reference>().is_err(), "{text:?} was taken");
        }
    }
}

//! Settings of the API and of ping.

use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The `api` block of the static settings; without it nothing of the API is served.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ApiSettings {
    /// What comes before `/api` in every path.
    pub base_path: BasePath,
    /// Serve the API on the `mesh` entrypoint to everybody who can reach it. Off, it is served where a router
    /// leads to `api@internal`.
    pub insecure: bool,
    /// Let those who reach the API throw away what middlewares keep.
    pub cache_purge: bool,
    /// Accepted for files written for a version with a dashboard; see [`Self::warnings`].
    pub dashboard: Option<bool>,
    /// Accepted for files written for a version with debug pages; see [`Self::warnings`].
    pub debug: bool,
}

impl ApiSettings {
    /// What was asked for and is not served, for the log.
    pub fn warnings(&self) -> Vec<&'static str> {
        let dashboard = self.dashboard == Some(true);
        let warnings = [
            (
                dashboard,
                "api.dashboard: this version serves no dashboard; the API is served without it",
            ),
            (self.debug, "api.debug: this version serves no debug pages"),
        ];
        warnings
            .into_iter()
            .filter(|(asked, _)| *asked)
            .map(|(_, warning)| warning)
            .collect()
    }
}

/// What comes before `/api`: empty, or a path that begins with a slash and does not end with one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(String);

/// Why a text is no base path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a base path: begin with /, and use letters, digits and / _ . : ~ - only")]
pub struct BasePathError(String);

impl BasePath {
    /// The path; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for BasePath {
    type Err = BasePathError;

    fn from_str(text: &str) -> Result<Self, BasePathError> {
        let allowed = |char: char| char.is_ascii_alphanumeric() || "/_.:~-".contains(char);
        if !text.starts_with('/') || !text.chars().all(allowed) {
            return Err(BasePathError(text.to_owned()));
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl Serialize for BasePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "/" } else { &self.0 })
    }
}

impl<'de> Deserialize<'de> for BasePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// The `ping` block of the static settings; without it neither `/ping` nor `/ready` is served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PingSettings {
    /// The entrypoint that serves `/ping` and `/ready`.
    pub entry_point: String,
    /// Make no router; route to `ping@internal` (and `ready@internal`) yourself.
    pub manual_routing: bool,
    /// What `/ping` answers once Mesh is stopping.
    pub terminating_status_code: Status,
}

impl Default for PingSettings {
    fn default() -> Self {
        Self {
            entry_point: "mesh".to_owned(),
            manual_routing: false,
            terminating_status_code: Status(StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

/// A status that can end an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(StatusCode);

impl Status {
    /// The status.
    pub fn code(self) -> StatusCode {
        self.0
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.0.as_u16())
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u16::deserialize(deserializer)?;
        match StatusCode::from_u16(number) {
            Ok(code) if !code.is_informational() => Ok(Self(code)),
            _ => Err(D::Error::custom(format_args!(
                "{number} is not a status from 200 to 999"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_paths_begin_with_a_slash_and_hold_nothing_odd() {
        for (text, path) in [("/", ""), ("/mesh", "/mesh"), ("/a/b/", "/a/b")] {
            assert_eq!(text.parse::<BasePath>().unwrap().as_str(), path);
        }
        for text in ["", "mesh", "/a b", "/a?b", "/ü"] {
            assert!(text.parse::<BasePath>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn what_is_not_served_is_accepted_with_a_warning() {
        let settings: ApiSettings = serde_json::from_str(r#"{"dashboard": true, "debug": true}"#).unwrap();
        assert_eq!(settings.warnings().len(), 2);
        assert!(ApiSettings::default().warnings().is_empty());
        assert!(serde_json::from_str::<ApiSettings>(r#"{"dashbord": true}"#).is_err());
    }

    #[test]
    fn an_informational_status_cannot_end_a_ping() {
        assert!(serde_json::from_str::<PingSettings>(r#"{"terminatingStatusCode": 100}"#).is_err());
        let settings: PingSettings = serde_json::from_str(r#"{"terminatingStatusCode": 204}"#).unwrap();
        assert_eq!(settings.terminating_status_code.code(), 204);
    }
}

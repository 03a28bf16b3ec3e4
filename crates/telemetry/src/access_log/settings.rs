//! Settings of the access log.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// The `accessLog` block of the static settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AccessLogSettings {
    /// The file to append to; absent means standard output.
    pub file_path: Option<PathBuf>,
    /// How a line looks.
    pub format: AccessLogFormat,
    /// Lines that may wait to be written; further ones are lost and counted. 0 means 8192.
    #[serde(deserialize_with = "mesh_config::whole::within::<_, _, 0, 1_000_000>")]
    pub buffering_size: usize,
    /// Which requests are logged; without any filter all are.
    pub filters: Filters,
    /// What of a request is logged.
    pub fields: Fields,
    /// Log requests to services of Mesh itself too (`api@internal` and its kin).
    pub add_internals: bool,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AccessLogFormat {
    /// The Common Log Format and what Mesh adds to it.
    #[default]
    Common,
    /// The Common Log Format with referer and user agent, as other tools read it.
    #[serde(rename = "genericCLF")]
    GenericClf,
    /// One JSON object.
    Json,
}

/// Which requests are logged: those that pass any one of the filters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Filters {
    /// Statuses and ranges of them: `200`, `400-499`.
    pub status_codes: Vec<StatusRange>,
    /// Requests for which another server was tried.
    pub retry_attempts: bool,
    /// Requests that took at least this long; 0 means that duration does not matter.
    #[serde(with = "mesh_config::duration")]
    pub min_duration: Duration,
}

/// A status, or a range of them with both ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRange(RangeInclusive<u16>);

impl StatusRange {
    /// True when `status` lies in it.
    pub fn contains(&self, status: u16) -> bool {
        self.0.contains(&status)
    }
}

/// Why a text is no range of statuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a status or a range of them: write 200 or 400-499")]
pub struct StatusRangeError(String);

impl FromStr for StatusRange {
    type Err = StatusRangeError;

    fn from_str(text: &str) -> Result<Self, StatusRangeError> {
        let error = || StatusRangeError(text.to_owned());
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        let status = |text: &str| text.trim().parse::<u16>().map_err(|_| error());
        let (low, high) = (status(low)?, status(high)?);
        if low < 100 || high > 999 || low > high {
            return Err(error());
        }
        Ok(Self(low..=high))
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.start(), self.0.end()) {
            (low, high) if low == high => write!(f, "{low}"),
            (low, high) => write!(f, "{low}-{high}"),
        }
    }
}

impl Serialize for StatusRange {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Ranges are text, but a bare number is what people write in YAML.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawStatusRange {
    Number(u16),
    Text(String),
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match RawStatusRange::deserialize(deserializer)? {
            RawStatusRange::Number(number) => number.to_string(),
            RawStatusRange::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What of a request is logged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Fields {
    /// What happens to fields that `names` does not list.
    pub default_mode: FieldMode,
    /// Single fields, in any case.
    pub names: BTreeMap<String, FieldMode>,
    /// Headers.
    pub headers: HeaderFields,
    /// Query strings in paths.
    pub query_parameters: QueryParameters,
}

/// What happens to a field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldMode {
    /// It is logged.
    #[default]
    Keep,
    /// It is left out.
    Drop,
}

/// Which headers are logged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HeaderFields {
    /// What happens to headers that `names` does not list. Even with `keep`, headers that carry credentials are
    /// redacted unless `names` says `keep` for them.
    pub default_mode: HeaderMode,
    /// Single headers, in any case.
    pub names: BTreeMap<String, HeaderMode>,
}

/// What happens to a header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeaderMode {
    /// It is logged.
    Keep,
    /// It is left out.
    #[default]
    Drop,
    /// Its name is logged, its value is not.
    Redact,
}

/// Query strings in paths.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct QueryParameters {
    /// `drop` takes the query off every logged path.
    pub default_mode: FieldMode,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_alone_and_as_ranges() {
        let settings: AccessLogSettings =
            serde_json::from_str(r#"{"filters":{"statusCodes":[404,"500-599"]},"format":"genericCLF"}"#)
                .unwrap();
        let [one, many] = &settings.filters.status_codes[..] else {
            panic!("two ranges")
        };
        assert!(one.contains(404) && !one.contains(405) && many.contains(599));
        assert_eq!(settings.format, AccessLogFormat::GenericClf);
    }

    #[test]
    fn what_is_no_status_is_refused() {
        for text in ["", "abc", "99", "1000", "300-200", "-5", "200-"] {
            assert!(text.parse::<StatusRange>().is_err(), "{text:?} was taken");
        }
    }
}

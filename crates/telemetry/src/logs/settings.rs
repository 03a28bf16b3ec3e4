//! Settings of the application log.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

/// The `log` block of the static settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LogSettings {
    /// The least urgent level that is written.
    pub level: Level,
    /// How a line looks; absent means `common` on a terminal and `json` elsewhere.
    pub format: Option<LogFormat>,
    /// No colours, even on a terminal.
    pub no_color: bool,
    /// A file to append to; absent means standard error.
    pub file_path: Option<PathBuf>,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Common,
    /// One JSON object.
    Json,
}

/// How urgent a line is, from everything to errors only. Read in any case; `FATAL` and `PANIC` mean `ERROR`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// What helps to find a fault.
    Debug,
    /// What changed.
    #[default]
    Info,
    /// What its reader should mend, while everything is still served.
    Warn,
    /// What does not work.
    Error,
}

/// Why a text is no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a level: write TRACE, DEBUG, INFO, WARN or ERROR")]
pub struct LevelError(String);

impl Level {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

impl FromStr for Level {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, LevelError> {
        match text.trim().to_ascii_uppercase().as_str() {
            "TRACE" => Ok(Self::Trace),
            "DEBUG" => Ok(Self::Debug),
            "INFO" => Ok(Self::Info),
            "WARN" | "WARNING" => Ok(Self::Warn),
            "ERROR" | "FATAL" | "PANIC" => Ok(Self::Error),
            _ => Err(LevelError(text.to_owned())),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Level {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_in_any_case() {
        for (text, level) in [
            ("debug", Level::Debug),
            ("Warn", Level::Warn),
            ("FATAL", Level::Error),
            ("panic", Level::Error),
        ] {
            assert_eq!(text.parse(), Ok(level));
        }
        assert!("loud".parse::<Level>().is_err());
    }
}

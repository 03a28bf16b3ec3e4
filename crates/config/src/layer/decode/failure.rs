//! Why a value could not be decoded, on the way to the place where it is noted.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use super::scalar::quote;

/// The error type of the decoders.
#[derive(Debug)]
pub(in crate::layer) enum Failure {
    /// Not yet noted: the nearest value around it is the one that fails.
    Said { message: String, help: Option<String> },
    /// Noted already.
    Noted,
    /// An optional block that is switched off.
    SwitchedOff,
}

impl Failure {
    pub(super) fn said(message: impl Into<String>) -> Self {
        Self::Said {
            message: message.into(),
            help: None,
        }
    }

    pub(super) fn with_help(self, text: impl Into<String>) -> Self {
        match self {
            Self::Said { message, .. } => Self::Said {
                message,
                help: Some(text.into()),
            },
            other => other,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said { message, .. } => f.write_str(message),
            Self::Noted => f.write_str("noted"),
            Self::SwitchedOff => f.write_str("switched off"),
        }
    }
}

impl std::error::Error for Failure {}

impl Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::said(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match found {
            Unexpected::Str(text) => Self::said(format!("{} found, {expected} expected", quote(text))),
            found => Self::said(format!("{found} found, {expected} expected")),
        }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::said(format!("{field} is missing"))
    }
}

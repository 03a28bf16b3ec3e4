//! Where a value came from, and what is wrong with it.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::redact;

/// The source of an object or a value, in words its user can act on:
/// `routes.yml:12`, `consul service web-1 on node-a`, `MESH_LOG_LEVEL`, `--log.level`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin(Arc<str>);

impl Origin {
    /// Wraps a description.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The description.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Origin {
    fn default() -> Self {
        Self::new("built-in default")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing a user should mend: where it is, which key, what is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where the value was written.
    pub origin: Origin,
    /// The key in dotted form (`http.routers.web.rule`); empty when the whole source is meant.
    pub key: String,
    /// What is wrong, with the value found.
    pub message: String,
    /// What is allowed, or the nearest spelling; `None` when the message says it all.
    pub help: Option<String>,
}

impl Problem {
    /// A problem without help. What [`redact::text`] takes for a secret is not kept.
    pub fn new(origin: Origin, key: impl Into<String>, message: impl AsRef<str>) -> Self {
        Self {
            origin,
            key: key.into(),
            message: redact::text(message.as_ref()).into_owned(),
            help: None,
        }
    }

    /// The same problem with a way out.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

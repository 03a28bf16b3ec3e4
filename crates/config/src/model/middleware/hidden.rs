//! Texts that are secret, and part of a definition.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::redact::REDACTED;

/// A password, or a hash of one. Debug does not show it, and views hide it by the name of its option. Unlike a
/// [`Secret`](crate::Secret) it is kept in snapshots, as keys of certificates are: without it a definition that was
/// read back would be another one.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl Hidden {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

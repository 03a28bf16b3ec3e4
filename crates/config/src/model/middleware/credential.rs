//! Credentials in definitions of middlewares.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::redact::REDACTED;

/// A credential as it was written. It is hidden in Debug, and views hide it by the name of its option. Unlike a
/// [`Secret`](crate::Secret) it is written to the snapshot as it is: what is read back from there has to work.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Credential(String);

impl Credential {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

//! Options that exist in the manual but not in this version.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// An option of the manual that this version does not serve. Writing it is an error, so that nobody
/// believes it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum NotServed {}

impl<'de> Deserialize<'de> for NotServed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer)?;
        Err(D::Error::custom(
            "this version does not serve this option: remove it",
        ))
    }
}

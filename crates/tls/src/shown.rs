//! Certificates as those see them who look after them.

use std::sync::Arc;

use mesh_config::{Origin, QualifiedName};

use crate::Facts;

/// A certificate of the configuration, and what became of it. Holds no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The certificate.
    pub name: QualifiedName,
    /// Where it was written.
    pub origin: Origin,
    /// It is for clients for whom there is no other one.
    pub default: bool,
    /// What the version that is in use says of itself; `None` where there is none.
    pub facts: Option<Arc<Facts>>,
    /// What is wrong with it as it is written.
    pub errors: Vec<String>,
}

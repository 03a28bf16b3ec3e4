//! What one service declares, without its servers.

use std::collections::BTreeMap;

use mesh_config::{
    fragment::Declared,
    labels::DeclaredService,
    model::{Middleware, Router},
};
use serde::{Deserialize, Serialize};

/// The good definitions of a service by unqualified name. They outlive its instances by the retention of
/// routes, and stand in for newer ones that cannot be used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Definitions {
    /// Routers, with rule and service filled in.
    pub(crate) routers: BTreeMap<String, Declared<Router>>,
    /// Services without servers.
    pub(crate) services: BTreeMap<String, Declared<DeclaredService>>,
    /// Middlewares.
    pub(crate) middlewares: BTreeMap<String, Declared<Middleware>>,
}

impl Definitions {
    /// True when nothing is declared.
    pub(crate) fn is_empty(&self) -> bool {
        self.routers.is_empty() && self.services.is_empty() && self.middlewares.is_empty()
    }
}

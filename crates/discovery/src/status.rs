//! How fresh each provider is, for the API, `/ready` and the metrics.

use std::time::SystemTime;

use mesh_config::ProviderName;
use serde::Serialize;

/// One provider and its scopes.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderStatus {
    /// `consulcatalog`
    pub name: ProviderName,
    /// Must be in sync for Mesh to be ready.
    pub required: bool,
    /// Every scope was read once since the start, or restored from the snapshot; files that cannot be read do not
    /// count as long as something else could.
    pub synced: bool,
    /// Reads that failed since the start, of all scopes together.
    pub errors: u64,
    /// Its scopes by name.
    pub scopes: Vec<ScopeStatus>,
}

impl ProviderStatus {
    /// This run has heard of every scope, be it that it cannot be read. What is restored from the snapshot does not
    /// count, unlike for `synced`.
    pub fn is_told(&self) -> bool {
        !self.scopes.is_empty() && self.scopes.iter().all(|scope| scope.state.is_told())
    }
}

/// One scope of a provider.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScopeStatus {
    /// `service web`
    pub scope: String,
    /// How its data is to be taken.
    pub state: ScopeState,
    /// Time of the last successful read; `None` before the first. Read before a restart counts.
    #[serde(skip)]
    pub last_success: Option<SystemTime>,
    /// Why the last read failed; `None` when it did not.
    pub last_error: Option<String>,
    /// Instances (or objects of a document) known now.
    pub instances: usize,
}

/// How the data of a scope is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ScopeState {
    /// The last read succeeded.
    Fresh,
    /// Restored from the snapshot and not read since.
    Stale,
    /// The last read failed; what is shown is from before.
    Failed,
    /// Never read.
    Starting,
}

impl ScopeState {
    /// This run has heard of it, be it that it cannot be read.
    pub fn is_told(self) -> bool {
        matches!(self, Self::Fresh | Self::Failed)
    }
}

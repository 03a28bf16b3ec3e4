//! How fresh what each provider says is.

use std::time::SystemTime;

use mesh_discovery::{ProviderStatus, ScopeState, ScopeStatus};
use mesh_telemetry::{
    metrics::{ProviderGauge, ScopeGauge},
    timestamp::Timestamp,
};
use serde_json::{Value, json};

/// `/api/providers`
pub(crate) fn list(providers: &[ProviderStatus], now: SystemTime) -> Value {
    let providers = providers.iter().map(|provider| {
        let scopes = provider.scopes.iter().map(|scope| render(scope, now));
        json!({
            "name": provider.name,
            "kind": kind(provider),
            "required": provider.required,
            "synced": provider.synced,
            "errors": provider.errors,
            "scopes": scopes.collect::<Vec<_>>(),
        })
    });
    providers.collect()
}

/// What it is, where there may be several of it: `nomad` of `nomad-eu`.
pub(crate) fn kind(provider: &ProviderStatus) -> &str {
    let name = provider.name.as_str();
    name.split_once('-').map_or(name, |(kind, _)| kind)
}

fn render(scope: &ScopeStatus, now: SystemTime) -> Value {
    let age = scope
        .last_success
        .map(|last| now.duration_since(last).unwrap_or_default());
    json!({
        "scope": scope.scope,
        "state": scope.state,
        "ageSeconds": age.map(|age| age.as_secs()),
        "lastSuccess": scope.last_success.map(|last| Timestamp::of(last).rfc3339()),
        "lastError": scope.last_error,
        "instances": scope.instances,
    })
}

/// True when every provider that has to be in sync is.
pub(crate) fn all_synced(providers: &[ProviderStatus]) -> bool {
    providers
        .iter()
        .all(|provider| provider.synced || !provider.required)
}

/// The body of `/ready`.
pub(crate) fn readiness(providers: &[ProviderStatus], draining: bool) -> Value {
    let reports = providers.iter().map(|provider| {
        let waiting = provider
            .scopes
            .iter()
            .filter(|scope| scope.last_success.is_none());
        let waiting = waiting.take(usize::from(!provider.synced)).next();
        json!({
            "name": provider.name,
            "required": provider.required,
            "synced": provider.synced,
            "waitingFor": waiting.map(|scope| &scope.scope),
            "lastError": waiting.and_then(|scope| scope.last_error.as_ref()),
        })
    });
    json!({
        "ready": all_synced(providers) && !draining,
        "draining": draining,
        "providers": reports.collect::<Vec<_>>(),
    })
}

/// The same for `/metrics`.
pub(crate) fn gauges(providers: Vec<ProviderStatus>) -> Vec<ProviderGauge> {
    let gauges = providers.into_iter().map(|provider| ProviderGauge {
        provider: provider.name.to_string(),
        synced: provider.synced,
        errors: provider.errors,
        scopes: provider.scopes.into_iter().map(gauge).collect(),
    });
    gauges.collect()
}

fn gauge(scope: ScopeStatus) -> ScopeGauge {
    ScopeGauge {
        scope: scope.scope,
        last_success: scope.last_success,
        failed: scope.state == ScopeState::Failed,
        instances: scope.instances,
    }
}

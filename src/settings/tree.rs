//! The static settings as types.

use std::{collections::BTreeMap, path::Path, time::Duration};

use mesh_api::{ApiSettings, PingSettings};
use mesh_config::model::ServersTransport;
use mesh_discovery::settings::SnapshotSettings;
use mesh_proxy::settings::EntryPoint;
use mesh_telemetry::{
    access_log::AccessLogSettings,
    logs::LogSettings,
    metrics::{MetricsSettings, PrometheusSettings},
};
use serde::Deserialize;

/// Everything that is fixed when Mesh starts. A change needs a restart.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Settings {
    /// Listeners by name; none means `http` on `:80`.
    pub(crate) entry_points: BTreeMap<String, EntryPoint>,
    /// Where the dynamic configuration comes from.
    pub(crate) providers: Providers,
    /// How long things are remembered.
    pub(crate) discovery: Discovery,
    /// The copy of all knowledge on disk.
    pub(crate) snapshot: SnapshotSettings,
    /// The transport of services that name none: `default@internal`.
    pub(crate) servers_transport: ServersTransport,
    /// The API and the views of it.
    pub(crate) api: Option<ApiSettings>,
    /// Liveness and readiness.
    pub(crate) ping: Option<PingSettings>,
    /// Metrics.
    pub(crate) metrics: Option<MetricsSettings>,
    /// The application log.
    pub(crate) log: LogSettings,
    /// One line for each request.
    pub(crate) access_log: Option<AccessLogSettings>,
    /// Worker threads; absent means one for each core.
    #[serde(deserialize_with = "mesh_config::whole::option::<_, _, 1, 1024>")]
    pub(crate) workers: Option<usize>,
    /// The zone this Mesh is in; empty where none is preferred.
    pub(crate) zone: String,
    /// What belongs to the process as a whole.
    pub(crate) global: Global,
}

/// Where the dynamic configuration comes from.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Providers {
    /// Which provider wins between routers of equal priority, first named first; empty means the built-in order.
    pub(crate) precedence: Vec<String>,
    /// Longest time that a change waits in a storm of changes; an isolated one is published at once.
    #[serde(with = "mesh_config::duration::option")]
    pub(crate) providers_throttle_duration: Option<Duration>,
    /// Files.
    #[cfg(feature = "provider-file")]
    pub(crate) file: Option<mesh_provider_file::Settings>,
    /// Consul's catalog of services.
    #[cfg(feature = "provider-consul")]
    pub(crate) consul_catalog: Option<mesh_provider_consul::Settings>,
    /// Tasks of AWS ECS.
    #[cfg(feature = "provider-ecs")]
    pub(crate) ecs: Option<mesh_provider_ecs::Settings>,
    /// Nomad's own services.
    #[cfg(feature = "provider-nomad")]
    pub(crate) nomad: Option<mesh_provider_nomad::Settings>,
}

/// How long things are remembered.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Discovery {
    /// How long the routes of a service without instances answer 503 before they are forgotten.
    #[serde(with = "mesh_config::duration")]
    pub(crate) route_retention: Duration,
    /// How long an instance that its provider no longer lists is kept as draining.
    #[serde(with = "mesh_config::duration")]
    pub(crate) drain: Duration,
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            route_retention: Duration::from_secs(600),
            drain: Duration::from_secs(10),
        }
    }
}

/// What belongs to the process as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Global {
    /// Accepted for compatibility: Mesh never asks for newer versions.
    pub(crate) check_new_version: bool,
    /// Accepted for compatibility: Mesh never sends statistics.
    pub(crate) send_anonymous_usage: bool,
}

impl Settings {
    /// Where metrics are offered, if they are.
    pub(crate) fn prometheus(&self) -> Option<&PrometheusSettings> {
        self.metrics.as_ref()?.prometheus.as_ref()
    }

    /// The file or directory that the file provider reads.
    pub(crate) fn provided_path(&self) -> Option<&Path> {
        #[cfg(feature = "provider-file")]
        return self
            .providers
            .file
            .as_ref()?
            .directory
            .as_deref()
            .or(self.provided_file());
        #[cfg(not(feature = "provider-file"))]
        return None;
    }

    /// The one file that the file provider reads.
    pub(crate) fn provided_file(&self) -> Option<&Path> {
        #[cfg(feature = "provider-file")]
        return self.providers.file.as_ref()?.filename.as_deref();
        #[cfg(not(feature = "provider-file"))]
        return None;
    }
}

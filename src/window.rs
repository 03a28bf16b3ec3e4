//! What the views see of a run that is only coming to life.

use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use mesh_api::{Draining, Views};
use mesh_config::{Configuration, ProviderName};
use mesh_discovery::Discovery;
use mesh_proxy::{InternalServices, RoutingTable};
use mesh_telemetry::{RequestTelemetry, logs};
use mesh_tls::{Shown, Tls};
use tokio::runtime;

use crate::settings::{Plan, Settings};

type TableSource = Box<dyn Fn() -> Arc<RoutingTable> + Send + Sync>;
type CertificateSource = Box<dyn Fn() -> Arc<Vec<Shown>> + Send + Sync>;

/// What the views look through: filled as the parts come to life.
#[derive(Clone, Default)]
pub(crate) struct Window {
    /// The routing table in use.
    pub(crate) table: Arc<OnceLock<TableSource>>,
    /// The certificates that clients are shown.
    pub(crate) certificates: Arc<OnceLock<CertificateSource>>,
    /// Discovery at work.
    pub(crate) discovery: Arc<OnceLock<Discovery>>,
}

/// Views through `window`.
pub(crate) fn views(
    plan: &Plan,
    window: &Window,
    telemetry: &RequestTelemetry,
    draining: &Draining,
    log: &logs::Log,
    tls: &Tls,
) -> Views {
    let settings = &plan.settings;
    let empty = plan
        .compiler(InternalServices::new(), tls)
        .compile(&Configuration::default());
    let certificates = window.certificates.clone();
    let (tables, providers) = (window.table.clone(), window.discovery.clone());
    Views {
        api: settings.api.clone().unwrap_or_default(),
        ping: settings.ping.clone().unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION"),
        started: SystemTime::now(),
        entry_points: plan.served(),
        table: Arc::new(move || tables.get().map_or_else(|| empty.clone(), |table| table())),
        certificates: Arc::new(move || certificates.get().map(|shown| shown()).unwrap_or_default()),
        providers: Arc::new(move || {
            let mut status = providers.get().map(Discovery::status).unwrap_or_default();
            // Its content follows from the settings; it has no freshness to speak of.
            status.retain(|provider| provider.name.as_str() != ProviderName::INTERNAL);
            status
        }),
        telemetry: telemetry.clone(),
        log_dropped: Arc::new(log.dropped()),
        draining: draining.clone(),
        control: runtime::Handle::current(),
    }
}

/// `services` and those of Mesh itself, as far as the settings turn them on.
pub(crate) fn with_standard(
    mut services: InternalServices,
    settings: &Settings,
    views: Views,
) -> InternalServices {
    let on = |name: &str| match name {
        "api" => settings.api.is_some(),
        "ping" | "ready" => settings.ping.is_some(),
        "prometheus" => settings.prometheus().is_some(),
        _ => true,
    };
    services.extend(mesh_api::services(views).into_iter().filter(|(name, _)| on(name)));
    services
}

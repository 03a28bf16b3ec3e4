//! Puts configurations in use, one after the other.

use std::sync::Arc;

use mesh_config::Configuration;
use mesh_discovery::Discovery;
use mesh_proxy::{HealthChecks, Running};
use mesh_telemetry::RequestTelemetry;
use tokio::runtime;
use tracing::info;

use crate::{
    models::Models,
    providers::Providers,
    settings::Plan,
    signals::{Request, Signals},
};

/// Puts configurations in use.
#[derive(Debug)]
pub(crate) struct Publisher {
    models: Models,
    health: HealthChecks,
    telemetry: RequestTelemetry,
}

impl Publisher {
    /// A publisher that has published nothing yet. Must be called within the control runtime.
    pub(crate) fn new(plan: &Plan, telemetry: RequestTelemetry) -> Self {
        Self {
            models: Models::new(&plan.settings, &plan.entry_points()),
            health: HealthChecks::new(runtime::Handle::current()),
            telemetry,
        }
    }

    /// Serves by `configuration` from now on.
    pub(crate) fn publish(&mut self, running: &Running, configuration: &Arc<Configuration>) {
        // Compiling many routers takes a while; other tasks of this thread move over.
        tokio::task::block_in_place(|| {
            running.publish(&self.models.apply(configuration));
            self.health.follow(&running.table());
        });
        if let Some(metrics) = &self.telemetry.metrics {
            metrics.config_applied();
        }
    }

    /// Publishes every change until a signal asks to stop.
    pub(crate) async fn follow(
        &mut self,
        running: &Running,
        discovery: Discovery,
        signals: &mut Signals,
        providers: &Providers,
    ) {
        let mut configurations = discovery.configurations();
        loop {
            let request = tokio::select! {
                request = signals.next() => request,
                Ok(()) = configurations.changed() => {
                    let configuration = configurations.borrow_and_update().clone();
                    self.publish(running, &configuration);
                    continue;
                }
            };
            match request {
                Request::Stop => return,
                Request::Reload => {
                    info!("reading files again");
                    providers.reload();
                }
                Request::Reopen => {
                    if let Some(access_log) = &self.telemetry.access_log {
                        info!("opening the access log again");
                        access_log.reopen();
                    }
                }
            }
        }
    }
}

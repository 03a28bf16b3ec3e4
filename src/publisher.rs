//! Puts configurations in use, one after the other.

use std::sync::Arc;

use mesh_config::Configuration;
use mesh_proxy::Publishing;
use mesh_telemetry::RequestTelemetry;
use tokio::sync::watch;
use tracing::info;

use crate::{
    models::Models,
    providers::Providers,
    signals::{Request, Signals},
};

/// Puts configurations in use, and does what signals ask for in between.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// What entrypoints add to routers.
    pub(crate) models: Models,
    /// Configurations as they come.
    pub(crate) configurations: watch::Receiver<Arc<Configuration>>,
    /// Workers that serve by them.
    pub(crate) publishing: Publishing,
    /// Files that can be opened again.
    pub(crate) telemetry: RequestTelemetry,
    /// Files that can be read again.
    pub(crate) providers: Providers,
}

impl Publisher {
    /// Publishes every change until a signal asks to stop.
    pub(crate) async fn follow(&mut self, signals: &mut Signals) {
        loop {
            let request = tokio::select! {
                request = signals.next() => request,
                Ok(()) = self.configurations.changed() => {
                    let configuration = self.configurations.borrow_and_update().clone();
                    // Compiling many routers takes a while; other tasks of this thread move over.
                    tokio::task::block_in_place(|| self.publishing.publish(&self.models.apply(&configuration)));
                    continue;
                }
            };
            match request {
                Request::Stop => return,
                Request::Reload => {
                    info!("reading files again");
                    self.providers.reload();
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

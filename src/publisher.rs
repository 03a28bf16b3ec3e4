//! Puts configurations in use, one after the other.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use mesh_config::Configuration;
use mesh_proxy::Publishing;
use mesh_telemetry::RequestTelemetry;
use mesh_tls::Keeper;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tracing::{error, info};

use crate::{
    exit::Exit,
    models::Models,
    providers::Providers,
    signals::{Request, Signals},
};

/// How often the files of certificates, of TLS options, of servers transports and of middlewares are looked at.
const FILES_PERIOD: Duration = Duration::from_secs(2);

/// Puts configurations in use, and does what signals ask for in between.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// What entrypoints add to routers.
    pub(crate) models: Models,
    /// Configurations as they come.
    pub(crate) configurations: watch::Receiver<Arc<Configuration>>,
    /// Certificates of this side.
    pub(crate) certificates: Keeper,
    /// Workers that serve by them.
    pub(crate) publishing: Publishing,
    /// Files that can be opened again.
    pub(crate) telemetry: RequestTelemetry,
    /// Files that can be read again.
    pub(crate) providers: Providers,
    /// No configuration is to come any more.
    pub(crate) ended: bool,
}

/// Why there is nothing more to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// A signal asked to stop.
    Asked,
    /// Discovery ended by itself, and nothing would ever change again.
    Alone,
}

impl Ended {
    /// How the process ends then.
    pub(crate) fn exit(self) -> Exit {
        match self {
            Self::Asked => Exit::Clean,
            Self::Alone => {
                error!(
                    "discovery ended by itself and routes would never change again; this is a bug of Mesh"
                );
                Exit::Failure
            }
        }
    }
}

impl Publisher {
    /// Publishes every change until a signal asks to stop.
    pub(crate) async fn follow(&mut self, signals: &mut Signals) -> Ended {
        let mut looks = interval(FILES_PERIOD);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let request = tokio::select! {
                request = signals.next() => request,
                changed = self.configurations.changed(), if !self.ended => {
                    if changed.is_err() {
                        self.ended = true;
                        return Ended::Alone;
                    }
                    // Compiling many routers takes a while; other tasks of this thread move over.
                    tokio::task::block_in_place(|| self.publish());
                    continue;
                }
                _ = looks.tick() => {
                    tokio::task::block_in_place(|| self.refresh());
                    continue;
                }
            };
            match request {
                Request::Stop => return Ended::Asked,
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

    fn refresh(&mut self) {
        self.certificates.refresh();
        if self.publishing.refresh() {
            self.publish();
        }
    }

    fn publish(&mut self) {
        let configuration = self.configurations.borrow_and_update().clone();
        // Safe to go on with: a table is put in use whole, as the last step.
        let act = AssertUnwindSafe(|| {
            // First: whoever sees a new route finds its certificate.
            self.certificates.update(&configuration);
            self.publishing.publish(&self.models.apply(&configuration));
        });
        if catch_unwind(act).is_err() {
            error!(
                "a configuration could not be put in use, the one before serves on; this is a bug of Mesh"
            );
        }
    }
}

//! Runs the router: binds, discovers, compiles, serves, drains.

use std::{sync::Arc, time::Duration};

use mesh_api::Draining;
use mesh_config::Problem;
use mesh_discovery::{Discovery, DiscoverySettings, Registration, settings::PublishSettings};
use mesh_proxy::{BindError, Drained, Inherited, InternalServices, Proxy, Running};
use mesh_telemetry::{RequestTelemetry, access_log::AccessLog, logs, metrics::Metrics};
use mesh_tls::{Keeper, TlsError};

use tokio::runtime::{self, Runtime};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

use crate::{
    exit::Exit,
    internal::Internal,
    models::Models,
    own_zone::own_zone,
    providers::Providers,
    publisher::{Ended, Publisher},
    report,
    settings::{Plan, Settings},
    signals::Signals,
    systemd,
    window::{self, Window},
};

/// Longest time that the first requests wait for what providers have to tell. A process with routes in a file
/// answers within 200 ms from its start.
const FIRST_REPORTS: Duration = Duration::from_millis(100);

/// How much control threads give way to workers, from 0 to 19: a third of their share at 5.
#[cfg(target_os = "linux")]
const CONTROL_NICENESS: i32 = 5;

/// Threads of the control plane.
const CONTROL_THREADS: usize = 2;

/// Longest time that providers and exporters may take to end, once no request is left.
const CLOSING: Duration = Duration::from_secs(10);

/// Longest time that lines of the access log may take to be written at the end.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Longest time that what still runs on the control plane may take to notice the end.
const LAST_TASKS: Duration = Duration::from_secs(1);

/// A router that is ready to run.
pub(crate) struct Router {
    /// Its settings.
    pub(crate) plan: Plan,
    /// Its providers.
    pub(crate) providers: Providers,
    /// Sockets that the process was started with.
    pub(crate) inherited: Inherited,
    /// Services inside the process, beside those that every router has.
    pub(crate) services: InternalServices,
    /// Called once the entrypoints answer, with where they listen.
    pub(crate) on_listening: Box<dyn FnOnce(&Running)>,
}

impl Router {
    /// The router that `plan` describes.
    pub(crate) fn new(plan: Plan) -> Result<Self, Vec<Problem>> {
        let providers = Providers::new(&plan.settings)?;
        Ok(Self {
            plan,
            providers,
            inherited: Inherited::default(),
            services: InternalServices::new(),
            on_listening: Box::new(|_| ()),
        })
    }

    /// Runs until a signal ends it.
    pub(crate) fn run(self) -> Exit {
        let log = match logs::init(&self.plan.settings.log) {
            Ok(log) => log,
            Err(error) => {
                report::line(&format!("mesh: {}", chain(&error)));
                return Exit::Failure;
            }
        };
        let exit = self.run_logged(&log).unwrap_or_else(|cause| {
            error!("{}", chain(&cause));
            Exit::Failure
        });
        drop(log);
        exit
    }

    fn run_logged(mut self, log: &logs::Log) -> Result<Exit, RunError> {
        for warning in &self.plan.warnings {
            warn!(origin = %warning.origin, help = warning.help.as_deref(), "{}", warning.message);
        }
        let proxy = Proxy::bind(&self.plan.proxy(), std::mem::take(&mut self.inherited))?;
        let control = control().map_err(RunError::Control)?;
        let exit = control.block_on(self.serve(proxy, log));
        control.shutdown_timeout(LAST_TASKS);
        exit
    }

    async fn serve(self, proxy: Proxy, log: &logs::Log) -> Result<Exit, RunError> {
        let Self {
            mut plan,
            providers,
            services,
            on_listening,
            ..
        } = self;
        let mut signals = Signals::listen().map_err(RunError::Signals)?;
        let telemetry = telemetry(&plan.settings);
        let (window, draining) = (Window::default(), Draining::default());
        let mut certificates = Keeper::new()?;
        let tls = certificates.tls()?;
        let views = window::views(&plan, &window, &telemetry, &draining, log, &tls);
        let services = window::with_standard(services, &plan.settings, views);
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let registrations = registrations(&plan.settings, &providers);
        let discovery = mesh_discovery::start(
            registrations,
            discovery_settings(&plan.settings),
            &tracker,
            stop.clone(),
        );
        let _ = window.discovery.set(discovery.clone());
        let (zone, ()) = tokio::join!(own_zone(&plan.settings.zone), first_reports(&discovery));
        plan.settings.zone = zone;
        let mut configurations = discovery.configurations();
        let mut models = Models::new(&plan.settings, &plan.entry_points());
        let first = configurations.borrow_and_update().clone();
        let _ = window.certificates.set(Box::new(certificates.shown()));
        certificates.update(&first);
        let first = models.apply(&first);
        let running = proxy.start(plan.compiler(services, &tls), &first, telemetry.clone())?;
        let _ = window.table.set(Box::new(running.table_source()));
        announce(&running);
        on_listening(&running);
        let mut publisher = Publisher {
            models,
            configurations,
            certificates,
            publishing: running.publishing(),
            telemetry: telemetry.clone(),
            providers,
            ended: false,
        };
        let exit = publisher.follow(&mut signals).await.exit();
        info!("stopping; a second signal stops at once");
        systemd::tell_stopping();
        draining.begin();
        if !finish(running, &mut publisher, &mut signals).await {
            return Ok(Exit::Failure);
        }
        stop.cancel();
        close(&tracker, &telemetry).await;
        Ok(exit)
    }
}

/// Says where the entrypoints listen, and that they answer.
fn announce(running: &Running) {
    for (entry_point, address) in running.addresses() {
        info!(%entry_point, %address, "entrypoint listens");
    }
    systemd::tell_ready();
}

/// Why a router cannot run.
#[derive(Debug, thiserror::Error)]
enum RunError {
    /// An address cannot be had, or the system has no threads left.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// TLS cannot be had.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No threads for the control plane.
    #[error("cannot start the control plane")]
    Control(#[source] std::io::Error),
    /// The system gives no signals.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
}

/// Waits until every provider has told everything once, and for [`FIRST_REPORTS`] at most: a process that starts
/// again in the place of another must not answer by yesterday's routes, or 404, where it is about to know better.
async fn first_reports(discovery: &Discovery) {
    if tokio::time::timeout(FIRST_REPORTS, discovery.told())
        .await
        .is_err()
    {
        // Whoever asks `/ready` waits for those of which nothing is known at all.
        let status = discovery.status();
        let waiting = status.iter().filter(|provider| !provider.is_told());
        let waiting: Vec<&str> = waiting.map(|provider| provider.name.as_str()).collect();
        info!(
            waiting = waiting.join(","),
            "serving what is known so far; providers are slow to answer"
        );
    }
}

/// Lets requests end. Those that are still accepted are routed by what is true now. False if a signal asked to stop
/// at once.
async fn finish(running: Running, publisher: &mut Publisher, signals: &mut Signals) -> bool {
    tokio::select! {
        drained = running.drain() => match drained {
            Drained::Clean => info!("all requests finished"),
            Drained::Cut(count) => warn!(count, "connections outlived the grace period and were cut"),
        },
        () = asked(publisher, signals) => {
            warn!("stopped at once");
            return false;
        }
    }
    true
}

/// Publishes what comes until a signal asks to stop.
async fn asked(publisher: &mut Publisher, signals: &mut Signals) {
    while publisher.follow(signals).await != Ended::Asked {}
}

/// Lets providers, the snapshot and the access log come to their end.
async fn close(tracker: &TaskTracker, telemetry: &RequestTelemetry) {
    tracker.close();
    if tokio::time::timeout(CLOSING, tracker.wait()).await.is_err() {
        warn!("some providers did not end in time");
    }
    if let Some(access_log) = &telemetry.access_log {
        access_log.close(LAST_LINES);
    }
}

fn registrations(settings: &Settings, providers: &Providers) -> Vec<Registration> {
    let internal = Internal::new(settings).registration();
    providers
        .registrations
        .iter()
        .cloned()
        .chain([internal])
        .collect()
}

fn discovery_settings(settings: &Settings) -> DiscoverySettings {
    let publish = PublishSettings::default();
    let max = settings
        .providers
        .providers_throttle_duration
        .unwrap_or(publish.max);
    DiscoverySettings {
        route_retention: settings.discovery.route_retention,
        drain: settings.discovery.drain,
        snapshot: settings.snapshot.clone(),
        publish: PublishSettings {
            min: publish.min.min(max),
            max,
        },
    }
}

fn telemetry(settings: &Settings) -> RequestTelemetry {
    let open = |settings| {
        AccessLog::open(settings)
            .map(Arc::new)
            .inspect_err(|cause| error!(%cause, "cannot open the access log; requests are not logged"))
            .ok()
    };
    RequestTelemetry {
        metrics: settings.metrics.as_ref().and_then(Metrics::new),
        access_log: settings.access_log.as_ref().and_then(open),
    }
}

fn control() -> std::io::Result<Runtime> {
    runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("mesh-control")
        .on_thread_start(give_way)
        .enable_all()
        .build()
}

/// Lets threads that serve requests go first where there is not enough time for all: a change may be compiled a little
/// later, a request should not wait for it.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, CONTROL_NICENESS) {
        tracing::debug!(%error, "control threads run at the priority of workers");
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

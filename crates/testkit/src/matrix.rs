//! Every fault, at a cold start, at a start from the snapshot, and while running.
//!
//! What must hold: routes never shrink on a failure, the failure and the age of what is known can be seen, and
//! once the fault is over all is as the system says, without a restart.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use mesh_config::{
    Configuration,
    instance::Lifecycle,
    model::{Service, ServiceKind},
};
use mesh_discovery::{Discovery, DiscoverySettings, ProviderStatus, Registration, start};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::faults::{Dialect, Fault, FaultProxy};

/// Longest wait for anything: a time-out of a client, and the pauses after a few failures in a row.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long routes are watched after a failure has been seen.
const AFTERWARDS: Duration = Duration::from_millis(500);

/// A system with services, and a provider that reads it.
pub trait System: Send + Sync {
    /// Where the system answers.
    fn address(&self) -> SocketAddr;

    /// How it words its answers.
    fn dialect(&self) -> Dialect {
        Dialect::Plain
    }

    /// The provider, reading at `address`. A client that waits for answers waits for seconds, not minutes.
    fn registration(&self, address: SocketAddr) -> Registration;

    /// Starts a service with one instance that is ready, and a router of the same name.
    fn add(&self, service: &'static str);

    /// Ends it.
    fn remove(&self, service: &'static str);
}

/// A run of discovery behind a proxy.
struct Run {
    proxy: FaultProxy,
    discovery: Discovery,
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// The fault is there before the provider starts and nothing is known.
pub async fn cold(system: &impl System, fault: Fault) {
    system.add("a");
    let run = Run::start(system, fault, None).await;
    run.see_failure(fault).await;
    if fault_fails(fault) {
        assert!(
            run.discovery.configurations().borrow().routers.is_empty(),
            "{fault:?} made routes"
        );
        assert!(
            run.status().iter().all(|status| !status.synced),
            "{fault:?} counts as read"
        );
    }
    run.proxy.set(Fault::None);
    run.until("the service appears", |now, _| ready(now, "a") == 1)
        .await;
    run.until("the provider is well", |_, status| is_well(status))
        .await;
    run.end().await;
}

/// The fault is there before the provider starts, and an earlier run left a snapshot.
pub async fn cold_with_snapshot(system: &impl System, fault: Fault, snapshot: &Path) {
    system.add("a");
    let run = Run::start(system, Fault::None, Some(snapshot)).await;
    run.until("the service appears", |now, _| ready(now, "a") == 1)
        .await;
    run.end().await;

    let run = Run::start(system, fault, Some(snapshot)).await;
    run.keeps(&["a"], run.see_failure(fault)).await;
    system.remove("a");
    system.add("b");
    run.proxy.set(Fault::None);
    run.until("the new service appears", |now, _| ready(now, "b") == 1)
        .await;
    run.until("the old service drains", |now, _| ready(now, "a") == 0)
        .await;
    run.end().await;
}

/// The fault begins while all is well.
pub async fn running(system: &impl System, fault: Fault) {
    system.add("a");
    system.add("b");
    let run = Run::start(system, Fault::None, None).await;
    run.until("the services appear", |now, _| {
        ready(now, "a") == 1 && ready(now, "b") == 1
    })
    .await;
    run.keeps(&["a", "b"], async {
        run.proxy.set(fault);
        run.see_failure(fault).await;
    })
    .await;
    let scopes = run.status().into_iter().flat_map(|status| status.scopes);
    for scope in scopes {
        assert!(
            scope.last_success.is_some(),
            "{fault:?}: the age of {} is lost",
            scope.scope
        );
    }

    system.remove("b");
    system.add("c");
    run.proxy.set(Fault::None);
    run.until("the new service appears", |now, _| ready(now, "c") == 1)
        .await;
    run.until("the removed service drains", |now, _| ready(now, "b") == 0)
        .await;
    run.until("the provider is well", |_, status| is_well(status))
        .await;
    let now = run.discovery.configurations().borrow().clone();
    assert_eq!(ready(&now, "a"), 1);
    assert!(
        has_router(&now, "b"),
        "{fault:?}: a route went with its last server"
    );
    run.end().await;
}

impl Run {
    async fn start(system: &impl System, fault: Fault, snapshot: Option<&Path>) -> Self {
        let proxy = FaultProxy::speaking(system.dialect(), system.address(), fault).await;
        #[expect(clippy::expect_used, reason = "a test without a port has failed")]
        let proxy = proxy.expect("a port for the proxy");
        let mut settings = DiscoverySettings::default();
        settings.snapshot.enabled = snapshot.is_some();
        settings.snapshot.path = snapshot.map(Path::to_owned);
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let registration = system.registration(proxy.address());
        let discovery = start(vec![registration], settings, &tracker, stop.clone());
        Self {
            proxy,
            discovery,
            tracker,
            stop,
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.tracker.close();
        assert!(
            timeout(DEADLINE, self.tracker.wait()).await.is_ok(),
            "discovery does not stop"
        );
    }

    fn status(&self) -> Vec<ProviderStatus> {
        self.discovery.status()
    }

    /// Waits until `fault` shows itself, and a little longer.
    async fn see_failure(&self, fault: Fault) {
        if fault_fails(fault) {
            self.until("the failure shows", |_, status| {
                !is_well(status) && has_error(status)
            })
            .await;
        }
        tokio::time::sleep(AFTERWARDS).await;
    }

    async fn until(&self, what: &str, wanted: impl Fn(&Configuration, &[ProviderStatus]) -> bool) {
        let wait = async {
            loop {
                let now = self.discovery.configurations().borrow().clone();
                if wanted(&now, &self.status()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(
            timeout(DEADLINE, wait).await.is_ok(),
            "{what}: not in {DEADLINE:?}; {:?}",
            self.status()
        );
    }

    /// Sees to it that no configuration lacks a route or its server while `act` goes on.
    async fn keeps(&self, services: &[&str], act: impl Future<Output = ()>) {
        let mut configurations = self.discovery.configurations();
        let guard = async {
            loop {
                let now: Arc<Configuration> = configurations.borrow_and_update().clone();
                for service in services {
                    assert!(has_router(&now, service), "the route of {service} is gone");
                    assert_eq!(ready(&now, service), 1, "the server of {service} is gone");
                }
                if configurations.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = act => {}
            () = guard => {}
        }
    }
}

/// A late answer is an answer.
fn fault_fails(fault: Fault) -> bool {
    !matches!(fault, Fault::None | Fault::Slow(_))
}

fn has_error(status: &[ProviderStatus]) -> bool {
    status
        .iter()
        .flat_map(|status| &status.scopes)
        .any(|scope| scope.last_error.is_some())
}

fn is_well(status: &[ProviderStatus]) -> bool {
    !has_error(status) && status.iter().all(|status| status.synced)
}

fn has_router(configuration: &Configuration, name: &str) -> bool {
    configuration.routers.keys().any(|router| &*router.name == name)
}

/// How many servers of `service` may get requests.
fn ready(configuration: &Configuration, service: &str) -> usize {
    let found = configuration
        .services
        .iter()
        .find(|(name, _)| &*name.name == service);
    found.map_or(0, |(_, entry)| servers(&entry.value))
}

fn servers(service: &Service) -> usize {
    match &service.kind {
        ServiceKind::LoadBalancer(balancer) => balancer
            .servers
            .iter()
            .filter(|server| server.lifecycle == Lifecycle::Ready)
            .count(),
        _ => 0,
    }
}

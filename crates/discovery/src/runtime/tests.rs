//! Discovery as a whole, with providers that the test drives.

use std::{path::Path, time::Duration};

use futures::{
    FutureExt, StreamExt,
    future::{self, BoxFuture},
    stream::{self, BoxStream},
};
use mesh_config::{
    Origin, ProviderName, QualifiedName,
    instance::{Address, Endpoint, Instance, Lifecycle},
};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::*;
use crate::{
    exposure::ExposureSettings,
    provider::{Content, ProviderError, Report, Scope},
    settings::SnapshotSettings,
    status::ScopeState,
};

/// Each inner list is one life of the provider; it panics or ends after it, the last one stays.
struct Scripted {
    name: ProviderName,
    lives: Mutex<Vec<Vec<Step>>>,
}

enum Step {
    Say(Report),
    Panic,
}

impl Provider for Scripted {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn reports(&self) -> BoxStream<'_, Report> {
        let mut lives = self.lives.lock();
        let last = lives.len() <= 1;
        let steps = if lives.is_empty() {
            Vec::new()
        } else {
            lives.remove(0)
        };
        let said = stream::iter(steps).map(|step| match step {
            Step::Say(report) => report,
            Step::Panic => panic!("bad page"),
        });
        if last {
            said.chain(stream::pending()).boxed()
        } else {
            said.boxed()
        }
    }
}

/// Finds `consul`, unless it is blind.
struct Finder {
    name: ProviderName,
    blind: bool,
}

impl Provider for Finder {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn reports(&self) -> BoxStream<'_, Report> {
        let found = Report::Replace {
            scope: Scope::new("namespaces"),
            content: Content::Members([ProviderName::new("consul")].into()),
        };
        let said = stream::iter((!self.blind).then_some(found));
        said.chain(stream::pending()).boxed()
    }

    fn finds(&self) -> bool {
        true
    }

    fn member(&self, name: &ProviderName) -> Option<Registration> {
        let lives = if self.blind { vec![] } else { vec![list(&[1])] };
        (name.as_str() == "consul").then(|| scripted(vec![lives]))
    }
}

fn scripted(lives: Vec<Vec<Step>>) -> Registration {
    Registration {
        provider: Arc::new(Scripted {
            name: ProviderName::new("consul"),
            lives: Mutex::new(lives),
        }),
        required: true,
        exposure: Some(ExposureSettings::default().build().unwrap()),
    }
}

fn list(numbers: &[u8]) -> Step {
    let instances = numbers.iter().map(|number| Instance {
        id: number.to_string().into(),
        service: "web".into(),
        address: Some(Address::Ip([10, 0, 0, *number].into())),
        endpoints: vec![Endpoint {
            name: None,
            declared_port: 80,
            port: 80,
        }],
        lifecycle: Lifecycle::Ready,
        reason: None,
        weight: 1,
        zone: None,
        created: 0,
        labels: Vec::new(),
        tags: Vec::new(),
        origin: Origin::new("test"),
    });
    Step::Say(Report::Replace {
        scope: Scope::new("web"),
        content: Content::Instances(instances.collect()),
    })
}

/// A report that nobody can take without a panic.
const POISON: &str = "poison";

/// Stands for a bug anywhere below the keeper.
pub(super) fn panic_on_demand(report: &Report) {
    if let Report::Replace { scope, .. } = report {
        assert_ne!(scope.as_str(), POISON, "bad report");
    }
}

fn poison() -> Step {
    Step::Say(Report::Replace {
        scope: Scope::new(POISON),
        content: Content::Instances(Vec::new()),
    })
}

struct Run {
    discovery: Discovery,
    tracker: TaskTracker,
    stop: CancellationToken,
}

fn run(path: &Path, lives: Vec<Vec<Step>>) -> Run {
    run_one(path, scripted(lives))
}

fn run_one(path: &Path, registration: Registration) -> Run {
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let settings = DiscoverySettings {
        drain: Duration::from_millis(50),
        snapshot: SnapshotSettings {
            path: Some(path.join("snapshot.json")),
            ..SnapshotSettings::default()
        },
        ..DiscoverySettings::default()
    };
    let discovery = start(vec![registration], settings, &tracker, stop.clone());
    Run {
        discovery,
        tracker,
        stop,
    }
}

impl Run {
    fn servers(&self) -> Option<usize> {
        servers(&self.discovery.configurations().borrow())
    }

    async fn until(&self, condition: impl Fn(&Configuration) -> bool) {
        let mut configurations = self.discovery.configurations();
        let wait = configurations.wait_for(|configuration| condition(configuration));
        timeout(Duration::from_secs(20), wait).await.unwrap().unwrap();
    }

    async fn end(self) {
        self.stop.cancel();
        self.tracker.close();
        timeout(Duration::from_secs(20), self.tracker.wait())
            .await
            .unwrap();
    }
}

fn servers(configuration: &Configuration) -> Option<usize> {
    let name = QualifiedName::new("web", ProviderName::new("consul"));
    let entry = configuration.services.get(&name)?;
    match &entry.value.kind {
        mesh_config::model::ServiceKind::LoadBalancer(balancer) => Some(balancer.servers.len()),
        _ => None,
    }
}

#[tokio::test]
async fn what_a_provider_says_becomes_configuration_and_status() {
    let directory = tempfile::tempdir().unwrap();
    let run = run(directory.path(), vec![vec![list(&[1, 2])]]);
    run.until(|configuration| servers(configuration) == Some(2)).await;
    let status = run.discovery.status();
    assert!(status[0].synced && status[0].required);
    assert_eq!(status[0].scopes[0].state, ScopeState::Fresh);
    run.end().await;
}

#[tokio::test]
async fn drained_instances_go_without_another_report() {
    let directory = tempfile::tempdir().unwrap();
    let run = run(directory.path(), vec![vec![list(&[1, 2]), list(&[2])]]);
    run.until(|configuration| servers(configuration) == Some(1)).await;
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_panics_is_started_again_and_its_data_stays_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let lives = vec![
        vec![list(&[1]), Step::Panic],
        vec![Step::Panic],
        vec![],
        vec![list(&[1, 2])],
    ];
    let run = run(directory.path(), lives);
    run.until(|configuration| servers(configuration) == Some(1)).await;
    run.until(|configuration| {
        assert!(servers(configuration) >= Some(1), "data was lost");
        servers(configuration) == Some(2)
    })
    .await;
    assert_eq!(run.discovery.status()[0].scopes[0].state, ScopeState::Fresh);
    run.end().await;
}

#[tokio::test]
async fn a_report_that_the_catalog_cannot_take_is_left_out_and_shown() {
    let directory = tempfile::tempdir().unwrap();
    let run = run(directory.path(), vec![vec![list(&[1]), poison(), list(&[1, 2])]]);
    run.until(|configuration| servers(configuration) == Some(2)).await;
    run.discovery.told().await;
    let scopes = run.discovery.status().remove(0).scopes;
    assert_eq!(scopes[0].scope, POISON);
    assert_eq!(scopes[0].state, ScopeState::Failed);
    assert!(scopes[0].last_error.as_ref().unwrap().contains("bad report"));
    assert_eq!(scopes[1].state, ScopeState::Fresh);
    run.end().await;
    assert!(directory.path().join("snapshot.json").exists());
}

#[tokio::test]
async fn a_cold_start_without_a_provider_that_answers_serves_what_was_known() {
    let directory = tempfile::tempdir().unwrap();
    let first = run(directory.path(), vec![vec![list(&[1, 2, 3])]]);
    first
        .until(|configuration| servers(configuration) == Some(3))
        .await;
    first.end().await;
    let second = run(directory.path(), vec![vec![]]);
    assert_eq!(second.servers(), Some(3), "known before the first report");
    let status = second.discovery.status();
    assert!(status[0].synced);
    assert_eq!(status[0].scopes[0].state, ScopeState::Stale);
    second.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_restored_does_not_count_as_told() {
    let directory = tempfile::tempdir().unwrap();
    let first = run(directory.path(), vec![vec![list(&[1])]]);
    first.discovery.told().await;
    assert_eq!(first.servers(), Some(1), "told and not published");
    first.end().await;
    let second = run(directory.path(), vec![vec![]]);
    assert!(
        timeout(Duration::from_secs(3600), second.discovery.told())
            .await
            .is_err()
    );
    second.end().await;
    let third = run(directory.path(), vec![vec![list(&[1, 2])]]);
    third.discovery.told().await;
    assert_eq!(third.servers(), Some(2), "told and not published");
    third.end().await;
}

#[tokio::test]
async fn a_snapshot_is_written_while_running() {
    let directory = tempfile::tempdir().unwrap();
    let run = run(directory.path(), vec![vec![list(&[1])]]);
    let path = directory.path().join("snapshot.json");
    let written = async {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), written).await.unwrap();
    run.end().await;
}

#[tokio::test]
async fn what_says_the_same_again_publishes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let run = run(directory.path(), vec![vec![list(&[1]), list(&[1]), list(&[1])]]);
    let mut configurations = run.discovery.configurations();
    run.until(|configuration| servers(configuration) == Some(1)).await;
    configurations.mark_unchanged();
    run.end().await;
    assert!(!configurations.has_changed().unwrap_or(false));
}

#[tokio::test]
async fn a_provider_that_now_finds_others_holds_nothing_of_what_it_was_before() {
    let directory = tempfile::tempdir().unwrap();
    let first = run(directory.path(), vec![vec![list(&[1])]]);
    first
        .until(|configuration| servers(configuration) == Some(1))
        .await;
    first.end().await;
    let finder = Registration {
        provider: Arc::new(Finder {
            name: ProviderName::new("consul"),
            blind: true,
        }),
        required: true,
        exposure: Some(ExposureSettings::default().build().unwrap()),
    };
    let second = run_one(directory.path(), finder);
    assert_eq!(second.servers(), None, "of settings that are no more");
    let status = second.discovery.status();
    assert!(status[0].scopes.is_empty() && !status[0].synced, "{status:?}");
    second.end().await;
}

#[tokio::test]
async fn a_provider_that_another_one_finds_is_followed_and_outlives_what_its_finder_sees() {
    let directory = tempfile::tempdir().unwrap();
    let finder = |blind| Registration {
        provider: Arc::new(Finder {
            name: ProviderName::new("finder"),
            blind,
        }),
        required: true,
        exposure: None,
    };
    let first = run_one(directory.path(), finder(false));
    first
        .until(|configuration| servers(configuration) == Some(1))
        .await;
    assert_eq!(first.discovery.status().len(), 2);
    first.end().await;
    let second = run_one(directory.path(), finder(true));
    assert_eq!(second.servers(), Some(1), "known before its finder says a word");
    second.end().await;
}

/// Holds something outside, which is given back when it ends.
struct Holder {
    name: ProviderName,
    following: Arc<Mutex<bool>>,
    held: Arc<Mutex<bool>>,
}

/// A stream that is still there.
struct Following(Arc<Mutex<bool>>);

impl Drop for Following {
    fn drop(&mut self) {
        *self.0.lock() = false;
    }
}

impl Provider for Holder {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn reports(&self) -> BoxStream<'_, Report> {
        *self.following.lock() = true;
        let following = Following(self.following.clone());
        let Step::Say(said) = list(&[1]) else {
            panic!("a list is said");
        };
        let forever = stream::pending().map(move |report| {
            let _ = &following;
            report
        });
        stream::iter([said]).chain(forever).boxed()
    }

    fn end(&self) -> BoxFuture<'_, ()> {
        let still_follows = *self.following.lock();
        *self.held.lock() = still_follows;
        future::ready(()).boxed()
    }
}

#[tokio::test]
async fn a_provider_gives_back_what_it_holds_once_nobody_follows_it() {
    let directory = tempfile::tempdir().unwrap();
    let held = Arc::new(Mutex::new(true));
    let registration = Registration {
        provider: Arc::new(Holder {
            name: ProviderName::new("consul"),
            following: Arc::default(),
            held: held.clone(),
        }),
        required: true,
        exposure: Some(ExposureSettings::default().build().unwrap()),
    };
    let run = run_one(directory.path(), registration);
    run.until(|configuration| servers(configuration) == Some(1)).await;
    assert!(*held.lock());
    run.end().await;
    assert!(!*held.lock());
}

#[tokio::test]
async fn what_only_hurries_a_provider_holds_up_nothing_and_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let failed = ProviderError::Unreachable {
        endpoint: "queue".to_owned(),
        reason: "refused".to_owned(),
    };
    let listed = Report::Replace {
        scope: Scope::new("services"),
        content: Content::Scopes(["services", "web", "events"].map(Scope::new).into()),
    };
    let unhurried = Report::Failed {
        scope: Scope::new("events"),
        error: ProviderError::Unhurried(Box::new(failed)),
    };
    let run = run(
        directory.path(),
        vec![vec![Step::Say(listed), list(&[1]), Step::Say(unhurried)]],
    );
    run.discovery.told().await;
    let status = run.discovery.status();
    assert!(status[0].synced, "{status:?}");
    let events = status[0]
        .scopes
        .iter()
        .find(|scope| scope.scope == "events")
        .unwrap();
    assert_eq!(events.state, ScopeState::Failed);
    assert_eq!(
        events.last_error.as_deref(),
        Some("changes are seen by the next read, no sooner: cannot reach queue: refused")
    );
    run.end().await;
}

//! The one task that owns the catalog.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use mesh_config::{Configuration, Entry, QualifiedName};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{feed::Event, followers::Followers, journal::Journal, pace::Pace, panics::caught, saver::Saver};
use crate::{
    catalog::Catalog,
    provider::{Content, Report},
    status::ProviderStatus,
};

/// Reports taken in one go.
const BATCH: usize = 256;

/// Longest sleep; the wall clock, by which drains and retentions end, may be set.
const NAP: Duration = Duration::from_secs(60);

/// Takes reports and publishes what follows from them.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) catalog: Catalog,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) followers: Followers,
    pub(super) configurations: watch::Sender<Arc<Configuration>>,
    pub(super) status: watch::Sender<Arc<Vec<ProviderStatus>>>,
    pub(super) pace: Pace,
    pub(super) journal: Journal,
    pub(super) saver: Option<Saver>,
    /// The revision that was looked at for publishing.
    pub(super) seen: u64,
    /// Every provider has told everything once in this run.
    pub(super) complete: bool,
}

impl Keeper {
    /// Runs until `stop`, then writes the snapshot a last time.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        while stop.run_until_cancelled(self.wait(&mut batch)).await.is_some() {
            self.step(&mut batch).await;
        }
        self.save().await;
        if let Some(saver) = &mut self.saver {
            saver.written().await;
        }
    }

    /// Sleeps until there is something to do.
    async fn wait(&mut self, batch: &mut Vec<Event>) {
        let wake = self.next_wake();
        tokio::select! {
            received = self.events.recv_many(batch, BATCH) => {
                if received == 0 {
                    // No provider is left; time goes on.
                    tokio::time::sleep_until(wake).await;
                }
            }
            () = tokio::time::sleep_until(wake) => {}
        }
    }

    fn next_wake(&self) -> Instant {
        let now = Instant::now();
        let expiry = self.catalog.next_deadline().map(|deadline| {
            // A wait that ends a moment early would be repeated at once.
            let rest = deadline.duration_since(SystemTime::now()).unwrap_or_default();
            now + (rest + Duration::from_millis(1)).min(NAP)
        });
        let save = self.saver.as_ref().and_then(|saver| saver.due(&self.catalog));
        [expiry, self.pace.due(), save]
            .into_iter()
            .flatten()
            .fold(now + NAP, Instant::min)
    }

    async fn step(&mut self, batch: &mut Vec<Event>) {
        let now = SystemTime::now();
        let reported = !batch.is_empty();
        for event in batch.drain(..) {
            self.take(event, now);
        }
        drop(self.guarded("passing time", |keeper| keeper.catalog.tick(now)));
        drop(self.guarded("publishing", |keeper| keeper.publish_due(reported)));
        let due = self.saver.as_ref().and_then(|saver| saver.due(&self.catalog));
        if due.is_some_and(|due| due <= Instant::now()) {
            self.save().await;
        }
    }

    /// Does one thing. A panic in it ends that thing alone, for discovery must not: routes would stay as they are for
    /// ever, and nobody would see why.
    fn guarded(&mut self, what: &'static str, act: impl FnOnce(&mut Self)) -> Result<(), String> {
        caught(|| act(self)).inspect_err(|reason| {
            error!(
                what,
                reason, "discovery broke down at one thing, which is left out; this is a bug of Mesh"
            );
        })
    }

    fn take(&mut self, event: Event, now: SystemTime) {
        match event {
            Event::Report(provider, report) => {
                let scope = match &report {
                    Report::Replace { scope, .. } | Report::Failed { scope, .. } => scope.clone(),
                    Report::History { index } => return self.catalog.history(&provider, *index, now),
                };
                let who = provider.clone();
                let taken = self.guarded("a report", |keeper| {
                    #[cfg(test)]
                    super::tests::panic_on_demand(&report);
                    keeper.journal.report(&provider, &report);
                    if let Report::Replace {
                        content: Content::Members(names),
                        ..
                    } = &report
                    {
                        let followers = &mut keeper.followers;
                        followers.add_members(&provider, names, &mut keeper.catalog);
                    }
                    keeper.catalog.apply(&provider, report, now);
                });
                if let Err(reason) = taken {
                    drop(self.guarded("a failure", |keeper| {
                        keeper.catalog.failed(&who, scope, reason, false)
                    }));
                }
            }
            Event::Broken(provider, reason) => {
                drop(self.guarded("a failure", |keeper| {
                    keeper.catalog.failed_altogether(&provider, &reason);
                }));
            }
        }
    }

    /// Publishes what is due, and how fresh it is.
    fn publish_due(&mut self, reported: bool) {
        let changed = self.catalog.revision() != self.seen;
        self.seen = self.catalog.revision();
        if changed {
            self.pace.changed();
        }
        let status = (reported || changed).then(|| self.catalog.status());
        // What a start waits for does not wait for its pace.
        let all_told = |status: &Vec<ProviderStatus>| status.iter().all(ProviderStatus::is_told);
        let completed = !self.complete && status.as_ref().is_some_and(all_told);
        self.complete |= completed;
        if completed || self.pace.due().is_some_and(|due| due <= Instant::now()) {
            self.publish();
        }
        if let Some(status) = status {
            self.status.send_replace(Arc::new(status));
        }
    }

    /// Starts to write the snapshot, after the write before.
    async fn save(&mut self) {
        if let Some(saver) = &mut self.saver {
            saver.written().await;
        }
        drop(self.guarded("saving", |keeper| {
            if let Some(saver) = &mut keeper.saver {
                saver.save(&keeper.catalog);
            }
        }));
    }

    fn publish(&mut self) {
        // First, so that what breaks down below is not tried again at once and for ever.
        self.pace.published(Instant::now());
        let configuration = self.catalog.configuration();
        if same(&configuration, &self.configurations.borrow()) {
            return;
        }
        self.journal.problems(&configuration);
        self.configurations.send_replace(Arc::new(configuration));
    }
}

/// True if nothing changed. Unchanged entries are the same ones, so there is no need to look into them.
fn same(new: &Configuration, old: &Configuration) -> bool {
    fn entries<T>(
        new: &BTreeMap<QualifiedName, Arc<Entry<T>>>,
        old: &BTreeMap<QualifiedName, Arc<Entry<T>>>,
    ) -> bool {
        let mut pairs = new.iter().zip(old);
        new.len() == old.len() && pairs.all(|(new, old)| new.0 == old.0 && Arc::ptr_eq(new.1, old.1))
    }
    entries(&new.routers, &old.routers)
        && entries(&new.services, &old.services)
        && entries(&new.middlewares, &old.middlewares)
        && entries(&new.servers_transports, &old.servers_transports)
        && entries(&new.certificates, &old.certificates)
        && entries(&new.tls_options, &old.tls_options)
        && new.set_aside == old.set_aside
        && new.problems == old.problems
}

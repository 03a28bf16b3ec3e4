//! Drives one provider.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt};
use mesh_config::ProviderName;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::panics::{caught, words};
use crate::{
    provider::{Provider, Report},
    retry::Backoff,
};

/// Longest time that a provider may take to give back what it holds outside.
const ENDING: Duration = Duration::from_secs(3);

/// What a provider's task tells the catalog's.
#[derive(Debug)]
pub(super) enum Event {
    /// The provider reported.
    Report(ProviderName, Report),
    /// The provider broke down and will be started again.
    Broken(ProviderName, String),
}

/// Passes the reports of `provider` on until `stop`, then lets it end.
pub(super) async fn feed(provider: Arc<dyn Provider>, events: mpsc::Sender<Event>, stop: CancellationToken) {
    pass_on(&*provider, &events, &stop).await;
    if tokio::time::timeout(ENDING, provider.end()).await.is_err() {
        warn!(provider = %provider.name(), "provider did not give back in time what it holds outside");
    }
}

/// Passes the reports of `provider` on until `stop`. Its stream is not meant to end and may not panic; when it
/// does either, this provider alone is started again after a pause, and what is known of it stays.
async fn pass_on(provider: &dyn Provider, events: &mpsc::Sender<Event>, stop: &CancellationToken) {
    let mut backoff = Backoff::new();
    loop {
        let run = stop.run_until_cancelled(follow(provider, events, &mut backoff));
        let Some(Some(reason)) = run.await else { return };
        let name = provider.name();
        let wait = backoff.wait();
        error!(provider = %name, reason, ?wait, "provider broke down and is started again");
        let restart = async {
            // A closed channel shows at the next report.
            drop(events.send(Event::Broken(name.clone(), reason)).await);
            tokio::time::sleep(wait).await;
        };
        if stop.run_until_cancelled(restart).await.is_none() {
            return;
        }
    }
}

/// Why the stream ended; `None` when nobody listens any more.
async fn follow(
    provider: &dyn Provider,
    events: &mpsc::Sender<Event>,
    backoff: &mut Backoff,
) -> Option<String> {
    let mut reports = match caught(|| provider.reports()) {
        Ok(reports) => reports,
        Err(reason) => return Some(reason),
    };
    loop {
        let report = match AssertUnwindSafe(reports.next()).catch_unwind().await {
            Ok(Some(report)) => report,
            Ok(None) => return Some("its stream of reports ended".to_owned()),
            Err(panic) => return Some(words(&*panic)),
        };
        if matches!(report, Report::Replace { .. }) {
            backoff.reset();
        }
        let event = Event::Report(provider.name().clone(), report);
        events.send(event).await.ok()?;
    }
}

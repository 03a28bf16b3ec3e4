//! All streams of the provider as one: the list's, the allocations', and one for each service that is listed.

use std::collections::BTreeMap;

use futures::{
    Stream, StreamExt,
    stream::{self, AbortHandle, Abortable, BoxStream, SelectAll},
};
use mesh_discovery::{Content, Report, Scope, retry::paced};
use tokio::time::Instant;

use crate::{Followed, allocations, client::Client, follow, services};

/// Starts and stops followers as services come and go.
pub(crate) struct Followers<'a, C> {
    followed: &'a Followed<C>,
    streams: SelectAll<BoxStream<'a, Report>>,
    running: BTreeMap<Scope, AbortHandle>,
}

impl<'a, C: Client> Followers<'a, C> {
    pub(crate) fn new(followed: &'a Followed<C>) -> Self {
        let mut streams = SelectAll::new();
        streams.push(paced(services::reports(followed)).boxed());
        streams.push(paced(allocations::reports(followed)).boxed());
        streams.push(changes(followed).boxed());
        Self {
            followed,
            streams,
            running: BTreeMap::new(),
        }
    }

    /// The next report of any stream; the list of scopes brings the followers in line before it is passed on.
    pub(crate) async fn next(&mut self) -> Option<Report> {
        let report = self.streams.next().await?;
        if let Report::Replace {
            content: Content::Scopes(scopes),
            ..
        } = &report
        {
            self.running.retain(|scope, follower| {
                let stays = scopes.contains(scope);
                if !stays {
                    follower.abort();
                    services::service(scope)
                        .iter()
                        .for_each(|service| self.followed.notices.forget(service));
                }
                stays
            });
            scopes.iter().for_each(|scope| self.start(scope));
        }
        Some(report)
    }

    fn start(&mut self, scope: &Scope) {
        let Some(service) = services::service(scope).filter(|_| !self.running.contains_key(scope)) else {
            return;
        };
        let reports = paced(follow::reports(self.followed, service.to_owned()));
        let (handle, registration) = AbortHandle::new_pair();
        self.streams
            .push(Abortable::new(reports.boxed(), registration).boxed());
        self.running.insert(scope.clone(), handle);
    }
}

/// What changes in a service although the service itself was not read again: its allocations did, or time passed.
fn changes<C: Client>(followed: &Followed<C>) -> impl Stream<Item = Report> + Send + '_ {
    stream::unfold((), async move |()| {
        loop {
            let (report, deadline) = followed.join(|join| {
                let report = join.next_change(Instant::now());
                (report, join.deadline())
            });
            if let Some(report) = report {
                return Some((report, ()));
            }
            let sleep = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = followed.changed.notified() => {}
                () = sleep => {}
            }
        }
    })
}

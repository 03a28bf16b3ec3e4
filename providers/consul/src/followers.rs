//! All streams of the provider as one: the catalog's, and one for each service that it lists.

use std::{collections::BTreeMap, time::Duration};

use futures::{
    StreamExt,
    stream::{AbortHandle, Abortable, BoxStream, SelectAll},
};
use mesh_discovery::{Content, ProviderError, Report, Scope, retry::paced};
use mesh_remote::blocking_timeout;
use tokio::time::Instant;

use crate::{Followed, Mode, catalog, checks, client::Client, follow};

/// Services that have a watch each even while connections are scarce. Consul goes on with the queries of one who died
/// and grants an address 200 connections: twenty starts in the time that a query may hang fit in.
const FEW: usize = 8;

/// How long connections count as scarce after one was refused.
const SCARCE: Duration = Duration::from_secs(600);

/// Starts and stops followers as services come and go.
pub(crate) struct Followers<'a, C> {
    followed: &'a Followed<C>,
    streams: SelectAll<BoxStream<'a, Report>>,
    running: BTreeMap<Scope, AbortHandle>,
    /// There are more services than watches.
    many: bool,
    /// Until then connections are scarce.
    scarce: Instant,
}

impl<'a, C: Client> Followers<'a, C> {
    pub(crate) fn new(followed: &'a Followed<C>) -> Self {
        let mut streams = SelectAll::new();
        streams.push(paced(catalog::reports(followed)).boxed());
        Self {
            followed,
            streams,
            running: BTreeMap::new(),
            many: false,
            // The queries of an earlier run may still hang.
            scarce: Instant::now() + blocking_timeout(Some(followed.wait)),
        }
    }

    /// The next report of any stream; the list of scopes brings the followers in line before it is passed on.
    pub(crate) async fn next(&mut self) -> Option<Report> {
        let mut report = self.streams.next().await?;
        if let Report::Failed { error, .. } = &report
            && is_refused(error)
        {
            self.scarce = self.scarce.max(Instant::now() + SCARCE);
        }
        if let Report::Replace {
            content: Content::Scopes(scopes),
            ..
        } = &mut report
        {
            if self.choose_mode(scopes.len()) == Mode::Notice {
                scopes.insert(Scope::new(checks::SCOPE));
            }
            self.running.retain(|scope, follower| {
                let stays = scopes.contains(scope);
                if !stays {
                    follower.abort();
                    catalog::service(scope).iter().for_each(|service| {
                        self.followed.notices.forget(service);
                        self.followed.places.forget(service);
                    });
                }
                stays
            });
            scopes.iter().for_each(|scope| self.start(scope));
        }
        Some(report)
    }

    /// A query for each service while Consul can bear it.
    fn choose_mode(&mut self, services: usize) -> Mode {
        let limit = self.followed.max_watches;
        // Some way below the limit, so that one service that comes and goes does not change it for all.
        self.many = services > if self.many { limit - limit / 5 } else { limit };
        let scarce = services > FEW && Instant::now() < self.scarce;
        let mode = match (self.followed.watch, self.many || scarce) {
            (false, _) => Mode::Poll,
            (true, true) => Mode::Notice,
            (true, false) => Mode::Watch,
        };
        if mode != *self.followed.mode.borrow() {
            self.followed.mode.send_replace(mode);
        }
        mode
    }

    fn start(&mut self, scope: &Scope) {
        if self.running.contains_key(scope) {
            return;
        }
        let reports = match catalog::service(scope) {
            Some(service) => paced(follow::reports(self.followed, service.to_owned())).boxed(),
            None => paced(checks::reports(self.followed)).boxed(),
        };
        let (handle, registration) = AbortHandle::new_pair();
        self.streams.push(Abortable::new(reports, registration).boxed());
        self.running.insert(scope.clone(), handle);
    }
}

/// True when Consul may have been asked too much: it closes what is beyond its limit, or answers 429.
fn is_refused(error: &ProviderError) -> bool {
    error.is_throttle() || matches!(error, ProviderError::Unreachable { .. })
}

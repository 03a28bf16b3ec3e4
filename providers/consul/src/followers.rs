//! All streams of the provider as one: the catalog's, and one for each service that it lists.

use std::collections::BTreeMap;

use futures::{
    StreamExt,
    stream::{AbortHandle, Abortable, BoxStream, SelectAll},
};
use mesh_discovery::{Content, Report, Scope, retry::paced};

use crate::{Followed, Mode, catalog, checks, client::Client, follow};

/// Starts and stops followers as services come and go.
pub(crate) struct Followers<'a, C> {
    followed: &'a Followed<C>,
    streams: SelectAll<BoxStream<'a, Report>>,
    running: BTreeMap<Scope, AbortHandle>,
}

impl<'a, C: Client> Followers<'a, C> {
    pub(crate) fn new(followed: &'a Followed<C>) -> Self {
        let mut streams = SelectAll::new();
        streams.push(paced(catalog::reports(followed)).boxed());
        Self {
            followed,
            streams,
            running: BTreeMap::new(),
        }
    }

    /// The next report of any stream; the list of scopes brings the followers in line before it is passed on.
    pub(crate) async fn next(&mut self) -> Option<Report> {
        let mut report = self.streams.next().await?;
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
    fn choose_mode(&self, services: usize) -> Mode {
        let limit = self.followed.max_watches;
        let now = *self.followed.mode.borrow();
        let mode = match now {
            Mode::Poll => Mode::Poll,
            // Some way below the limit, so that one service that comes and goes does not change it for all.
            Mode::Notice if services > limit - limit / 5 => Mode::Notice,
            Mode::Watch | Mode::Notice if services > limit => Mode::Notice,
            Mode::Watch | Mode::Notice => Mode::Watch,
        };
        if mode != now {
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

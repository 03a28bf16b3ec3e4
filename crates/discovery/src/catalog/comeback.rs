//! What to believe of a system that lost its state while Mesh did not run.
//!
//! Its answers are well-formed and incomplete until what it looks after has had the time to register again. For so long
//! what an earlier run knew is kept though it is missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::provider::Scope;

/// How long what is missing is kept where a control plane may have lost its state: agents of Consul compare their
/// services with the servers' at least once a minute.
pub const SETTLE: Duration = Duration::from_secs(75);

/// Where one provider stands.
#[derive(Debug, Default)]
pub(crate) struct Comeback {
    /// It lost its state, and is complete from then on.
    until: Option<SystemTime>,
    /// Instances of an earlier run that its answers lack.
    missing: BTreeMap<Scope, BTreeSet<Arc<str>>>,
    /// Scopes of an earlier run that its list lacks.
    unlisted: BTreeSet<Scope>,
}

impl Comeback {
    /// It has lost its state. When it has to be complete, if that is news.
    pub(crate) fn begin(&mut self, now: SystemTime) -> Option<SystemTime> {
        if self.until.is_none() {
            self.until = now.checked_add(SETTLE);
            return self.until;
        }
        None
    }

    /// Of the instances that `scope` lacks, those that stay for now: all that an earlier run knew. `first` if this is
    /// the first answer of this run.
    pub(crate) fn keep(&mut self, scope: &Scope, first: bool, lacking: &[Arc<str>]) -> BTreeSet<Arc<str>> {
        let before = self.missing.remove(scope).unwrap_or_default();
        if self.until.is_none() {
            return BTreeSet::new();
        }
        let stays = |id: &&Arc<str>| first || before.contains(*id);
        let kept: BTreeSet<_> = lacking.iter().filter(stays).cloned().collect();
        if !kept.is_empty() {
            self.missing.insert(scope.clone(), kept.clone());
        }
        kept
    }

    /// Splits the scopes that are no longer listed: those to end come back, the ones that nobody confirmed in this run
    /// stay for now.
    pub(crate) fn keep_scopes(
        &mut self,
        gone: Vec<Scope>,
        unconfirmed: impl Fn(&Scope) -> bool,
    ) -> Vec<Scope> {
        if self.until.is_none() {
            return gone;
        }
        let (kept, gone): (Vec<_>, Vec<_>) = gone.into_iter().partition(unconfirmed);
        self.unlisted = kept.into_iter().collect();
        gone
    }

    /// True if the instance is here only because it is kept.
    pub(crate) fn keeps(&self, scope: &Scope, id: &Arc<str>) -> bool {
        self.missing.get(scope).is_some_and(|ids| ids.contains(id))
    }

    /// Its time is over: what is to end now.
    pub(crate) fn end(&mut self) -> (BTreeMap<Scope, BTreeSet<Arc<str>>>, BTreeSet<Scope>) {
        let Self {
            missing, unlisted, ..
        } = std::mem::take(self);
        (missing, unlisted)
    }
}

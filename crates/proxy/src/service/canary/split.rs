//! The canaries' part of the requests.
//!
//! The group comes first, then a server within it by the service's strategy: so the part is the same for all
//! strategies, whatever the number, weight, load and speed of the servers on either side.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::super::{
    Asking,
    layout::Layout,
    server::Server,
    state::ServiceState,
    turn::{Turn, below, mix},
};

/// Makes the number by which a key chooses its group another one than those by which it chooses a server.
const SALT: u64 = 0xa076_1d64_78bd_642f;

/// The canaries among the servers that may be chosen now. There is at least one, and one that is none.
#[derive(Debug)]
pub(in crate::service) struct Canaries {
    /// In per cent.
    share: u8,
    group: Layout,
}

impl Canaries {
    pub(in crate::service) fn new(share: u8, group: Layout) -> Self {
        Self { share, group }
    }

    /// The server for a request, out of these or the `stable` ones. A group that has none for it leaves it to the other.
    pub(in crate::service) fn choose<'a>(
        &'a self,
        stable: &'a Layout,
        asking: &'a Asking<'_>,
        state: &ServiceState,
    ) -> Option<&'a Arc<Server>> {
        let of_canaries = || {
            let turn = || state.split.turn();
            let found = self.group.choose_within(asking, turn);
            found.or_else(|| self.group.any(asking, turn()))
        };
        let of_stable = || {
            let turn = || state.turn();
            let found = stable.choose_within(asking, turn);
            found.or_else(|| stable.any(asking, turn()))
        };
        match self.is_for_canary(asking, &state.split) {
            true => of_canaries().or_else(of_stable),
            false => of_stable().or_else(of_canaries),
        }
    }

    /// By the key of the request, where the strategy goes by one: its clients stay with their group as they do with
    /// their server. Otherwise by turns.
    fn is_for_canary(&self, asking: &Asking<'_>, split: &Split) -> bool {
        let bits = match self.group.key(asking) {
            Some(key) => mix(key ^ SALT),
            None => split.next_group(),
        };
        below(bits, 100) < usize::from(self.share)
    }
}

/// Whose turn it is among groups, and among canaries. Outlives tables.
#[derive(Debug)]
pub(in crate::service) struct Split {
    groups: AtomicUsize,
    position: AtomicUsize,
}

impl Split {
    /// Begins at these places.
    pub(in crate::service) fn new(groups: usize, position: usize) -> Self {
        Self {
            groups: AtomicUsize::new(groups),
            position: AtomicUsize::new(position),
        }
    }

    #[cfg(test)]
    pub(in crate::service) fn begin_at(&self, position: usize) {
        self.groups.store(position, Ordering::Relaxed);
        self.position.store(position, Ordering::Relaxed);
    }

    /// A number from an even sequence: of any thousand requests in a row the share holds within two, of any ten within
    /// one. It has no period, so that it never falls in step with clients that send the same few requests over and over.
    fn next_group(&self) -> u64 {
        Turn(self.groups.fetch_add(1, Ordering::Relaxed)).place()
    }

    fn turn(&self) -> Turn {
        Turn(self.position.fetch_add(1, Ordering::Relaxed))
    }
}

//! What a file held and does not hold any more, until it is given up.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use mesh_config::Fragment;
use tokio::time::Instant;

use crate::{
    document::{self, Name},
    rest::{CALM, PATIENCE, Round},
};

/// Objects missing from a file that may be half written.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    objects: Fragment,
    since: BTreeMap<Name, Instant>,
}

impl Kept {
    /// What `old` and the kept ones hold, and `new` does not.
    pub(crate) fn after(mut self, old: Fragment, new: &Fragment, now: Instant) -> Self {
        document::add(&mut self.objects, old);
        document::retain(&mut self.objects, |kind, name| !document::holds(new, kind, name));
        let since = document::names(&self.objects).into_iter().map(|(kind, name)| {
            let name = (kind, name.to_owned());
            let since = self.since.get(&name).copied().unwrap_or(now);
            (name, since)
        });
        self.since = since.collect();
        self
    }

    /// Counts from `now` on: before, nobody could tell what the file holds.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.since.values_mut().for_each(|since| *since = now);
    }

    pub(crate) fn objects(&self) -> &Fragment {
        &self.objects
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.since.is_empty()
    }

    /// Gives up what the file at `path`, the same since `rests`, has not held for long enough, and what is
    /// `elsewhere`. True when there was something.
    pub(crate) fn give_up(
        &mut self,
        path: &Path,
        rests: Instant,
        elsewhere: &BTreeSet<Name>,
        round: &Round<'_>,
    ) -> bool {
        let before = self.since.len();
        // While somebody writes, more may come.
        let written = before > 0 && (round.is_written)(path);
        let calm = round.has_rested(rests, if written { PATIENCE } else { CALM });
        self.since.retain(|name, since| {
            let over = calm || (!written && round.has_rested(*since, PATIENCE));
            !over && !elsewhere.contains(name)
        });
        if self.since.len() == before {
            return false;
        }
        document::retain(&mut self.objects, |kind, name| {
            self.since.contains_key(&(kind, name.to_owned()))
        });
        true
    }

    /// When to look again at a file that is the same since `rests`.
    pub(crate) fn next(&self, rests: Instant, round: &Round<'_>) -> Option<Instant> {
        let oldest = self.since.values().min()?;
        let ends = [round.next(rests), round.next(*oldest)];
        ends.into_iter().flatten().min()
    }
}

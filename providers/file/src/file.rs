//! One file: what was taken of it, and what is about to be.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use mesh_config::Fragment;
use mesh_discovery::{Content, ProviderError, Report, Scope};
use tokio::time::Instant;

use crate::{
    client::Reading,
    document::{self, Name},
    kept::Kept,
    rest::{CALM, PATIENCE, QUIET, Round},
};

/// A file that was seen at least once.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// The reading that counts.
    taken: Option<Reading>,
    /// Why it could not be used.
    error: Option<ProviderError>,
    good: Option<Good>,
    pending: Option<Pending>,
}

/// The last text that could be used.
#[derive(Debug)]
struct Good {
    text: Arc<str>,
    declares: Arc<Fragment>,
    /// Missing from it for a short time.
    kept: Kept,
    /// Since when it is there.
    since: Instant,
}

/// A reading that has to rest first.
#[derive(Debug)]
struct Pending {
    reading: Reading,
    /// Since when it is there.
    since: Instant,
    /// Since when the file is not what was taken.
    changed: Instant,
}

impl File {
    /// Takes a reading, if it is new and has rested. Whether a file is gone is for [`File::is_over`] to say.
    pub(crate) fn observe(&mut self, path: &Path, reading: Reading, round: &Round<'_>) -> Option<Report> {
        if self.taken.as_ref() == Some(&reading) {
            self.pending = None;
            return round.refresh.then(|| self.report(path));
        }
        let pending = match self.pending.take() {
            Some(pending) if pending.reading == reading => pending,
            other => Pending {
                reading,
                since: round.ended,
                changed: other.map_or(round.ended, |other| other.changed),
            },
        };
        let gone = pending.reading == Reading::Missing && (round.listed || self.good.is_some());
        if !gone && (round.first || pending.has_rested(path, round)) {
            self.take(path, pending, round);
            Some(self.report(path))
        } else {
            self.pending = Some(pending);
            None
        }
    }

    /// True when the file is gone for good: for long enough, or everything it declared is `elsewhere`.
    pub(crate) fn is_over(&self, elsewhere: &BTreeSet<Name>, round: &Round<'_>) -> bool {
        self.pending.as_ref().is_some_and(|pending| {
            let is_safe = || self.at_stake().is_subset(elsewhere);
            pending.reading == Reading::Missing
                && round.has_rested(pending.since, QUIET)
                && (round.has_rested(pending.since, CALM) || is_safe())
        })
    }

    /// Ends all it declared: its user deleted it.
    pub(crate) fn end(&mut self, path: &Path, round: &Round<'_>) -> Report {
        self.pending = None;
        self.taken = Some(Reading::Missing);
        self.error = None;
        self.good = Some(Good {
            text: Arc::from(""),
            declares: Arc::default(),
            kept: Kept::default(),
            since: round.ended,
        });
        self.report(path)
    }

    /// Gives up objects that the file has not held for long enough, or that are `elsewhere`.
    pub(crate) fn give_up(
        &mut self,
        path: &Path,
        elsewhere: &BTreeSet<Name>,
        round: &Round<'_>,
    ) -> Option<Report> {
        let rests = self.pending.is_none() && self.error.is_none();
        let good = self.good.as_mut().filter(|_| rests)?;
        good.kept
            .give_up(path, good.since, elsewhere, round)
            .then(|| self.report(path))
    }

    /// True when something of it may be about to disappear.
    pub(crate) fn fades(&self) -> bool {
        self.is_missing() || self.good.as_ref().is_some_and(|good| !good.kept.is_empty())
    }

    /// What would disappear.
    pub(crate) fn at_stake(&self) -> BTreeSet<Name> {
        let Some(good) = &self.good else {
            return BTreeSet::new();
        };
        let declared = self.is_missing().then(|| document::names(&good.declares));
        let kept = document::names(good.kept.objects());
        let names = declared.into_iter().flatten().chain(kept);
        names.map(|(kind, name)| (kind, name.to_owned())).collect()
    }

    /// True when the last usable text declares an object of this name.
    pub(crate) fn declares(&self, (kind, name): &Name) -> bool {
        self.good
            .as_ref()
            .is_some_and(|good| document::holds(&good.declares, *kind, name))
    }

    /// True once anything was said of it.
    pub(crate) fn is_known(&self) -> bool {
        self.taken.is_some()
    }

    /// When it has to be looked at again.
    pub(crate) fn next(&self, round: &Round<'_>) -> Option<Instant> {
        let pending = self.pending.as_ref().and_then(|pending| {
            let ends = [round.next(pending.since), round.next(pending.changed)];
            ends.into_iter().flatten().min()
        });
        let good = self.good.as_ref();
        let kept = good.and_then(|good| good.kept.next(good.since, round));
        [pending, kept].into_iter().flatten().min()
    }

    fn is_missing(&self) -> bool {
        self.pending
            .as_ref()
            .is_some_and(|pending| pending.reading == Reading::Missing)
    }

    fn declares_any(&self) -> bool {
        self.good
            .as_ref()
            .is_some_and(|good| !good.kept.is_empty() || !document::names(&good.declares).is_empty())
    }

    fn take(&mut self, path: &Path, pending: Pending, round: &Round<'_>) {
        let read = match &pending.reading {
            // Whoever writes a file anew empties it first. Routes end with the file, or with their lines in it.
            Reading::Text(text) if document::is_empty(text) && self.declares_any() => Err(unreadable(
                path,
                "it is empty; delete it if its routes are to end",
            )),
            Reading::Text(text) => self.read(path, text, pending.since, round),
            Reading::Missing => Err(unreadable(path, "no such file")),
            Reading::Unreadable(error) => Err(unreadable(&error.path, &error.reason)),
        };
        self.error = read.err();
        self.taken = Some(pending.reading);
    }

    /// Makes `text` the good one. What is missing from it is kept for now.
    fn read(
        &mut self,
        path: &Path,
        text: &Arc<str>,
        since: Instant,
        round: &Round<'_>,
    ) -> Result<(), ProviderError> {
        if let Some(good) = &mut self.good {
            if self.error.is_some() {
                good.kept.restart(since);
            }
            if good.text == *text {
                good.since = since;
                return Ok(());
            }
        }
        let declares = Arc::new(document::read(path, text, round.static_keys)?);
        let old = self.good.take();
        self.good = Some(Good {
            text: text.clone(),
            kept: old.map_or_else(Kept::default, |old| {
                old.kept
                    .after(Arc::unwrap_or_clone(old.declares), &declares, since)
            }),
            declares,
            since,
        });
        Ok(())
    }

    /// All that counts now.
    fn report(&self, path: &Path) -> Report {
        let scope = scope(path);
        if let Some(error) = self.error.clone() {
            return Report::Failed { scope, error };
        }
        let fragment = self.good.as_ref().map(Good::objects).unwrap_or_default();
        Report::Replace {
            scope,
            content: Content::Fragment(fragment),
        }
    }
}

impl Good {
    /// What it declares and what is kept.
    fn objects(&self) -> Arc<Fragment> {
        let mut fragment = self.declares.clone();
        if !self.kept.is_empty() {
            document::add(Arc::make_mut(&mut fragment), self.kept.objects().clone());
        }
        fragment
    }
}

impl Pending {
    fn has_rested(&self, path: &Path, round: &Round<'_>) -> bool {
        let quiet = round.has_rested(self.since, QUIET);
        let calm = || round.has_rested(self.since, CALM) || !(round.is_written)(path);
        (quiet && calm()) || round.has_rested(self.changed, PATIENCE)
    }
}

/// The scope of the file at `path`.
pub(crate) fn scope(path: &Path) -> Scope {
    Scope::new(path.display().to_string())
}

pub(crate) fn unreadable(path: &Path, reason: &str) -> ProviderError {
    ProviderError::Unreadable {
        path: path.display().to_string(),
        reason: reason.to_owned(),
    }
}

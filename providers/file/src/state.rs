//! What is known of all files, and what a new reading changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use mesh_discovery::{Content, Report, Scope};
use tokio::time::Instant;

use crate::{
    absence::{Inhabited, absent},
    client::{Reading, Scan, Unreadable},
    document::Name,
    file::{File, scope, unreadable},
    rest::{QUIET, Round},
    settings::Source,
};

/// All files of a source.
#[derive(Debug)]
pub(crate) struct State {
    source: Source,
    files: BTreeMap<PathBuf, File>,
    /// What was last said of the source as a whole.
    listing: Option<Listing>,
    /// Since when a part of the directory cannot be listed.
    unlisted: Option<Instant>,
    inhabited: Inhabited,
    /// When to read again although nothing was announced.
    next: Option<Instant>,
}

type Listing = Result<BTreeSet<Scope>, Unreadable>;

impl State {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source,
            files: BTreeMap::new(),
            listing: None,
            unlisted: None,
            inhabited: Inhabited::default(),
            next: None,
        }
    }

    /// True once anything was read.
    pub(crate) fn has_begun(&self) -> bool {
        !self.files.is_empty() || self.listing.is_some()
    }

    /// When something has rested for long enough to count.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// The reports that lead from what was said before to `scan`.
    pub(crate) fn take(&mut self, mut scan: Scan, round: &Round<'_>) -> Vec<Report> {
        let replaced = self.inhabited.replaced(&scan);
        let mut files = std::mem::take(&mut scan.files);
        for path in self.files.keys() {
            files.entry(path.clone()).or_insert(Reading::Missing);
        }
        let hidden = || scan.unlisted.iter().chain(&replaced).chain(&scan.dangling);
        let mut reports = Vec::new();
        for (path, reading) in files {
            let reading = match reading {
                Reading::Missing => absent(&path, &scan, hidden()),
                reading => reading,
            };
            let file = self.files.entry(path.clone()).or_default();
            reports.extend(file.observe(&path, reading, round));
        }
        let source = self.source.clone();
        let unlisted = match &source {
            Source::File(_) => None,
            Source::Directory(root) => {
                let lost = replaced.iter().find(|place| place.path == *root);
                scan.unlisted.first().or(lost)
            }
        };
        self.give_up(unlisted.is_some(), round, &mut reports);
        self.inhabited.retain(&self.files);
        match &source {
            Source::File(path) => self.list_one(path, round, &mut reports),
            Source::Directory(root) => self.list(root, unlisted, round, &mut reports),
        }
        self.plan(round);
        reports
    }

    /// Ends files and objects that were not there for long enough, or that are in another file now. What the list
    /// of the files cannot tell is told of each.
    fn give_up(&mut self, unlisted: bool, round: &Round<'_>, reports: &mut Vec<Report>) {
        let fading = self.files.iter().filter(|(_, file)| file.fades());
        let fading: Vec<_> = fading.map(|(path, _)| path.clone()).collect();
        for path in fading {
            let elsewhere = self.elsewhere(&path);
            let Some(file) = self.files.get_mut(&path) else {
                continue;
            };
            if !file.is_over(&elsewhere, round) {
                reports.extend(file.give_up(&path, &elsewhere, round));
                continue;
            }
            // Of a directory the list tells, if there is one.
            if file.is_known() && (unlisted || !round.listed) {
                reports.push(file.end(&path, round));
            }
            if round.listed {
                self.files.remove(&path);
            }
        }
    }

    /// What the file at `path` is about to lose and another one declares.
    fn elsewhere(&self, path: &Path) -> BTreeSet<Name> {
        let Some(file) = self.files.get(path) else {
            return BTreeSet::new();
        };
        let mut names = file.at_stake();
        let others = || self.files.iter().filter(|(other, _)| *other != path);
        names.retain(|name| others().any(|(_, other)| other.declares(name)));
        names
    }

    /// The one file as the whole of the list, so that those of an earlier run with other settings end. One that
    /// cannot be read says nothing, of others neither.
    fn list_one(&mut self, path: &Path, round: &Round<'_>, reports: &mut Vec<Report>) {
        let was_read = reports
            .iter()
            .any(|report| matches!(report, Report::Replace { .. }));
        if was_read && (self.listing.is_none() || round.refresh) {
            let scopes = BTreeSet::from([scope(path)]);
            self.listing = Some(Ok(scopes.clone()));
            reports.push(Report::Replace {
                scope: Scope::new(format!("file {}", path.display())),
                content: Content::Scopes(scopes),
            });
        }
    }

    /// The files of the directory, or why they cannot be told; before what is in them.
    fn list(
        &mut self,
        directory: &Path,
        unlisted: Option<&Unreadable>,
        round: &Round<'_>,
        reports: &mut Vec<Report>,
    ) {
        let listing = if let Some(place) = unlisted {
            let since = *self.unlisted.get_or_insert(round.ended);
            if !round.first && !round.has_rested(since, QUIET) {
                return;
            }
            Err(place.clone())
        } else {
            self.unlisted = None;
            let known = self.files.iter().filter(|(_, file)| file.is_known());
            Ok(known.map(|(path, _)| scope(path)).collect())
        };
        if self.listing.as_ref() == Some(&listing) && !round.refresh {
            return;
        }
        self.listing = Some(listing.clone());
        let scope = Scope::new(format!("directory {}", directory.display()));
        let report = match listing {
            Ok(scopes) => Report::Replace {
                scope,
                content: Content::Scopes(scopes),
            },
            Err(place) => Report::Failed {
                scope,
                error: unreadable(&place.path, &place.reason),
            },
        };
        reports.insert(0, report);
    }

    /// Looks for the next time at which something will have rested.
    fn plan(&mut self, round: &Round<'_>) {
        let files = self.files.values().filter_map(|file| file.next(round));
        let unlisted = self.unlisted.and_then(|since| round.next(since));
        self.next = files.chain(unlisted).min();
    }
}

#[cfg(test)]
mod tests;

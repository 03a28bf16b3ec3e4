//! What has been reported, and what a new reading changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use mesh_config::Fragment;
use mesh_discovery::{Content, ProviderError, Report, Scope};

use crate::{
    client::{Identity, Reading, Scan, Unreadable},
    document,
    settings::Source,
};

/// The last reading of each file.
#[derive(Debug)]
pub(crate) struct State {
    source: Source,
    static_keys: Arc<BTreeSet<String>>,
    files: BTreeMap<PathBuf, File>,
    /// What was last said of the source as a whole.
    listing: Option<Listing>,
    /// Which directory it was that last held files.
    inhabited: Option<Identity>,
}

#[derive(Debug, Default)]
struct File {
    /// What was last said of it; `None` after [`State::forget_reports`].
    reported: Option<Reading>,
    /// What it held when it last could be read.
    good: Option<Fragment>,
}

type Listing = Result<BTreeSet<Scope>, Vec<Unreadable>>;

impl State {
    pub(crate) fn new(source: Source, static_keys: Arc<BTreeSet<String>>) -> Self {
        Self {
            source,
            static_keys,
            files: BTreeMap::new(),
            listing: None,
            inhabited: None,
        }
    }

    /// True once anything was reported.
    pub(crate) fn has_reported(&self) -> bool {
        !self.files.is_empty() || self.listing.is_some()
    }

    /// True when `scan` is not what was reported.
    pub(crate) fn differs(&self, scan: &Scan) -> bool {
        let known = self
            .files
            .iter()
            .map(|(path, file)| (path, file.reported.as_ref()));
        !known.eq(scan.files.iter().map(|(path, reading)| (path, Some(reading))))
    }

    /// True when an object that is known would disappear.
    pub(crate) fn loses(&self, scan: &Scan) -> bool {
        self.files.iter().any(|(path, file)| {
            let Some(good) = &file.good else {
                return false;
            };
            let known = document::names(good);
            match scan.files.get(path) {
                None | Some(Reading::Missing) => !known.is_empty(),
                Some(Reading::Unreadable(_)) => false,
                Some(Reading::Text(text)) => document::read(path, text, &self.static_keys)
                    .is_ok_and(|new| !known.is_subset(&document::names(&new))),
            }
        })
    }

    /// Makes the next [`State::take`] report everything, changed or not.
    pub(crate) fn forget_reports(&mut self) {
        self.listing = None;
        for file in self.files.values_mut() {
            file.reported = None;
        }
    }

    /// The reports that lead from what was said before to `scan`.
    pub(crate) fn take(&mut self, scan: Scan) -> Vec<Report> {
        let mut reports = Vec::new();
        let source = self.source.clone();
        if let Source::Directory(path) = &source {
            reports.extend(self.list(path, &scan));
        }
        for (path, reading) in scan.files {
            reports.extend(self.read(path, reading));
        }
        if let Source::File(path) = &source {
            // One that cannot be read says nothing, of others neither.
            let was_read = reports
                .iter()
                .any(|report| matches!(report, Report::Replace { .. }));
            reports.extend(was_read.then(|| self.list_one(path)).flatten());
        }
        reports
    }

    /// The one file as the whole of the list, so that those of an earlier run with other settings end.
    fn list_one(&mut self, path: &Path) -> Option<Report> {
        if self.listing.is_some() {
            return None;
        }
        let scopes = BTreeSet::from([scope(path)]);
        self.listing = Some(Ok(scopes.clone()));
        Some(Report::Replace {
            scope: Scope::new(format!("file {}", path.display())),
            content: Content::Scopes(scopes),
        })
    }

    /// The files of the directory, or why they cannot be told.
    fn list(&mut self, directory: &Path, scan: &Scan) -> Option<Report> {
        let listing = if self.is_another_one(directory, scan) {
            Err(vec![Unreadable {
                path: directory.to_owned(),
                reason: "another, empty directory is in its place; a lost mount looks like this, so what it \
                         held stays in force until files are there again"
                    .to_owned(),
            }])
        } else if scan.unlisted.is_empty() {
            self.files.retain(|path, _| scan.files.contains_key(path));
            Ok(scan.files.keys().map(|path| scope(path)).collect())
        } else {
            Err(scan.unlisted.clone())
        };
        if self.listing.as_ref() == Some(&listing) {
            return None;
        }
        self.listing = Some(listing.clone());
        let scope = Scope::new(format!("directory {}", directory.display()));
        Some(match listing {
            Ok(scopes) => Report::Replace {
                scope,
                content: Content::Scopes(scopes),
            },
            Err(unlisted) => {
                let error = unlisted
                    .first()
                    .map(|error| unreadable(&error.path, &error.reason))?;
                Report::Failed { scope, error }
            }
        })
    }

    /// True when the directory was replaced and the new one holds nothing.
    fn is_another_one(&mut self, directory: &Path, scan: &Scan) -> bool {
        let Some(now) = scan.directories.get(directory).copied() else {
            return false;
        };
        if scan.files.is_empty() {
            return self.inhabited.is_some_and(|then| then != now);
        }
        self.inhabited = Some(now);
        false
    }

    fn read(&mut self, path: PathBuf, reading: Reading) -> Option<Report> {
        let file = self.files.entry(path.clone()).or_default();
        if file.reported.as_ref() == Some(&reading) {
            return None;
        }
        file.reported = Some(reading.clone());
        let held = file
            .good
            .as_ref()
            .is_some_and(|good| !document::names(good).is_empty());
        let read = match reading {
            // Whoever writes a file anew empties it first. Routes end with the file, or with their lines in it.
            Reading::Text(text) if held && text.trim().is_empty() => Err(unreadable(
                &path,
                "it is empty; delete it if its routes are to end",
            )),
            Reading::Text(text) => document::read(&path, &text, &self.static_keys),
            // A deletion is a decision of its user; a file never seen is a mistake or yet to come.
            Reading::Missing if file.good.is_some() => Ok(Fragment::default()),
            Reading::Missing => Err(unreadable(&path, "no such file")),
            Reading::Unreadable(error) => Err(unreadable(&error.path, &error.reason)),
        };
        Some(match read {
            Ok(fragment) => {
                file.good = Some(fragment.clone());
                Report::Replace {
                    scope: scope(&path),
                    content: Content::Fragment(Box::new(fragment)),
                }
            }
            Err(error) => Report::Failed {
                scope: scope(&path),
                error,
            },
        })
    }
}

fn scope(path: &Path) -> Scope {
    Scope::new(path.display().to_string())
}

fn unreadable(path: &Path, reason: &str) -> ProviderError {
    ProviderError::Unreadable {
        path: path.display().to_string(),
        reason: reason.to_owned(),
    }
}

//! Why a file that was there is not in a scan: deleted, or out of sight.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::client::{Identity, Reading, Scan, Unreadable};

/// Directories as they were when they last held files.
#[derive(Debug, Default)]
pub(crate) struct Inhabited(BTreeMap<PathBuf, Identity>);

impl Inhabited {
    /// Notes which directories of `scan` hold files, and gives those that were replaced by others that hold none.
    pub(crate) fn replaced(&mut self, scan: &Scan) -> Vec<Unreadable> {
        let mut replaced = Vec::new();
        for (path, identity) in &scan.directories {
            if below(&scan.files, path).any(|reading| *reading != Reading::Missing) {
                self.0.insert(path.clone(), *identity);
            } else if self.0.get(path).is_some_and(|then| then != identity) {
                let reason = "another directory without files is in its place; a lost mount looks like this, so \
                              what it held stays in force until files are there again";
                replaced.push(Unreadable {
                    path: path.clone(),
                    reason: reason.to_owned(),
                });
            }
        }
        replaced
    }

    /// Forgets directories in which none of `files` is.
    pub(crate) fn retain<T>(&mut self, files: &BTreeMap<PathBuf, T>) {
        self.0
            .retain(|directory, _| below(files, directory).next().is_some());
    }
}

/// What is to be said of a file that was there and that `scan` lacks. `hidden` are places that cannot be looked into.
pub(crate) fn absent<'a>(
    path: &Path,
    scan: &Scan,
    mut hidden: impl Iterator<Item = &'a Unreadable>,
) -> Reading {
    if let Some(place) = hidden.find(|place| path.starts_with(&place.path)) {
        return Reading::Unreadable(place.clone());
    }
    if scan.directories.contains_key(path) {
        return Reading::Unreadable(Unreadable {
            path: path.to_owned(),
            reason: "a directory is in its place".to_owned(),
        });
    }
    Reading::Missing
}

/// The values of all files below `directory`.
fn below<'a, T>(files: &'a BTreeMap<PathBuf, T>, directory: &'a Path) -> impl Iterator<Item = &'a T> {
    let from = files.range(directory.to_owned()..);
    from.take_while(move |(path, _)| path.starts_with(directory))
        .map(|(_, value)| value)
}

//! Which events in a watched directory can mean a change of the configuration, and who is still writing.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    path::{Path, PathBuf},
};

use notify::{
    Event, EventKind,
    event::{AccessKind, AccessMode, ModifyKind},
};
use parking_lot::Mutex;

use crate::{
    client::{is_configuration, is_same},
    settings::Source,
};

/// Where the system says that a file was closed by somebody who wrote to it.
const TELLS_CLOSING: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Keeps neighbours from waking the provider: a log in the same directory may be written thousands of times a
/// second.
#[derive(Debug)]
pub(crate) struct Filter {
    /// Files count by their extension.
    by_extension: bool,
    /// Names that count besides. Without their directories: these are known by several paths when links lead to
    /// them, and one event too many does no harm.
    names: Mutex<BTreeSet<OsString>>,
    /// Files that were written to and not closed since.
    written: Mutex<BTreeSet<PathBuf>>,
}

impl Filter {
    pub(crate) fn new(source: &Source) -> Self {
        Self {
            by_extension: matches!(source, Source::Directory(_)),
            names: Mutex::default(),
            written: Mutex::default(),
        }
    }

    /// From now on these names count, and no other directories are watched.
    pub(crate) fn follow(&self, names: BTreeSet<OsString>) {
        *self.names.lock() = names;
    }

    /// True while somebody has the file at `path` open and wrote to it.
    pub(crate) fn is_written(&self, path: &Path) -> bool {
        let written = self.written.lock().clone();
        written.iter().any(|written| is_same(written, path))
    }

    /// Takes an event in. True if the files have to be read again.
    pub(crate) fn passes(&self, event: &Event) -> bool {
        let (appears, written) = match event.kind {
            // Reading is not changing: the provider's own reads would wake it for ever.
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => (false, false),
            EventKind::Access(_) => return false,
            EventKind::Modify(ModifyKind::Name(_)) | EventKind::Create(_) => (true, false),
            EventKind::Modify(ModifyKind::Data(_)) => (false, TELLS_CLOSING),
            EventKind::Modify(ModifyKind::Metadata(_)) => return self.concerns(event, false),
            EventKind::Modify(_) | EventKind::Remove(_) => (false, false),
            // Events were lost, or the system does not tell them apart.
            EventKind::Any | EventKind::Other => {
                self.written.lock().clear();
                return true;
            }
        };
        if !self.concerns(event, appears) {
            return false;
        }
        let mut open = self.written.lock();
        for path in &event.paths {
            if written {
                open.insert(path.clone());
            } else {
                open.remove(path);
            }
        }
        true
    }

    fn concerns(&self, event: &Event, appears: bool) -> bool {
        let mut paths = event.paths.iter();
        paths.any(|path| self.counts(path) || (appears && leads_on(path)))
    }

    fn counts(&self, path: &Path) -> bool {
        (self.by_extension && is_configuration(path))
            || path
                .file_name()
                .is_some_and(|name| self.names.lock().contains(name))
    }
}

/// True for directories and links: there may be configuration behind any of them.
fn leads_on(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir() || metadata.is_symlink())
}

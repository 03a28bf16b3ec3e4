//! Which events in a watched directory can mean a change of the configuration.

use std::{collections::BTreeSet, ffi::OsString, path::Path};

use notify::{
    Event, EventKind,
    event::{AccessKind, AccessMode, ModifyKind},
};
use parking_lot::Mutex;

use crate::{client::is_configuration, settings::Source};

/// Keeps neighbours from waking the provider: a log in the same directory may be written thousands of times a
/// second.
#[derive(Debug)]
pub(crate) struct Filter {
    /// Files count by their extension.
    by_extension: bool,
    /// Names that count besides. Without their directories: these are known by several paths when links lead to
    /// them, and one event too many does no harm.
    names: Mutex<BTreeSet<OsString>>,
}

impl Filter {
    pub(crate) fn new(source: &Source) -> Self {
        Self {
            by_extension: matches!(source, Source::Directory(_)),
            names: Mutex::default(),
        }
    }

    /// From now on these names count.
    pub(crate) fn follow(&self, names: BTreeSet<OsString>) {
        *self.names.lock() = names;
    }

    /// True for an event after which the files have to be read again.
    pub(crate) fn passes(&self, event: &Event) -> bool {
        let appears = match event.kind {
            // Reading is not changing: the provider's own reads would wake it for ever.
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
            EventKind::Access(_) => return false,
            EventKind::Modify(ModifyKind::Name(_)) | EventKind::Create(_) => true,
            EventKind::Modify(_) | EventKind::Remove(_) => false,
            // Events were lost, or the system does not tell them apart.
            EventKind::Any | EventKind::Other => return true,
        };
        event
            .paths
            .iter()
            .any(|path| self.counts(path) || (appears && leads_on(path)))
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

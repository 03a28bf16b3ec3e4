//! Files that middlewares read, looked at again while they serve.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::{ArcSwap, Guard};
use mesh_config::model::Pem;
use mesh_tls::Stamp;
use parking_lot::Mutex;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// What files say, in the form in which requests need it. Files that changed and cannot be used leave what was read
/// before in its place.
pub(crate) struct Watched<T> {
    paths: Vec<PathBuf>,
    make: Box<Make<T>>,
    made: ArcSwap<T>,
    seen: Mutex<Seen>,
}

/// Reads the files and makes something of them.
type Make<T> = dyn Fn() -> Result<T, String> + Send + Sync;

#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    trouble: Option<String>,
}

impl<T> Watched<T> {
    /// What `make` makes of the files at `paths`.
    ///
    /// # Errors
    /// Those of `make`, the first time.
    pub(crate) fn new(
        paths: Vec<PathBuf>,
        make: impl Fn() -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        // Before the files are read: what changes meanwhile is read again.
        let stamp = stamp(&paths);
        let made = make()?;
        Ok(Self {
            paths,
            make: Box::new(make),
            made: ArcSwap::from_pointee(made),
            seen: Mutex::new(Seen { stamp, trouble: None }),
        })
    }

    /// What they said when they could be used last.
    pub(crate) fn get(&self) -> Guard<Arc<T>> {
        self.made.load()
    }

    /// Reads them again if they look changed, or could not be used. True if what is wrong with them has changed.
    /// Workers never ask it.
    pub(crate) fn refresh(&self) -> bool {
        if self.paths.is_empty() {
            return false;
        }
        let mut seen = self.seen.lock();
        let stamp = stamp(&self.paths);
        if stamp == seen.stamp && seen.trouble.is_none() {
            return false;
        }
        seen.stamp = stamp;
        let trouble = match (self.make)() {
            Ok(made) => {
                self.made.store(Arc::new(made));
                None
            }
            Err(error) => Some(error),
        };
        let is_news = trouble != seen.trouble;
        match &trouble {
            Some(error) if is_news => tracing::warn!(%error, "files of a middleware cannot be used"),
            None => tracing::info!(files = ?self.paths, "files of a middleware are in use"),
            Some(_) => {}
        }
        seen.trouble = trouble;
        is_news
    }

    /// What is wrong with them as they are now.
    pub(super) fn trouble(&self) -> Option<String> {
        self.seen.lock().trouble.clone()
    }
}

impl<T> std::fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched")
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}

/// The text in the file at `path`.
///
/// # Errors
/// When it cannot be read, is too large or no text; the message names it.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let whole = fs::File::open(path).and_then(|file| {
        let mut text = String::new();
        file.take(MAX_FILE + 1).read_to_string(&mut text)?;
        match text.len() as u64 > MAX_FILE {
            true => Err(io::Error::other(format!("it is larger than {MAX_FILE} bytes"))),
            false => Ok(text),
        }
    });
    whole.map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn stamp(paths: &[PathBuf]) -> Stamp {
    let files: Vec<_> = paths.iter().cloned().map(Pem::File).collect();
    Stamp::of_all(&files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &Path, text: &str) {
        let aside = path.with_extension("aside");
        fs::write(&aside, text).unwrap();
        fs::rename(&aside, path).unwrap();
    }

    fn number(path: &Path) -> Result<Watched<u32>, String> {
        let path = path.to_owned();
        Watched::new(vec![path.clone()], move || {
            read(&path)?.trim().parse().map_err(|_| "no number".to_owned())
        })
    }

    #[test]
    fn a_file_that_changes_counts_and_one_that_breaks_is_told_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("n");
        assert!(number(&path).unwrap_err().contains("cannot read"));
        put(&path, "1");
        let watched = number(&path).unwrap();
        assert!(!watched.refresh());
        put(&path, "2");
        assert!(!watched.refresh(), "there is nothing to tell");
        assert_eq!(**watched.get(), 2);

        put(&path, "x");
        assert!(watched.refresh() && !watched.refresh());
        assert_eq!(
            (**watched.get(), watched.trouble().as_deref()),
            (2, Some("no number"))
        );
        fs::remove_file(&path).unwrap();
        assert!(watched.refresh() && !watched.refresh());
        put(&path, "3");
        assert!(watched.refresh());
        assert_eq!((**watched.get(), watched.trouble()), (3, None));
    }
}

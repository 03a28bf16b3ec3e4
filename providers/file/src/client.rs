//! Reads files and directories: the only part of this provider that touches the disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use mesh_config::layer::Format;

use crate::settings::Source;

/// Files larger than this are refused: configuration is written by people or templates.
pub const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Directories nested deeper than this are refused: a symbolic link that leads back up has no end.
const MAX_DEPTH: usize = 16;

/// The disk as this provider needs it.
pub trait Files: Send + Sync + 'static {
    /// Reads everything once. Blocks.
    fn scan(&self, source: &Source) -> Scan;
}

/// Something that is there, or should be, and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// What.
    pub path: PathBuf,
    /// The system's words.
    pub reason: String,
}

/// What reading one file gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Its text.
    Text(Arc<str>),
    /// It is certainly not there: its directory can be read and does not hold it.
    Missing,
    /// It may be there.
    Unreadable(Unreadable),
}

/// Identifies a directory beyond its path, so that another one in its place is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    device: u64,
    inode: u64,
    /// The number of a deleted directory is given to the next one.
    created: Option<SystemTime>,
}

/// All files of a source at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// Each file; of a directory those that it lists now.
    pub files: BTreeMap<PathBuf, Reading>,
    /// Directories that could not be listed; files in them are missing from `files`.
    pub unlisted: Vec<Unreadable>,
    /// Links that lead nowhere; there may have been files behind them.
    pub dangling: Vec<Unreadable>,
    /// Directories in which a change may announce itself, links followed.
    pub directories: BTreeMap<PathBuf, Identity>,
    /// Names by which a change counts although no extension tells so: directories, the one file that the
    /// settings name, and whatever a link leads to.
    pub names: BTreeSet<OsString>,
}

/// The real disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn scan(&self, source: &Source) -> Scan {
        let mut scan = Scan::default();
        match source {
            Source::File(path) => {
                scan.note_ancestor(path);
                scan.add_file(path);
            }
            Source::Directory(path) => {
                scan.note_ancestor(path);
                scan.add_directory(path, &mut BTreeSet::new(), 0);
            }
        }
        scan
    }
}

impl Scan {
    fn add_directory(&mut self, path: &Path, seen: &mut BTreeSet<PathBuf>, depth: usize) {
        self.note_directory(path);
        let real = match fs::canonicalize(path) {
            Ok(real) if depth < MAX_DEPTH => real,
            Ok(_) => return self.unlisted.push(too_deep(path)),
            Err(error) => return self.unlisted.push(unreadable(path, &error)),
        };
        // A directory is read once, whatever number of links lead to it.
        if !seen.insert(real) {
            return;
        }
        let entries = match fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => entries,
            Err(error) => return self.unlisted.push(unreadable(path, &error)),
        };
        let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
        paths.sort();
        for path in paths {
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() && !is_hidden(&path) => {
                    self.add_directory(&path, seen, depth.saturating_add(1));
                }
                Ok(metadata) if metadata.is_file() && is_configuration(&path) => self.add_file(&path),
                Err(_) if is_configuration(&path) => self.add_file(&path),
                Err(error) if path.is_symlink() => self.dangling.push(unreadable(&path, &error)),
                Ok(_) | Err(_) => {}
            }
        }
        // Gone since it was listed: it is as if it had not been listed.
        self.files.retain(|_, reading| *reading != Reading::Missing);
    }

    fn add_file(&mut self, path: &Path) {
        let reading = match read(path) {
            Ok(text) => Reading::Text(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => missing(path),
            Err(error) => Reading::Unreadable(unreadable(path, &error)),
        };
        self.files.insert(path.to_owned(), reading);
        self.note_name(path);
        // Behind a link the change happens where the link leads.
        if path.is_symlink()
            && let Ok(real) = fs::canonicalize(path)
        {
            self.note_name(&real);
            self.note_directory(&parent(&real));
        }
    }

    /// The nearest directory in which `path`, or a directory on the way to it, can appear.
    fn note_ancestor(&mut self, path: &Path) {
        let mut directory = parent(path);
        while !directory.is_dir() && directory.parent().is_some() {
            directory = parent(&directory);
        }
        self.note_directory(&directory);
    }

    fn note_directory(&mut self, path: &Path) {
        self.note_name(path);
        if let Ok(metadata) = fs::metadata(path) {
            self.directories
                .insert(path.to_owned(), identity(path, &metadata));
        }
    }

    fn note_name(&mut self, path: &Path) {
        self.names.extend(path.file_name().map(ToOwned::to_owned));
    }
}

fn read(path: &Path) -> io::Result<Arc<str>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("larger than {MAX_FILE_BYTES} bytes")));
    }
    fs::read_to_string(path).map(Into::into)
}

/// A directory that is gone or closed tells nothing about its files.
fn missing(path: &Path) -> Reading {
    let directory = parent(path);
    match fs::read_dir(&directory) {
        Ok(_) => Reading::Missing,
        Err(error) => Reading::Unreadable(unreadable(&directory, &error)),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Unreadable {
    Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// True when two paths lead to one file.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    one == other
        || fs::canonicalize(one).is_ok_and(|one| fs::canonicalize(other).is_ok_and(|other| one == other))
}

fn too_deep(path: &Path) -> Unreadable {
    Unreadable {
        path: path.to_owned(),
        reason: format!("nested deeper than {MAX_DEPTH} directories"),
    }
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Kubernetes keeps the real files of a mounted map in `..data`; editors keep their drafts in hidden files.
fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// JSON is read where it is named; in a directory it is likely to be something else.
pub(crate) fn is_configuration(path: &Path) -> bool {
    let is_json = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    !is_hidden(path) && !is_json && Format::of(path).is_some()
}

#[cfg(unix)]
pub(crate) fn identity(_: &Path, metadata: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
        created: metadata.created().ok(),
    }
}

#[cfg(not(unix))]
pub(crate) fn identity(path: &Path, metadata: &fs::Metadata) -> Identity {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    Identity {
        device: 0,
        inode: hasher.finish(),
        created: metadata.created().ok(),
    }
}

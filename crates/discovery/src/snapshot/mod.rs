//! The catalog on disk, for a cold start while no provider answers.
//!
//! Two lines of JSON: a header with version and checksum, and the catalog. The file may hold what users wrote
//! into their routes, so only its owner may read it. It is replaced as a whole or not at all.

mod location;

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tracing::warn;

use crate::{catalog::CatalogSnapshot, settings::SnapshotSettings};

/// The version this program writes and reads.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    version: u32,
    sha256: String,
}

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
enum SnapshotError {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("it is cut short or has no header")]
    Header,
    #[error("it has version {0}, and this program reads version {VERSION}")]
    Version(u32),
    #[error("its checksum does not fit its content")]
    Checksum,
    #[error("its content is not what this program writes: {0}")]
    Content(#[from] serde_json::Error),
}

/// The file.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotFile {
    path: PathBuf,
}

impl SnapshotFile {
    /// The file that `settings` name, or the default one; `None`, with one warning, when nothing can be written.
    pub(crate) fn locate(settings: &SnapshotSettings) -> Option<Self> {
        if !settings.enabled {
            return None;
        }
        let candidates = match &settings.path {
            Some(path) => vec![path.clone()],
            None => location::candidates(|name| std::env::var_os(name)),
        };
        let mut last_error = None;
        for path in candidates {
            match location::prepare(&path) {
                Ok(()) => return Some(Self { path }),
                Err(error) => last_error = Some((path, error)),
            }
        }
        if let Some((path, error)) = last_error {
            warn!(
                path = %path.display(), %error,
                "no snapshot is kept: set snapshot.path to a writable file, or snapshot.enabled to false"
            );
        }
        None
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What an earlier run wrote. A file that cannot be used is moved aside with one warning.
    pub(crate) fn load(&self) -> Option<CatalogSnapshot> {
        match read(&self.path) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                let aside = location::beside(&self.path, "bad");
                let kept = fs::rename(&self.path, &aside).is_ok();
                let kept = if kept { aside } else { self.path.clone() };
                warn!(path = %self.path.display(), kept = %kept.display(), %error, "starting without the snapshot");
                None
            }
        }
    }

    /// Replaces the file. Blocks.
    ///
    /// # Errors
    /// When the directory cannot be written to; the old file stays then.
    pub(crate) fn write(&self, snapshot: &CatalogSnapshot) -> io::Result<()> {
        let body = serde_json::to_vec(snapshot)?;
        let header = serde_json::to_vec(&Header {
            version: VERSION,
            sha256: checksum(&body),
        })?;
        let temporary = location::temporary(&self.path);
        let written = write_through(&temporary, &[&header, b"\n", &body, b"\n"])
            .and_then(|()| fs::rename(&temporary, &self.path));
        if written.is_err() {
            // The error that matters is the first one.
            drop(fs::remove_file(&temporary));
        } else {
            fs::File::open(location::directory(&self.path))?.sync_all()?;
        }
        written
    }
}

fn write_through(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    // What is there already would keep its mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()
}

fn read(path: &Path) -> Result<Option<CatalogSnapshot>, SnapshotError> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut lines = text.splitn(2, |byte| *byte == b'\n');
    let header = lines.next().unwrap_or_default();
    let header: Header = serde_json::from_slice(header).map_err(|_| SnapshotError::Header)?;
    if header.version != VERSION {
        return Err(SnapshotError::Version(header.version));
    }
    let body = lines.next().unwrap_or_default();
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    if checksum(body) != header.sha256 {
        return Err(SnapshotError::Checksum);
    }
    Ok(Some(serde_json::from_slice(body)?))
}

fn checksum(body: &[u8]) -> String {
    Sha256::digest(body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file() -> (tempfile::TempDir, SnapshotFile) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("snapshot.json");
        (directory, SnapshotFile { path })
    }

    #[test]
    fn only_its_owner_may_read_it_and_nothing_else_is_left_behind() {
        let (directory, file) = file();
        file.write(&CatalogSnapshot::default()).unwrap();
        file.write(&CatalogSnapshot::default()).unwrap();
        let mode = fs::metadata(&file.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(file.load().is_some());
    }

    #[test]
    fn no_file_is_no_snapshot_and_no_problem() {
        let (_directory, file) = file();
        assert!(file.load().is_none());
    }

    #[test]
    fn a_damaged_file_is_kept_aside_and_not_used() {
        let (directory, file) = file();
        file.write(&CatalogSnapshot::default()).unwrap();
        let whole = fs::read(&file.path).unwrap();
        let newer = String::from_utf8(whole.clone())
            .unwrap()
            .replace("\"version\":1", "\"version\":2");
        let mut flipped = whole.clone();
        *flipped.iter_mut().rev().nth(2).unwrap() ^= 1;
        for bad in [
            whole[..whole.len() - 5].to_vec(),
            whole[..10].to_vec(),
            Vec::new(),
            flipped,
            newer.into_bytes(),
        ] {
            fs::write(&file.path, &bad).unwrap();
            assert!(file.load().is_none());
            assert!(!file.path.exists());
            assert_eq!(fs::read(directory.path().join("snapshot.json.bad")).unwrap(), bad);
        }
    }

    #[test]
    fn what_killed_processes_left_is_removed_and_nothing_else() {
        let (directory, file) = file();
        let settings = SnapshotSettings {
            path: Some(file.path),
            ..SnapshotSettings::default()
        };
        for name in [
            "snapshot.json.12.tmp",
            "snapshot.json.99999.tmp",
            "snapshot.json.bad",
            "snapshot.json.a.tmp",
        ] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        SnapshotFile::locate(&settings).unwrap();
        let left = fs::read_dir(directory.path()).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["snapshot.json.a.tmp", "snapshot.json.bad"]);
    }

    #[test]
    fn where_nothing_can_be_written_there_is_no_snapshot() {
        let (directory, _) = file();
        let blocked = directory.path().join("file");
        fs::write(&blocked, "").unwrap();
        let settings = SnapshotSettings {
            path: Some(blocked.join("snapshot.json")),
            ..SnapshotSettings::default()
        };
        assert!(SnapshotFile::locate(&settings).is_none());
    }
}

//! Where the snapshot lives when nobody says.

use std::{
    ffi::{OsStr, OsString},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

const FILE: &str = "snapshot.json";

/// The candidates in order; `env` reads the environment.
pub(super) fn candidates(env: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let absolute = |value: OsString| {
        let path = PathBuf::from(value);
        path.is_absolute().then_some(path)
    };
    // systemd separates several state directories by colons.
    let systemd = env("STATE_DIRECTORY")
        .as_deref()
        .and_then(|all| std::env::split_paths(all).next())
        .filter(|path| path.is_absolute());
    let xdg = env("XDG_STATE_HOME")
        .and_then(absolute)
        .map(|path| path.join("mesh"));
    let home = env("HOME")
        .and_then(absolute)
        .map(|path| path.join(".local/state/mesh"));
    [systemd, xdg, home, Some(PathBuf::from("/var/lib/mesh"))]
        .into_iter()
        .flatten()
        .map(|directory| directory.join(FILE))
        .collect()
}

/// Makes the directory of `path`, tries to write there, and removes what killed processes did not finish.
pub(super) fn prepare(path: &Path) -> io::Result<()> {
    let directory = directory(path);
    std::fs::create_dir_all(directory)?;
    let probe = temporary(path);
    std::fs::write(&probe, b"")?;
    for entry in std::fs::read_dir(directory)?.flatten() {
        if is_temporary(&entry.file_name(), path) {
            gone(std::fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
}

/// Others may share the directory, and be done with a file of theirs first.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Where this process writes before it replaces `path`.
pub(super) fn temporary(path: &Path) -> PathBuf {
    beside(path, &format!("{}.tmp", own_number()))
}

/// Tells this process from all others that write to the same file: in containers, each has the same process id.
fn own_number() -> u64 {
    static NUMBER: OnceLock<u64> = OnceLock::new();
    // The keys of a hasher are what the standard library has of chance.
    *NUMBER.get_or_init(|| RandomState::new().build_hasher().finish())
}

/// `path` with one extension more.
pub(super) fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// The directory that holds `path`.
pub(super) fn directory(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// True for a name that [`temporary`] gives in any process.
fn is_temporary(name: &OsStr, path: &Path) -> bool {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_string_lossy();
    let process = name
        .strip_prefix(&*file)
        .and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".tmp"));
    process.is_some_and(|process| !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_writes_to_is_its_own_and_known_as_temporary() {
        let path = Path::new("/state/snapshot.json");
        let temporary = temporary(path);
        assert_eq!(temporary, super::temporary(path));
        assert_ne!(temporary, beside(path, &format!("{}.tmp", std::process::id())));
        assert!(is_temporary(temporary.file_name().unwrap(), path));
    }

    #[test]
    fn a_file_that_somebody_else_removed_first_is_no_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("left.tmp");
        assert!(gone(std::fs::remove_file(&path)).is_ok());
        assert!(gone(std::fs::remove_file(directory.path())).is_err());
    }

    #[test]
    fn systemd_comes_before_the_users_directories_and_those_before_the_systems() {
        let env = |name: &str| match name {
            "STATE_DIRECTORY" => Some("/var/lib/edge:/other".into()),
            "XDG_STATE_HOME" => Some("/home/u/state".into()),
            "HOME" => Some("/home/u".into()),
            _ => None,
        };
        assert_eq!(
            candidates(env),
            [
                "/var/lib/edge/snapshot.json",
                "/home/u/state/mesh/snapshot.json",
                "/home/u/.local/state/mesh/snapshot.json",
                "/var/lib/mesh/snapshot.json",
            ]
            .map(PathBuf::from)
        );
    }

    #[test]
    fn relative_directories_do_not_count() {
        let env = |name: &str| (name == "XDG_STATE_HOME").then(|| "state".into());
        assert_eq!(candidates(env), [PathBuf::from("/var/lib/mesh/snapshot.json")]);
    }
}

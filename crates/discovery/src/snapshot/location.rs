//! Where the snapshot lives when nobody says.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
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
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Where this process writes before it replaces `path`.
pub(super) fn temporary(path: &Path) -> PathBuf {
    beside(path, &format!("{}.tmp", std::process::id()))
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

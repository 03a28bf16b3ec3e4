//! Writes what was translated: each file whole or not at all.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::Translation;

/// Writes to `target`: a file, or for several translations or where there is one, a directory.
pub(super) fn write(
    target: &Path,
    translations: &[(&PathBuf, Translation)],
    force: bool,
) -> Result<(), String> {
    let is_directory = translations.len() > 1 || target.is_dir();
    let mut texts: Vec<(PathBuf, &Path, &str)> = Vec::new();
    for (file, translation) in translations {
        let Some(text) = &translation.text else { continue };
        let name = file
            .file_name()
            .filter(|name| *name != "-")
            .unwrap_or("labels.txt".as_ref());
        let path = if is_directory {
            target.join(name)
        } else {
            target.to_owned()
        };
        if texts.iter().any(|(other, _, _)| *other == path) {
            return Err(format!("two files would be written to {}", path.display()));
        }
        if path.symlink_metadata().is_ok() && !force {
            return Err(format!("{} exists: --force overwrites it", path.display()));
        }
        texts.push((path, file, text));
    }
    let failed = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    if is_directory {
        fs::create_dir_all(target).map_err(|error| failed(target, error))?;
    }
    for (path, source, text) in texts {
        replace(&path, source, text).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// Puts `text` in the place of the file at `path`, at once. It keeps its mode, or gets that of `source`; behind a link
/// the file changes that it leads to.
fn replace(path: &Path, source: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let before = fs::metadata(&path);
    if let Ok(before) = &before {
        if !before.is_file() {
            // A pipe or a device takes what it is given.
            return fs::write(&path, text);
        }
        if before.permissions().readonly() {
            let message = "it is read-only";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        if fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
            return Ok(());
        }
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let aside = path.with_file_name(name);
    let written = fill(&aside, text, before.or_else(|_| fs::metadata(source)).ok())
        .and_then(|()| fs::rename(&aside, &path));
    if written.is_err() {
        // It may never have been made.
        let _ = fs::remove_file(&aside);
    }
    written
}

fn fill(aside: &Path, text: &str, like: Option<fs::Metadata>) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(aside)?;
    if let Some(like) = like.filter(fs::Metadata::is_file) {
        file.set_permissions(like.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

//! Lengths of source files.

use std::{fs, path::Path};

/// Most lines a source file may have. Most should have a fifth of it.
const MAX_LINES: usize = 600;

/// Every Rust file below `folder` that is too long.
pub(super) fn complaints(folder: &Path) -> Result<Vec<String>, String> {
    let failed = |error| format!("{}: {error}", folder.display());
    let mut complaints = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            if name != "target" && !name.as_encoded_bytes().starts_with(b".") {
                complaints.extend(self::complaints(&path)?);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            complaints.extend(too_long(&path, text.lines().count()));
        }
    }
    complaints.sort();
    Ok(complaints)
}

fn too_long(path: &Path, lines: usize) -> Option<String> {
    (lines > MAX_LINES).then(|| {
        let path = path.display();
        format!("{path} has {lines} lines, more than {MAX_LINES}: it holds more than one thing")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_be_as_long_as_the_limit_and_no_longer() {
        assert_eq!(too_long(Path::new("a.rs"), MAX_LINES), None);
        let complaint = too_long(Path::new("a.rs"), MAX_LINES + 1).unwrap();
        assert!(complaint.starts_with("a.rs has 601 lines"));
    }

    #[test]
    fn the_files_of_this_crate_are_found_and_short_enough() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(complaints(here), Ok(Vec::new()));
        assert!(complaints(&here.join("nowhere")).is_err());
    }
}

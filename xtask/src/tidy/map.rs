//! The map of ARCHITECTURE.md against the folders that are there.

use std::{fs, path::Path};

/// The folders whose every subfolder is a room of its own.
const FLOORS: [&str; 2] = ["crates", "providers"];

/// All rooms below `root`, as the map writes them: `crates/config`.
pub(super) fn rooms(root: &Path) -> Result<Vec<String>, String> {
    let mut rooms = Vec::new();
    for floor in FLOORS {
        let failed = |error| format!("{floor}: {error}");
        for entry in fs::read_dir(root.join(floor)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.path().join("Cargo.toml").exists() {
                rooms.push(format!("{floor}/{}", entry.file_name().display()));
            }
        }
    }
    rooms.sort();
    Ok(rooms)
}

/// Every room that `map` does not name in backticks.
pub(super) fn complaints(map: &str, rooms: &[String]) -> Vec<String> {
    let missing = rooms.iter().filter(|room| !map.contains(&format!("`{room}`")));
    missing
        .map(|room| format!("ARCHITECTURE.md does not say what `{room}` is for"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_that_the_map_lacks_is_named() {
        let rooms = ["crates/config".to_owned(), "providers/file".to_owned()];
        let complaints = complaints("`crates/config` holds the words; `providers/files` too", &rooms);
        assert_eq!(
            complaints,
            ["ARCHITECTURE.md does not say what `providers/file` is for"]
        );
    }

    #[test]
    fn the_rooms_of_this_workspace_are_found() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert!(rooms(root).unwrap().contains(&"crates/config".to_owned()));
    }
}

//! What no compiler checks: who may import whom, how long a file may be, and that the map names every room.

mod arrows;
mod files;
mod map;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Everything untidy, one line each.
pub(crate) fn run() -> Result<Vec<String>, String> {
    let root = root()?;
    let mut complaints = arrows::complaints(&metadata(&root)?)?;
    complaints.extend(files::complaints(&root)?);
    let map = root.join("ARCHITECTURE.md");
    let map = fs::read_to_string(&map).map_err(|error| format!("{}: {error}", map.display()))?;
    complaints.extend(map::complaints(&map, &map::rooms(&root)?));
    Ok(complaints)
}

fn root() -> Result<PathBuf, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .map(Path::to_owned)
        .ok_or_else(|| "xtask has no parent folder".to_owned())
}

fn metadata(root: &Path) -> Result<serde_json::Value, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))
}

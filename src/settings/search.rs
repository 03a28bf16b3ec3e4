//! Finds the static file.

use std::path::{Path, PathBuf};

/// Extensions in the order of the search.
const EXTENSIONS: [&str; 3] = ["yml", "yaml", "toml"];

/// Places that are searched, first hit wins: the working directory, the user's configuration, the system's.
pub(crate) fn candidates(variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let directory = |name: &str| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let bases = [
        Some(PathBuf::from("./mesh")),
        directory("XDG_CONFIG_HOME").map(|home| home.join("mesh")),
        directory("HOME").map(|home| home.join(".config/mesh")),
        Some(PathBuf::from("/etc/mesh/mesh")),
    ];
    bases
        .into_iter()
        .flatten()
        .flat_map(|base| EXTENSIONS.map(|extension| base.with_extension(extension)))
        .collect()
}

/// The first of `candidates` that exists.
pub(crate) fn first_existing(candidates: &[PathBuf]) -> Option<&Path> {
    candidates
        .iter()
        .map(PathBuf::as_path)
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_working_directory_comes_first_and_unset_variables_add_nothing() {
        let found = candidates(|name| (name == "HOME").then(|| "/home/u".to_owned()));
        let found: Vec<_> = found.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(
            found[..4],
            [
                "./mesh.yml",
                "./mesh.yaml",
                "./mesh.toml",
                "/home/u/.config/mesh.yml"
            ]
        );
        assert_eq!(
            found[6..],
            ["/etc/mesh/mesh.yml", "/etc/mesh/mesh.yaml", "/etc/mesh/mesh.toml"]
        );
    }
}

//! What users may say about the file provider.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

/// Dynamic configuration from one file, or from every file below a directory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Settings {
    /// One file, `.yml`, `.yaml` or `.toml`. May be the static file itself, which then holds `http` as well.
    pub filename: Option<PathBuf>,
    /// Every such file below this directory, in the order of their names. Instead of `filename`.
    pub directory: Option<PathBuf>,
    /// Take changes up while running. Off, only SIGHUP reads again.
    pub watch: bool,
    /// How often everything is read although no change was announced: network file systems and single files
    /// mounted into a container announce none.
    #[serde(with = "mesh_config::duration")]
    pub poll_interval: Duration,
    /// Mesh is not ready before every file has been read once.
    pub required: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            filename: None,
            directory: None,
            watch: true,
            poll_interval: Duration::from_secs(2),
            required: true,
        }
    }
}

/// Why settings cannot be used; keys are those within the block of the provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Nothing to read.
    #[error("no source is named: set filename or directory")]
    NoSource,
    /// Two things to read.
    #[error("filename and directory exclude each other: keep one")]
    TwoSources,
    /// The file is of no known kind.
    #[error("filename: {0} is of no known kind: use .yml, .yaml or .toml")]
    UnknownFormat(PathBuf),
    /// Polling without a pause.
    #[error("pollInterval is 0: use 1s or more, or watch: false")]
    NoPause,
}

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One file.
    File(PathBuf),
    /// All files below a directory.
    Directory(PathBuf),
}

impl Settings {
    /// The one source that these settings name.
    ///
    /// # Errors
    /// When they name none or two, or one that cannot be read in any format.
    pub fn source(&self) -> Result<Source, SettingsError> {
        if self.watch && self.poll_interval.is_zero() {
            return Err(SettingsError::NoPause);
        }
        match (&self.filename, &self.directory) {
            (None, None) => Err(SettingsError::NoSource),
            (Some(_), Some(_)) => Err(SettingsError::TwoSources),
            (Some(file), None) if mesh_config::layer::Format::of(file).is_none() => {
                Err(SettingsError::UnknownFormat(file.clone()))
            }
            (Some(file), None) => Ok(Source::File(file.clone())),
            (None, Some(directory)) => Ok(Source::Directory(directory.clone())),
        }
    }
}

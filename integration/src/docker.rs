//! The Docker command, for what testcontainers has no words for.

use std::process::Command;

/// What `docker` says with these arguments.
///
/// # Panics
/// When it fails.
pub fn docker<S: AsRef<str>>(arguments: &[S]) -> String {
    let arguments: Vec<_> = arguments.iter().map(AsRef::as_ref).collect();
    tried(&arguments).unwrap_or_else(|said| panic!("docker {arguments:?}: {said}"))
}

/// The same where it may fail.
///
/// # Errors
/// What it said.
pub fn tried(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("docker")
        .args(arguments)
        .output()
        .map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}

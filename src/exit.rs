//! How the process ends.

use std::process::ExitCode;

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or stopped as asked.
    Clean,
    /// It ran and failed; for `check` and `explain`, the answer is no.
    Failure,
    /// The command line makes no sense.
    Usage,
    /// The configuration cannot be used.
    Configuration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Clean => 0,
            Exit::Failure => 1,
            Exit::Usage => 64,
            Exit::Configuration => 78,
        })
    }
}

//! The file provider on a real disk.
#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

mod changes;
mod losses;
mod neighbours;
mod settings;
mod support;

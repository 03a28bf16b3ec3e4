//! Mesh beside nginx and HAProxy on the same work, in one run.
//!
//! The proxies run on one CPU, those who ask and those who answer on another one. Each round goes through
//! all proxies, so that what disturbs the machine disturbs them alike; what counts are the ratios within a round.

#[cfg(target_os = "linux")]
mod backend;
#[cfg(target_os = "linux")]
mod cases;
#[cfg(target_os = "linux")]
mod figures;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod peer;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod stats;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use clap::Parser;

    match run::run(&run::Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("CPU time is read from /proc: this runs on Linux only");
    ExitCode::FAILURE
}

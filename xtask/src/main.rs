//! Development tasks: `cargo xtask <task>`.

mod tidy;

use std::process::ExitCode;

const USAGE: &str =
    "usage: cargo xtask tidy    check crate arrows, file lengths and the map in ARCHITECTURE.md";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["tidy"] => report(tidy::run()),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(64)
        }
    }
}

fn report(found: Result<Vec<String>, String>) -> ExitCode {
    match found {
        Ok(complaints) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(complaints) => {
            for complaint in complaints {
                eprintln!("tidy: {complaint}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("tidy: {error}");
            ExitCode::FAILURE
        }
    }
}

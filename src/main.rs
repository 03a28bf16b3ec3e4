//! Mesh, an edge router that finds out by itself what runs in your infrastructure.
//!
//! This crate puts the others together: it reads settings, wires, runs and drains.

mod check;
mod cli;
mod demo;
mod exit;
mod explain;
mod healthcheck;
mod http_client;
mod internal;
mod migrate;
mod models;
mod offline;
mod own_zone;
mod providers;
mod publisher;
mod report;
mod run;
mod settings;
mod signals;
mod systemd;
mod window;

use std::process::ExitCode;

use crate::{
    cli::{Command, Invocation},
    exit::Exit,
    run::Router,
    settings::{Flags, Plan, Sources},
};

fn main() -> ExitCode {
    // Arguments that are no text are no options either; the error names them as well as it can.
    let arguments = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned());
    match cli::parse(arguments.collect()) {
        Ok(invocation) => execute(invocation).into(),
        Err((Exit::Clean, text)) => {
            report::output(&text);
            ExitCode::SUCCESS
        }
        Err((exit, text)) => {
            report::line(&text);
            exit.into()
        }
    }
}

fn execute(invocation: Invocation) -> Exit {
    let Invocation { command, flags } = invocation;
    match command {
        Command::Run => {
            let inherited = systemd::inherited();
            with_plan(flags, |plan| match Router::new(plan) {
                Ok(router) => Router { inherited, ..router }.run(),
                Err(problems) => {
                    report::problems("error", &problems);
                    Exit::Configuration
                }
            })
        }
        // For `check` unusable settings are an answer, not an obstacle.
        Command::Check { files } => match with_plan(flags, |plan| wait(check::check(&plan, &files))) {
            Exit::Configuration => Exit::Failure,
            exit => exit,
        },
        Command::Explain(arguments) => match &arguments.api {
            Some(api) => wait(explain::live(&arguments, api)),
            None => with_plan(flags, |plan| wait(explain::offline(&arguments, &plan))),
        },
        Command::Migrate(arguments) => migrate::migrate(&arguments),
        Command::Healthcheck => with_plan(flags, |plan| wait(healthcheck::healthcheck(&plan))),
        Command::Version => {
            report::output(&format!("mesh {}\n", env!("CARGO_PKG_VERSION")));
            Exit::Clean
        }
        Command::Demo(arguments) => demo::demo(&arguments, flags),
        Command::Completions { shell } => {
            report::output(&String::from_utf8_lossy(&cli::completions(shell)));
            Exit::Clean
        }
    }
}

/// Calls `then` with the settings of all sources, or says why they cannot be used.
fn with_plan(flags: Flags, then: impl FnOnce(Plan) -> Exit) -> Exit {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    match settings::load(Sources {
        flags,
        variables,
        search: true,
    })
    .and_then(Plan::new)
    {
        Ok(plan) => then(plan),
        Err(problems) => {
            report::problems("error", &problems);
            Exit::Configuration
        }
    }
}

/// Runs a command that needs no more than one thread.
fn wait(command: impl Future<Output = Exit>) -> Exit {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => {
            report::line(&format!("mesh: cannot start: {error}"));
            Exit::Failure
        }
    }
}

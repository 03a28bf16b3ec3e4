//! The command line: commands by clap, static options by [`settings`](crate::settings).

use std::{net::IpAddr, path::PathBuf};

use clap::{ArgAction, CommandFactory, Parser, Subcommand, ValueHint, error::ErrorKind};
use clap_complete::Shell;

use crate::{
    exit::Exit,
    settings::{self, Flags, Node, OwnFlags, Settings},
};

/// The commands that take static options.
const CONFIGURED: [&str; 5] = ["run", "check", "explain", "healthcheck", "demo"];

/// What `mesh` is called with, besides static options.
#[derive(Debug, Parser)]
#[command(name = "mesh", version, about = env!("CARGO_PKG_DESCRIPTION"), disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

/// The commands.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Run the router (the default)
    Run,
    /// Check static settings and dynamic configuration without starting anything
    Check {
        /// Files and directories of dynamic configuration; none means what the file provider names
        #[arg(value_name = "DYNAMIC")]
        files: Vec<PathBuf>,
    },
    /// Tell which router gets a request, and why
    Explain(ExplainArguments),
    /// Translate labels, tags and files of other routers, and tell what does not translate
    Migrate(MigrateArguments),
    /// Ask a running Mesh with the same settings whether it is alive
    Healthcheck,
    /// Print the version
    Version,
    /// Run a router, its API and two servers to play with; needs nothing else
    Demo(DemoArguments),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// What `mesh explain` wants to know.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct ExplainArguments {
    /// Method of the request
    pub(crate) method: String,
    /// URL of the request: http://example.com/path?query
    pub(crate) url: String,
    /// Files and directories of dynamic configuration; none means what the file provider names
    #[arg(value_name = "DYNAMIC")]
    pub(crate) files: Vec<PathBuf>,
    /// A header of the request, "Name: value" or Name=value; may be repeated
    #[arg(long = "header", value_name = "HEADER")]
    pub(crate) headers: Vec<String>,
    /// Address of the client
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub(crate) client: IpAddr,
    /// Name of the entrypoint; absent means the first default one
    #[arg(long = "entrypoint", value_name = "NAME")]
    pub(crate) entry_point: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Ask a running Mesh, by the URL of its API: http://127.0.0.1:8080
    #[arg(long, value_name = "URL")]
    pub(crate) api: Option<String>,
}

/// What `mesh migrate` reads and writes.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct MigrateArguments {
    /// Files with labels or tags, static and dynamic files; - is the standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Write the translation to this file; of several files, below this directory
    #[arg(long, value_name = "PATH")]
    pub(crate) write: Option<PathBuf>,
    /// Overwrite what is there
    #[arg(long, requires = "write")]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// What the labels begin with
    #[arg(long, value_name = "NAME", default_value = "traefik")]
    pub(crate) prefix: String,
}

/// Where `mesh demo` listens.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct DemoArguments {
    /// Port of the proxy
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// Port of the API
    #[arg(long = "api-port", value_name = "PORT", default_value_t = 8081)]
    pub(crate) api_port: u16,
    /// Show tokens, API keys, quotas and a cache in front of the servers
    #[arg(long)]
    pub(crate) gateway: bool,
}

/// A command line, understood.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// What to do.
    pub(crate) command: Command,
    /// Static options.
    pub(crate) flags: Flags,
}

/// Reads the arguments after the program's name. `Err` holds text that was asked for or that tells what is
/// wrong, and the exit code that goes with it.
pub(crate) fn parse(arguments: Vec<String>) -> Result<Invocation, (Exit, String)> {
    let hint = "Every static option is a flag, too: `mesh --help` lists them.";
    let mut clap = Cli::command()
        .after_long_help(settings::reference())
        .after_help(hint);
    for command in CONFIGURED {
        clap = clap.mut_subcommand(command, |command| command.after_help(hint));
    }
    clap.build();
    let own = own_flags(&clap, &arguments);
    let flags = settings::split(arguments, &Node::of::<Settings>(), &own)
        .map_err(|error| (Exit::Usage, format!("mesh: {error}")))?;
    let words = ["mesh".to_owned()].into_iter().chain(flags.rest.iter().cloned());
    let matches = clap.try_get_matches_from_mut(words).map_err(|error| {
        let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        (
            if asked { Exit::Clean } else { Exit::Usage },
            error.render().to_string(),
        )
    })?;
    let cli = <Cli as clap::FromArgMatches>::from_arg_matches(&matches)
        .map_err(|error| (Exit::Usage, error.render().to_string()))?;
    Ok(Invocation {
        command: cli.command.unwrap_or(Command::Run),
        flags,
    })
}

/// The script that completes `mesh` in `shell`.
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    let options = static_options();
    let mut clap = Cli::command().args(&options);
    for command in CONFIGURED {
        clap = clap.mut_subcommand(command, |command| command.args(&options));
    }
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut clap, "mesh", &mut script);
    match shell {
        Shell::Fish => for_fish(&String::from_utf8_lossy(&script)).into_bytes(),
        _ => script,
    }
}

/// fish's `argparse` takes no dots in names of options, and gives up at one that it does not know: it is told of those
/// without, and to pass over the others.
fn for_fish(script: &str) -> String {
    let lines = script.lines().map(|line| match line.trim_start() {
        specs if specs.starts_with("string join \\n ") => {
            let plain: Vec<_> = specs.split(' ').filter(|word| !word.contains('.')).collect();
            format!("    {}\n", plain.join(" "))
        }
        _ => line.replace("argparse -s ", "argparse -s -i ") + "\n",
    });
    lines.collect()
}

/// The static options as clap would have them; but for the names of the user's choice, which nobody can complete.
fn static_options() -> Vec<clap::Arg> {
    let config = clap::Arg::new("config")
        .long("config")
        .value_hint(ValueHint::FilePath)
        .help("The static file");
    let schema = Node::of::<Settings>();
    let options = schema.options().into_iter();
    let complete = options.filter(|(path, _)| !path.contains(['<', '[']));
    let arguments = complete.map(|(path, node)| {
        let argument = clap::Arg::new(path.clone()).help(settings::description(&path));
        let argument = argument.long(path);
        match node {
            Node::Switch | Node::Block(_) | Node::Again(_) => argument.action(ArgAction::SetTrue),
            Node::Choice(words) => argument.value_parser(words.to_vec()),
            Node::List(_) | Node::Map(_) | Node::Value | Node::Refused => argument,
        }
    });
    [config].into_iter().chain(arguments).collect()
}

/// The flags of the command that `arguments` begin with; it must come first.
fn own_flags(clap: &clap::Command, arguments: &[String]) -> OwnFlags {
    let named = arguments.first().and_then(|name| clap.find_subcommand(name));
    [Some(clap), named]
        .into_iter()
        .flatten()
        .flat_map(clap::Command::get_arguments)
        .flat_map(|argument| {
            let takes_value = argument.get_action().takes_values();
            let long = argument.get_long().map(str::to_owned);
            let short = argument.get_short().map(String::from);
            [long, short]
                .into_iter()
                .flatten()
                .map(move |name| (name, takes_value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invoke(words: &str) -> Result<Invocation, (Exit, String)> {
        parse(words.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn without_a_command_the_router_runs() {
        for words in ["", "run", "--log.level=debug", "run --log.level debug"] {
            assert_eq!(invoke(words).unwrap().command, Command::Run, "{words}");
        }
    }

    #[test]
    fn flags_of_a_command_win_over_options_of_the_same_name() {
        let invocation =
            invoke("explain GET http://a/ --api http://127.0.0.1:8080 --log.level=warn").unwrap();
        let Command::Explain(arguments) = invocation.command else {
            panic!("not explain")
        };
        assert_eq!(arguments.api.as_deref(), Some("http://127.0.0.1:8080"));
        assert_eq!(invocation.flags.pairs.len(), 1);
        assert_eq!(invoke("--api").unwrap().flags.pairs.len(), 1);
    }

    #[test]
    fn what_cannot_be_understood_is_a_usage_error() {
        for words in [
            "fly",
            "--loglevel=debug",
            "explain GET",
            "completions klingon",
            "run away",
        ] {
            assert_eq!(invoke(words).unwrap_err().0, Exit::Usage, "{words}");
        }
    }

    #[test]
    fn help_is_no_error() {
        for words in ["--help", "-h", "check --help", "--version"] {
            assert_eq!(invoke(words).unwrap_err().0, Exit::Clean, "{words}");
        }
    }
}

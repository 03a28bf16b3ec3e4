//! Tells a person at a terminal what is wrong.

use std::io::Write as _;

use mesh_config::Problem;

/// Writes `problems` to stderr, one a line with its way out below.
pub(crate) fn problems(level: &str, problems: &[Problem]) {
    line(
        &problems
            .iter()
            .map(|problem| entry(level, problem))
            .collect::<String>(),
    );
}

/// One problem: `error: mesh.yml:3: entryPoints.web.adress: unknown key`, and what to do about it.
pub(crate) fn entry(level: &str, problem: &Problem) -> String {
    let Problem {
        origin,
        key,
        message,
        help,
    } = problem;
    let key = if key.is_empty() {
        String::new()
    } else {
        format!("{key}: ")
    };
    let help = help
        .as_ref()
        .map_or_else(String::new, |help| format!("  help: {help}\n"));
    format!("{level}: {origin}: {key}{message}\n{help}")
}

/// Writes `text` to stderr. A closed stderr is nobody's problem.
pub(crate) fn line(text: &str) {
    let text = text.trim_end_matches('\n');
    if !text.is_empty() {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// Writes `text` to stdout. A reader that has gone away (`| head`) is no error.
pub(crate) fn output(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use mesh_config::Origin;

    use super::*;

    #[test]
    fn a_problem_says_where_which_key_what_and_what_to_do() {
        let problem =
            Problem::new(Origin::new("mesh.yml:3"), "a.b", "unknown key").with_help("did you mean c?");
        assert_eq!(
            entry("error", &problem),
            "error: mesh.yml:3: a.b: unknown key\n  help: did you mean c?\n"
        );
    }
}

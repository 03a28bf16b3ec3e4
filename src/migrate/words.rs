//! Variables and escaped dollars of files that something else fills in before Mesh reads their labels.

use std::path::Path;

/// What stands for a variable while a label is judged.
const WORD: &str = "variable-of-migrate-";

/// How a file writes a dollar that begins no variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Dialect {
    /// As it is.
    #[default]
    Plain,
    /// `$$`, and variables have no braces where they need none.
    Compose,
    /// `$${` before a brace.
    Hcl,
}

impl Dialect {
    /// The dialect of `file` with `text`.
    pub(super) fn of(file: &Path, text: &str) -> Self {
        let extension = file.extension().and_then(|extension| extension.to_str());
        let begins = |word: &str| text.lines().any(|line| line.starts_with(word));
        match extension.unwrap_or_default().to_ascii_lowercase().as_str() {
            "hcl" | "nomad" | "tf" | "tfvars" => Self::Hcl,
            "yml" | "yaml" if begins("services:") => Self::Compose,
            "" if begins("services:") => Self::Compose,
            "" if begins("job \"") || begins("resource \"") => Self::Hcl,
            _ => Self::Plain,
        }
    }
}

/// The variables of a file.
#[derive(Debug, Default)]
pub(super) struct Words {
    dialect: Dialect,
    variables: Vec<String>,
}

impl Words {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            variables: Vec::new(),
        }
    }

    /// `text` with a word in place of each variable, and its dollars as they are meant.
    pub(super) fn taken(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('$') {
            out.push_str(before);
            rest = behind;
            match (self.dialect, behind.chars().next()) {
                (Dialect::Compose, Some('$')) => {
                    out.push('$');
                    rest = behind.get(1..).unwrap_or_default();
                }
                (Dialect::Hcl, Some('$')) if behind.starts_with("${") => {
                    out.push_str("${");
                    rest = behind.get(2..).unwrap_or_default();
                }
                (_, Some('{')) => {
                    let inner = behind.get(1..).unwrap_or_default();
                    match closing(inner).and_then(|end| inner.split_at_checked(end)) {
                        Some((name, after)) => {
                            out.push_str(&self.word(format!("${{{name}}}")));
                            rest = after.get(1..).unwrap_or_default();
                        }
                        None => out.push('$'),
                    }
                }
                (Dialect::Compose, Some(c)) if c.is_ascii_alphabetic() || c == '_' => {
                    let end = behind.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                    let (name, after) = behind
                        .split_at_checked(end.unwrap_or(behind.len()))
                        .unwrap_or_default();
                    out.push_str(&self.word(format!("${name}")));
                    rest = after;
                }
                _ => out.push('$'),
            }
        }
        out.push_str(rest);
        out
    }

    /// The text of which `text` was taken.
    pub(super) fn given_back(&self, text: &str) -> String {
        let mut text = match self.dialect {
            Dialect::Plain => text.to_owned(),
            Dialect::Compose => text.replace('$', "$$"),
            Dialect::Hcl => text.replace("${", "$${"),
        };
        for (number, variable) in self.variables.iter().enumerate() {
            text = text.replace(&format!("{WORD}{number}x"), variable);
        }
        text
    }

    fn word(&mut self, variable: String) -> String {
        let known = self.variables.iter().position(|known| *known == variable);
        let number = known.unwrap_or_else(|| {
            self.variables.push(variable);
            self.variables.len() - 1
        });
        format!("{WORD}{number}x")
    }
}

/// Whether a variable was taken from `text`.
pub(super) fn has_variable(text: &str) -> bool {
    text.contains(WORD)
}

/// Whether `text` is one variable and nothing else.
pub(super) fn is_variable(text: &str) -> bool {
    let number = text.strip_prefix(WORD).and_then(|rest| rest.strip_suffix('x'));
    number.is_some_and(|number| number.chars().all(|c| c.is_ascii_digit()))
}

/// Where the brace that is open ends; patterns count with braces, too.
pub(super) fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_given_back() {
        for (dialect, text) in [
            (
                Dialect::Compose,
                "Host(`${A:-a.com}`) && Path(`/$B/x$$`) || ${A:-a.com}",
            ),
            (Dialect::Hcl, "Host(`${var.a}`) && Path(`/$${x}$`)"),
            (Dialect::Plain, "HostRegexp(`^${A}$`) ${"),
        ] {
            let mut words = Words::new(dialect);
            let taken = words.taken(text);
            assert!(has_variable(&taken), "{taken}");
            assert_eq!(words.given_back(&taken), text);
        }
    }

    #[test]
    fn a_dollar_that_compose_files_double_is_one() {
        let mut words = Words::new(Dialect::Compose);
        assert_eq!(words.taken("^a$$"), "^a$");
        assert_eq!(words.given_back("^a$"), "^a$$");
    }
}

//! Which instances of a provider count: a boolean expression over their labels or tags.

use std::fmt;

use crate::rule::{
    Expr, Pattern, RuleError,
    matcher::parsed,
    parser,
    quoted::Quoted,
    vocabulary::{Form, Vocabulary, Word},
};

/// A parsed constraint, such as ``Tag(`public`) && !TagRegex(`^v0`)``.
#[derive(Debug, Clone, PartialEq)]
pub struct Constraint {
    /// `None` lets everything pass.
    expr: Option<Expr<Condition>>,
}

/// One test of an instance.
#[derive(Debug, Clone, PartialEq)]
enum Condition {
    Label { key: String, value: String },
    LabelRegex { key: String, pattern: Pattern },
    Tag(String),
    TagRegex(Pattern),
}

impl Constraint {
    /// Reads a constraint; regular expressions are compiled here, once. A blank text lets everything pass.
    ///
    /// # Errors
    /// A constraint that cannot be read must not be taken for one that lets everything pass: the provider
    /// should not start with it.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        if text.trim().is_empty() {
            return Ok(Self { expr: None });
        }
        let expr = parser::parse(text, |call| CONDITIONS.read(call))?;
        Ok(Self { expr: Some(expr) })
    }

    /// True if an instance with these labels and tags passes. A label that is missing counts as empty.
    pub fn matches<'a>(&self, labels: &impl Fn(&str) -> Option<&'a str>, tags: &[String]) -> bool {
        let Some(expr) = &self.expr else { return true };
        let label = |key: &str| labels(key).unwrap_or_default();
        expr.holds(&|condition: &Condition| match condition {
            Condition::Label { key, value } => label(key) == value,
            Condition::LabelRegex { key, pattern } => pattern.is_match(label(key)),
            Condition::Tag(value) => tags.contains(value),
            Condition::TagRegex(pattern) => tags.iter().any(|tag| pattern.is_match(tag)),
        })
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.expr {
            Some(expr) => write!(f, "{expr}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label { key, value } => write!(f, "Label({}, {})", Quoted(key), Quoted(value)),
            Self::LabelRegex { key, pattern } => {
                write!(f, "LabelRegex({}, {})", Quoted(key), Quoted(pattern.text()))
            }
            Self::Tag(value) => write!(f, "Tag({})", Quoted(value)),
            Self::TagRegex(pattern) => write!(f, "TagRegex({})", Quoted(pattern.text())),
        }
    }
}

const CONDITIONS: Vocabulary<Condition> = Vocabulary {
    words: &[
        Word {
            name: "Label",
            usage: "`key`, `value`",
            form: Form::Two(|key, value| {
                Ok(Condition::Label {
                    key: key.filled()?,
                    value: value.any(),
                })
            }),
        },
        Word {
            name: "LabelRegex",
            usage: "`key`, `^value`",
            form: Form::Two(|key, value| {
                Ok(Condition::LabelRegex {
                    key: key.filled()?,
                    pattern: parsed(value)?,
                })
            }),
        },
        Word {
            name: "Tag",
            usage: "`tag`",
            form: Form::One(|tag| tag.filled().map(Condition::Tag)),
        },
        Word {
            name: "TagRegex",
            usage: "`^tag`",
            form: Form::One(|tag| parsed(tag).map(Condition::TagRegex)),
        },
    ],
    elsewhere: &[],
};

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(constraint: &str) -> bool {
        let constraint = Constraint::parse(constraint).unwrap_or_else(|error| panic!("{error}"));
        let labels = |key: &str| (key == "env").then_some("production");
        constraint.matches(&labels, &["public".to_owned(), "v1.2".to_owned()])
    }

    #[test]
    fn labels_are_compared_whole_or_searched() {
        assert!(passes("Label(`env`, `production`)"));
        assert!(!passes("Label(`env`, `prod`)"));
        assert!(passes("LabelRegex(`env`, `prod`)"));
        assert!(!passes("LabelRegex(`env`, `^prod$`)"));
    }

    #[test]
    fn a_missing_label_counts_as_empty() {
        assert!(passes("Label(`team`, ``)"));
        assert!(!passes("Label(`env`, ``)"));
        assert!(passes("LabelRegex(`team`, `^$`)"));
    }

    #[test]
    fn one_tag_of_several_is_enough() {
        assert!(passes("Tag(`public`) && TagRegex(`^v1\\.`)"));
        assert!(!passes("Tag(`v1`)"));
        assert!(passes("!(Tag(\"private\") || TagRegex(`^v2`))"));
    }

    #[test]
    fn an_empty_constraint_lets_everything_pass() {
        assert!(passes("") && passes(" \n"));
    }

    #[test]
    fn what_cannot_be_read_is_refused_at_once() {
        for (text, message) in [
            ("Tag(`a`", "never closed"),
            ("TagRegex(`(`)", "unclosed group"),
            ("Label(`a`)", "takes 2 arguments"),
            ("Label(``, `a`)", "empty argument"),
            ("Tag(``)", "empty argument"),
            ("Tags(`a`)", "did you mean Tag?"),
            ("Host(`a`)", "unknown matcher \"Host\""),
        ] {
            let error = Constraint::parse(text).expect_err(&format!("{text} was taken"));
            assert!(error.message.contains(message), "{error}");
        }
    }

    #[test]
    fn a_constraint_is_shown_in_canonical_form() {
        let constraint = Constraint::parse("tag(\"a\")||LABEL(`k`,``)&&!labelregex(`k`,`v`)").unwrap();
        assert_eq!(
            constraint.to_string(),
            "Tag(`a`) || (Label(`k`, ``) && !LabelRegex(`k`, `v`))"
        );
    }
}

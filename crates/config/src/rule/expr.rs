//! The tree of an expression.

use std::fmt;

use super::Matcher;

/// The tree of a rule, or with other leaves that of another boolean expression.
///
/// Trees that come from a parser are flat: no `And` directly in an `And`, no `Or` in an `Or`, no `Not` in a
/// `Not`; [`and`](Self::and), [`or`](Self::or) and [`negated`](Self::negated) keep it so. The text that
/// `Display` writes of such a tree parses back to an equal one.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr<L = Matcher> {
    /// All of them match; at least two.
    And(Vec<Self>),
    /// One of them matches; at least two.
    Or(Vec<Self>),
    /// It does not match.
    Not(Box<Self>),
    /// One matcher.
    Match(L),
}

impl<L> Expr<L> {
    /// Both match.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut all = match self {
            Self::And(all) => all,
            one => vec![one],
        };
        match other {
            Self::And(others) => all.extend(others),
            one => all.push(one),
        }
        Self::And(all)
    }

    /// One or both match.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let mut any = match self {
            Self::Or(any) => any,
            one => vec![one],
        };
        match other {
            Self::Or(others) => any.extend(others),
            one => any.push(one),
        }
        Self::Or(any)
    }

    /// It does not match; twice is as before.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// True if the tree is, given what `test` says of its leaves; left to right, none more than needed.
    pub fn holds(&self, test: &impl Fn(&L) -> bool) -> bool {
        match self {
            Self::And(all) => all.iter().all(|expr| expr.holds(test)),
            Self::Or(any) => any.iter().any(|expr| expr.holds(test)),
            Self::Not(expr) => !expr.holds(test),
            Self::Match(leaf) => test(leaf),
        }
    }

    /// Every leaf, in the order of the text.
    pub fn leaves(&self) -> Vec<&L> {
        match self {
            Self::And(many) | Self::Or(many) => many.iter().flat_map(Self::leaves).collect(),
            Self::Not(expr) => expr.leaves(),
            Self::Match(leaf) => vec![leaf],
        }
    }

    fn is_leaf(&self) -> bool {
        matches!(self, Self::Match(_))
    }
}

impl<L: fmt::Display> fmt::Display for Expr<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(many) => join(many, " && ", f),
            Self::Or(many) => join(many, " || ", f),
            Self::Not(expr) if expr.is_leaf() => write!(f, "!{expr}"),
            Self::Not(expr) => write!(f, "!({expr})"),
            Self::Match(leaf) => write!(f, "{leaf}"),
        }
    }
}

/// Groups within groups stand in parentheses even where precedence would do: nobody has to know it by heart.
fn join<L: fmt::Display>(many: &[Expr<L>], operator: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (position, expr) in many.iter().enumerate() {
        if position > 0 {
            f.write_str(operator)?;
        }
        match expr {
            Expr::And(_) | Expr::Or(_) => write!(f, "({expr})")?,
            Expr::Not(_) | Expr::Match(_) => write!(f, "{expr}")?,
        }
    }
    Ok(())
}

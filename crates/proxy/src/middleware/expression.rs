//! Conditions that options state in words: `NetworkErrorRatio() > 0.30 && RequestThreshold() >= 10`.
//!
//! A condition compares what functions say with literals, combined by `!`, `&&`, `||` (in that order of strength) and
//! parentheses. Each option has functions of its own. Types are strict: nothing is converted.

use std::{cmp::Ordering, fmt};

/// Longest condition, in bytes.
const MAX_LENGTH: usize = 4096;

/// Deepest nesting of parentheses and negations.
const MAX_DEPTH: usize = 32;

/// The functions of one option.
pub(super) trait Function: Sized {
    /// The function `name` of these arguments.
    ///
    /// # Errors
    /// When there is none, with those that there are, or it has other arguments.
    fn new(name: &str, arguments: &[Literal]) -> Result<Self, String>;

    /// What it says.
    fn kind(&self) -> Kind;
}

/// Kinds of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Float,
    Text,
    Truth,
}

/// A value as written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Integer(i64),
    Float(f64),
    Text(String),
}

/// A value as a function says it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'v> {
    Integer(i64),
    Float(f64),
    Text(&'v str),
    Truth(bool),
}

/// A condition over functions of the kind `F`.
#[derive(Debug)]
pub(super) enum Expression<F> {
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    /// What it says is compared with a literal of the same kind.
    Compare(F, Comparison, Literal),
    /// It says whether it is true itself.
    Is(F),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Why a text is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (at character {at})")]
pub(super) struct ExpressionError {
    at: usize,
    reason: String,
}

impl<F: Function> Expression<F> {
    /// Reads a condition.
    pub(super) fn parse(text: &str) -> Result<Self, ExpressionError> {
        if text.len() > MAX_LENGTH {
            let reason = format!("it is longer than {MAX_LENGTH} bytes");
            return Err(ExpressionError { at: 1, reason });
        }
        let mut parser = Parser {
            text,
            at: 0,
            depth: 0,
        };
        let expression = parser.any()?;
        match parser.peek() {
            None => Ok(expression),
            Some(found) => Err(parser.error(format!("{found:?} is left over: write && or || before it"))),
        }
    }
}

impl<F> Expression<F> {
    /// True if what `says` tells of each function makes it true.
    pub(super) fn holds<'v>(&self, says: &impl Fn(&F) -> Value<'v>) -> bool {
        match self {
            Self::Not(inner) => !inner.holds(says),
            Self::All(parts) => parts.iter().all(|part| part.holds(says)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(says)),
            Self::Is(function) => matches!(says(function), Value::Truth(true)),
            Self::Compare(function, comparison, literal) => {
                let order = match (says(function), literal) {
                    (Value::Integer(value), Literal::Integer(literal)) => Some(value.cmp(literal)),
                    (Value::Float(value), Literal::Float(literal)) => value.partial_cmp(literal),
                    (Value::Text(value), Literal::Text(literal)) => Some(value.cmp(literal)),
                    (_, _) => None,
                };
                order.is_some_and(|order| comparison.holds(order))
            }
        }
    }
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl Literal {
    fn kind(&self) -> Kind {
        match self {
            Self::Integer(_) => Kind::Integer,
            Self::Float(_) => Kind::Float,
            Self::Text(_) => Kind::Text,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integer => "an integer such as 10",
            Self::Float => "a number with a point such as 0.5",
            Self::Text => "a text such as \"GET\"",
            Self::Truth => "true or false",
        })
    }
}

/// Reads from the left to the right.
struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn any<F: Function>(&mut self) -> Result<Expression<F>, ExpressionError> {
        let mut parts = vec![self.all()?];
        while self.takes("||") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    fn all<F: Function>(&mut self) -> Result<Expression<F>, ExpressionError> {
        let mut parts = vec![self.unary()?];
        while self.takes("&&") {
            parts.push(self.unary()?);
        }
        Ok(one_or(parts, Expression::All))
    }

    fn unary<F: Function>(&mut self) -> Result<Expression<F>, ExpressionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("it is nested more than {MAX_DEPTH} deep")));
        }
        let expression = if self.takes("!") {
            Expression::Not(Box::new(self.unary()?))
        } else if self.takes("(") {
            let inner = self.any()?;
            self.expect(")")?;
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn comparison<F: Function>(&mut self) -> Result<Expression<F>, ExpressionError> {
        self.blanks();
        let start = self.at;
        let function: F = self.function()?;
        let Some(comparison) = self.comparator() else {
            return match function.kind() {
                Kind::Truth => Ok(Expression::Is(function)),
                kind => Err(self.error(format!("compare it with {kind}: write > 1, say, behind it"))),
            };
        };
        let literal = self.literal()?;
        if literal.kind() != function.kind() {
            let reason = match function.kind() {
                Kind::Truth => "it is true or false by itself: nothing is compared with it".to_owned(),
                kind => format!("it can be compared with {kind} only"),
            };
            return Err(ExpressionError {
                at: self.place(start),
                reason,
            });
        }
        Ok(Expression::Compare(function, comparison, literal))
    }

    fn function<F: Function>(&mut self) -> Result<F, ExpressionError> {
        self.blanks();
        let start = self.at;
        let name = self.while_true(|c| c.is_ascii_alphanumeric() || c == '_');
        if name.is_empty() {
            return Err(self.error("a function such as ResponseCode() is missing".to_owned()));
        }
        self.expect("(")?;
        let mut arguments = Vec::new();
        if !self.takes(")") {
            loop {
                arguments.push(self.literal()?);
                if !self.takes(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        F::new(name, &arguments).map_err(|reason| ExpressionError {
            at: self.place(start),
            reason,
        })
    }

    fn comparator(&mut self) -> Option<Comparison> {
        // Longer ones first: `<` begins `<=`.
        let known = [
            ("==", Comparison::Equal),
            ("!=", Comparison::Unequal),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let found = known.into_iter().find(|(text, _)| self.takes(text));
        found.map(|(_, comparison)| comparison)
    }

    fn literal(&mut self) -> Result<Literal, ExpressionError> {
        self.blanks();
        let start = self.at;
        if self.takes("\"") {
            let text = self.while_true(|c| c != '"').to_owned();
            self.expect("\"")?;
            return Ok(Literal::Text(text));
        }
        let number = self.while_true(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
        let literal = match number.contains('.') {
            true => number.parse().ok().map(Literal::Float),
            false => number.parse().ok().map(Literal::Integer),
        };
        literal.ok_or_else(|| ExpressionError {
            at: self.place(start),
            reason: "a number or a text in double quotes is missing".to_owned(),
        })
    }

    fn expect(&mut self, wanted: &str) -> Result<(), ExpressionError> {
        match self.takes(wanted) {
            true => Ok(()),
            false => Err(self.error(format!("{wanted} is missing"))),
        }
    }

    /// Takes `wanted` if it comes next.
    fn takes(&mut self, wanted: &str) -> bool {
        self.blanks();
        let comes = self.rest().starts_with(wanted);
        self.at += if comes { wanted.len() } else { 0 };
        comes
    }

    fn peek(&mut self) -> Option<char> {
        self.blanks();
        self.rest().chars().next()
    }

    fn blanks(&mut self) {
        self.while_true(char::is_whitespace);
    }

    fn while_true(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, reason: String) -> ExpressionError {
        ExpressionError {
            at: self.place(self.at),
            reason,
        }
    }

    /// The place of a byte as people count.
    fn place(&self, at: usize) -> usize {
        1 + self.text.get(..at).unwrap_or_default().chars().count()
    }
}

fn one_or<F>(mut parts: Vec<Expression<F>>, many: fn(Vec<Expression<F>>) -> Expression<F>) -> Expression<F> {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            many(parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    enum Says {
        Count,
        Share(f64),
        Name,
        Ready,
    }

    impl Function for Says {
        fn new(name: &str, arguments: &[Literal]) -> Result<Self, String> {
            match (name, arguments) {
                ("Count", []) => Ok(Self::Count),
                ("Share", [Literal::Float(of)]) => Ok(Self::Share(*of)),
                ("Name", []) => Ok(Self::Name),
                ("Ready", []) => Ok(Self::Ready),
                _ => Err(format!("{name} is unknown")),
            }
        }

        fn kind(&self) -> Kind {
            match self {
                Self::Count => Kind::Integer,
                Self::Share(_) => Kind::Float,
                Self::Name => Kind::Text,
                Self::Ready => Kind::Truth,
            }
        }
    }

    fn holds(text: &str) -> bool {
        let expression = Expression::<Says>::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        expression.holds(&|says| match says {
            Says::Count => Value::Integer(3),
            Says::Share(of) => Value::Float(of / 2.0),
            Says::Name => Value::Text("GET"),
            Says::Ready => Value::Truth(true),
        })
    }

    #[test]
    fn what_functions_say_is_compared_and_combined() {
        for text in [
            "Count() == 3",
            "Count()>=3&&Count()<=3",
            "Count() > 2 && (Count() < 2 || Count() != 4)",
            "Share(1.0) > 0.4 && Share(0.5) < 0.3",
            "Name() == \"GET\"",
            "Ready() && !(Name() == \"POST\")",
            "Count() < 0 || Count() > 9 || Ready()",
            "Count() > -1",
        ] {
            assert!(holds(text), "{text}");
            assert!(!holds(&format!("!({text})")), "not {text}");
        }
        // The stronger one first.
        assert!(holds("Ready() || Ready() && Count() == 0"));
    }

    #[test]
    fn errors_say_where_and_what_is_missing() {
        for (text, at, reason) in [
            ("", 1, "a function"),
            ("Count()", 8, "compare it with an integer"),
            ("Count() > 0.5", 1, "with an integer such as 10 only"),
            ("Share(1.0) > 1", 1, "with a point"),
            ("Share(1) > 1.0", 1, "Share is unknown"),
            ("Ready() == 1", 1, "true or false by itself"),
            ("Count() > 1 Ready()", 13, "left over"),
            ("(Count() > 1", 13, ") is missing"),
            ("Count() > ", 11, "a number or a text"),
            ("é() > 1", 1, "a function"),
            ("Name() == \"GET", 15, "\" is missing"),
        ] {
            let error = Expression::<Says>::parse(text).unwrap_err();
            assert_eq!(error.at, at, "{text}: {error}");
            assert!(error.reason.contains(reason), "{text}: {error}");
        }
        for deep in ["(".repeat(100_000), "!".repeat(3000), "(".repeat(40)] {
            assert!(Expression::<Says>::parse(&deep).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_much(text in "[()!&|<>=\"., a-zA-Z0-9é-]{0,60}") {
            let _either_is_fine = Expression::<Says>::parse(&text);
        }
    }
}

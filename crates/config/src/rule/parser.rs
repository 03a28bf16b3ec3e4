//! The grammar of boolean expressions over calls: `!` binds tightest, then `&&`, then `||`.
//!
//! What the calls mean is no concern of this file: a [vocabulary](super::vocabulary) turns each into a leaf.

use super::{
    Expr,
    error::{Fault, RuleError},
    lexer::{Lexeme, Lexer, Token},
};

/// Longest text of an expression, in bytes.
pub const MAX_LENGTH: usize = 64 * 1024;

/// Deepest nesting of parentheses.
pub const MAX_DEPTH: usize = 100;

/// A name with its arguments in parentheses.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) name: &'a str,
    pub(crate) at: usize,
    pub(crate) arguments: Vec<Argument>,
}

/// One argument of a call.
#[derive(Debug)]
pub(crate) struct Argument {
    value: String,
    pub(crate) at: usize,
}

impl Argument {
    pub(crate) fn new(value: impl Into<String>, at: usize) -> Self {
        Self {
            value: value.into(),
            at,
        }
    }

    /// The text; an empty one is a fault.
    pub(crate) fn filled(self) -> Result<String, Fault> {
        if self.value.is_empty() {
            return Err(Fault::new(self.at, "an empty argument matches nothing useful"));
        }
        Ok(self.value)
    }

    /// The text, even an empty one.
    pub(crate) fn any(self) -> String {
        self.value
    }
}

/// Parses `text`; `leaf` gives each call its meaning, in the order of the text.
pub(crate) fn parse<L>(
    text: &str,
    leaf: impl FnMut(Call<'_>) -> Result<L, Fault>,
) -> Result<Expr<L>, RuleError> {
    parse_faulty(text, leaf).map_err(|fault| fault.within(text))
}

fn parse_faulty<L>(text: &str, leaf: impl FnMut(Call<'_>) -> Result<L, Fault>) -> Result<Expr<L>, Fault> {
    if text.len() > MAX_LENGTH {
        let message = format!("longer than {MAX_LENGTH} bytes: cut it in several");
        return Err(Fault::new(0, message));
    }
    if text.trim().is_empty() {
        return Err(Fault::new(0, "empty: write a call like Name(`text`)"));
    }
    let mut lexer = Lexer::new(text);
    let ahead = lexer.next()?;
    let mut parser = Parser {
        lexer,
        ahead,
        leaf,
        depth: 0,
    };
    let expr = parser.disjunction()?;
    match parser.ahead.token {
        Token::End => Ok(expr),
        _ => Err(parser.ahead.unexpected("&& or || or the end")),
    }
}

struct Parser<'a, F> {
    lexer: Lexer<'a>,
    ahead: Lexeme<'a>,
    leaf: F,
    depth: usize,
}

impl<'a, L, F: FnMut(Call<'_>) -> Result<L, Fault>> Parser<'a, F> {
    fn disjunction(&mut self) -> Result<Expr<L>, Fault> {
        let mut any = self.conjunction()?;
        while self.take(&Token::Or)? {
            any = any.or(self.conjunction()?);
        }
        Ok(any)
    }

    fn conjunction(&mut self) -> Result<Expr<L>, Fault> {
        let mut all = self.negation()?;
        while self.take(&Token::And)? {
            all = all.and(self.negation()?);
        }
        Ok(all)
    }

    fn negation(&mut self) -> Result<Expr<L>, Fault> {
        let mut negated = false;
        while self.take(&Token::Not)? {
            negated = !negated;
        }
        let expr = self.primary()?;
        Ok(if negated { expr.negated() } else { expr })
    }

    fn primary(&mut self) -> Result<Expr<L>, Fault> {
        let Lexeme { token, at } = self.advance()?;
        match token {
            Token::Name(name) => {
                let arguments = self.arguments(name)?;
                (self.leaf)(Call { name, at, arguments }).map(Expr::Match)
            }
            Token::Open if self.depth == MAX_DEPTH => {
                let message = format!("more than {MAX_DEPTH} parentheses within each other");
                Err(Fault::new(at, message))
            }
            Token::Open => {
                self.depth += 1;
                let expr = self.disjunction()?;
                self.depth -= 1;
                if self.take(&Token::Close)? {
                    return Ok(expr);
                }
                Err(match &self.ahead.token {
                    Token::End => Fault::new(at, "this parenthesis is never closed"),
                    _ => self.ahead.unexpected("&& or || or \")\""),
                })
            }
            token => Err(Lexeme { token, at }.unexpected("a call like Name(`text`)")),
        }
    }

    fn arguments(&mut self, name: &str) -> Result<Vec<Argument>, Fault> {
        let open = self.ahead.at;
        if !self.take(&Token::Open)? {
            return Err(Fault::of(open, "expected \"(\" after ", name, ""));
        }
        let mut arguments = Vec::new();
        if self.take(&Token::Close)? {
            return Ok(arguments);
        }
        loop {
            let Lexeme { token, at } = self.advance()?;
            match token {
                Token::Text(value) => arguments.push(Argument::new(value, at)),
                Token::End => return Err(Fault::new(open, "this parenthesis is never closed")),
                token => return Err(Lexeme { token, at }.unexpected("a text like `text`")),
            }
            let Lexeme { token, at } = self.advance()?;
            match token {
                Token::Comma => {}
                Token::Close => return Ok(arguments),
                Token::End => return Err(Fault::new(open, "this parenthesis is never closed")),
                token => return Err(Lexeme { token, at }.unexpected("\",\" or \")\"")),
            }
        }
    }

    fn advance(&mut self) -> Result<Lexeme<'a>, Fault> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.ahead, next))
    }

    /// True, and one token further, if `token` comes next.
    fn take(&mut self, token: &Token<'_>) -> Result<bool, Fault> {
        let found = self.ahead.token == *token;
        if found {
            self.advance()?;
        }
        Ok(found)
    }
}

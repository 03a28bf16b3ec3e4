//! Cuts an expression into tokens: names, quoted texts, operators.

use super::error::Fault;

/// One token and the byte it starts at.
#[derive(Debug)]
pub(crate) struct Lexeme<'a> {
    pub(crate) token: Token<'a>,
    pub(crate) at: usize,
}

/// The words of an expression.
#[derive(Debug, PartialEq)]
pub(crate) enum Token<'a> {
    Name(&'a str),
    Text(String),
    Open,
    Close,
    Comma,
    Not,
    And,
    Or,
    End,
}

impl Lexeme<'_> {
    /// The fault that this stands where `expected` should.
    pub(crate) fn unexpected(&self, expected: &str) -> Fault {
        match self.token {
            Token::Name(name) => Fault::of(self.at, &format!("expected {expected}, found "), name, ""),
            ref token => Fault::new(
                self.at,
                format!("expected {expected}, found {}", token.describe()),
            ),
        }
    }
}

impl Token<'_> {
    /// How an error message calls it.
    fn describe(&self) -> &'static str {
        match self {
            Self::Name(_) => "a name",
            Self::Text(_) => "a text",
            Self::Open => "\"(\"",
            Self::Close => "\")\"",
            Self::Comma => "\",\"",
            Self::Not => "\"!\"",
            Self::And => "\"&&\"",
            Self::Or => "\"||\"",
            Self::End => "the end",
        }
    }
}

/// The tokens of a text, one after the other. Any white space may stand between them.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, rest: text }
    }

    /// The next token; [`Token::End`] again and again once the text is used up.
    pub(crate) fn next(&mut self) -> Result<Lexeme<'a>, Fault> {
        self.rest = self.rest.trim_start();
        let at = self.text.len() - self.rest.len();
        let token = match self.rest.chars().next() {
            None => Token::End,
            Some('(') => self.symbol("(", Token::Open, at)?,
            Some(')') => self.symbol(")", Token::Close, at)?,
            Some(',') => self.symbol(",", Token::Comma, at)?,
            Some('!') => self.symbol("!", Token::Not, at)?,
            Some('&') => self.symbol("&&", Token::And, at)?,
            Some('|') => self.symbol("||", Token::Or, at)?,
            Some('`') => self.raw(at)?,
            Some('"') => self.quoted(at)?,
            Some('\'') => {
                let hint = "single quotes do not quote here: write `text` or \"text\"";
                return Err(Fault::new(at, hint));
            }
            Some(c) if c.is_alphabetic() || c == '_' => self.name(),
            Some(c) => return Err(Fault::new(at, format!("unexpected character {c:?}"))),
        };
        Ok(Lexeme { token, at })
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a str {
        self.rest
    }

    fn symbol(&mut self, symbol: &str, token: Token<'a>, at: usize) -> Result<Token<'a>, Fault> {
        self.rest = self.rest.strip_prefix(symbol).ok_or_else(|| {
            let single = symbol.get(..1).unwrap_or(symbol);
            Fault::new(at, format!("{single:?} alone is no operator: write {symbol:?}"))
        })?;
        Ok(token)
    }

    fn name(&mut self) -> Token<'a> {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        Token::Name(name)
    }

    /// Between backticks everything stands for itself.
    fn raw(&mut self, at: usize) -> Result<Token<'a>, Fault> {
        let inner = self.rest.strip_prefix('`').unwrap_or(self.rest);
        let (text, rest) = inner
            .split_once('`')
            .ok_or_else(|| Fault::new(at, "this text has no closing backtick"))?;
        self.rest = rest;
        Ok(Token::Text(text.to_owned()))
    }

    /// Between double quotes the escapes of Go are read.
    fn quoted(&mut self, at: usize) -> Result<Token<'a>, Fault> {
        let mut chars = self.rest.chars();
        chars.next();
        let mut bytes = Vec::new();
        loop {
            let here = self.text.len() - chars.as_str().len();
            match chars.next() {
                None | Some('\n') => return Err(Fault::new(at, "this text has no closing double quote")),
                Some('"') => break,
                Some('\\') => escape(&mut chars, &mut bytes)
                    .ok_or_else(|| Fault::new(here, "not an escape: \\\\ is a backslash, \\\" a quote"))?,
                Some(c) => push(c, &mut bytes),
            }
        }
        self.rest = chars.as_str();
        let text = String::from_utf8(bytes);
        Ok(Token::Text(text.map_err(|_| {
            Fault::new(at, "the escapes of this text do not make valid UTF-8")
        })?))
    }
}

fn push(c: char, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// What follows a backslash; `None` when Go knows no such escape.
fn escape(chars: &mut std::str::Chars<'_>, bytes: &mut Vec<u8>) -> Option<()> {
    let code_point = |digits: Option<u32>| digits.and_then(char::from_u32);
    match chars.next()? {
        'a' => bytes.push(0x07),
        'b' => bytes.push(0x08),
        'f' => bytes.push(0x0c),
        'n' => bytes.push(b'\n'),
        'r' => bytes.push(b'\r'),
        't' => bytes.push(b'\t'),
        'v' => bytes.push(0x0b),
        '\\' => bytes.push(b'\\'),
        '"' => bytes.push(b'"'),
        'x' => bytes.push(u8::try_from(number(chars, 0, 2, 16)?).ok()?),
        'u' => push(code_point(number(chars, 0, 4, 16))?, bytes),
        'U' => push(code_point(number(chars, 0, 8, 16))?, bytes),
        first => bytes.push(u8::try_from(number(chars, first.to_digit(8)?, 2, 8)?).ok()?),
    }
    Some(())
}

/// `digits` more digits behind those already in `value`.
fn number(chars: &mut std::str::Chars<'_>, value: u32, digits: usize, radix: u32) -> Option<u32> {
    (0..digits).try_fold(value, |value, _| {
        value
            .checked_mul(radix)?
            .checked_add(chars.next()?.to_digit(radix)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Result<Token<'_>, Fault> {
        Lexer::new(text).next().map(|lexeme| lexeme.token)
    }

    #[test]
    fn escapes_of_go_are_read_between_double_quotes() {
        let text = r#""\a\b\f\n\r\t\v\\\"\101\x41\u00e9\U0001F600""#;
        let expected = "\u{7}\u{8}\u{c}\n\r\t\u{b}\\\"AA\u{e9}\u{1F600}";
        assert_eq!(only(text).unwrap(), Token::Text(expected.to_owned()));
    }

    #[test]
    fn bytes_given_one_by_one_make_a_character() {
        assert_eq!(only(r#""\xc3\xa9""#).unwrap(), Token::Text("é".to_owned()));
        assert!(only(r#""\xc3""#).is_err());
    }

    #[test]
    fn a_raw_text_holds_backslashes_and_line_breaks() {
        assert_eq!(only("`a\\d\n\"b`").unwrap(), Token::Text("a\\d\n\"b".to_owned()));
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in [
            r#""\q""#,
            r#""\400""#,
            r#""\x4""#,
            r#""\ud800""#,
            "\"a\nb\"",
            "\"a",
            "`a",
        ] {
            assert!(only(text).is_err(), "{text} was taken");
        }
    }
}

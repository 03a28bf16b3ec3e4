//! The calls in a rule, found in any text.

use std::ops::Range;

use super::is_secret_name;
use crate::rule::lexer::{Lexer, Token};

/// Matchers that compare nothing which has a name of its own, and so no secret.
const UNKEYED: [&str; 15] = [
    "alpn",
    "clientip",
    "host",
    "hostre",
    "hostregexp",
    "hostsni",
    "hostsnire",
    "hostsniregexp",
    "method",
    "path",
    "pathprefix",
    "pathre",
    "pathregexp",
    "tag",
    "tagregex",
];

/// What a look at a text found.
#[derive(Debug)]
pub(super) struct Scan {
    /// Secrets in whole calls, as bytes of the text.
    pub(super) secret: Vec<Range<usize>>,
    /// There are calls and operators between them, nothing else, and no text in them looks like a call: then
    /// it is certain which quotes open and which close.
    pub(super) is_whole: bool,
}

/// Looks for calls in `text`: ``Header(`Authorization`, `…`)``.
pub(super) fn scan(text: &str) -> Scan {
    let mut found = Scan {
        secret: Vec::new(),
        is_whole: true,
    };
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let length = if !(first.is_alphabetic() || first == '_') {
            found.is_whole &= first.is_whitespace() || "()!&|".contains(first);
            first.len_utf8()
        } else if let Some(call) = call(rest) {
            found.is_whole &= call.is_whole;
            let secret = call.secret.into_iter();
            found
                .secret
                .extend(secret.map(|part| at + part.start..at + part.end));
            call.length
        } else {
            found.is_whole = false;
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            end.unwrap_or(rest.len())
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    found
}

/// True if what `matcher` compares may be a secret; also if nobody knows it.
pub(super) fn is_keyed(matcher: &str) -> bool {
    !UNKEYED.contains(&matcher.to_ascii_lowercase().as_str())
}

/// True for a character of a header's or a parameter's name.
pub(super) fn is_in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

struct Call {
    length: usize,
    secret: Vec<Range<usize>>,
    is_whole: bool,
}

/// The call at the start of `text`, if all of one stands there. Commas may be missing.
fn call(text: &str) -> Option<Call> {
    let mut lexer = Lexer::new(text);
    let Token::Name(matcher) = lexer.next().ok()?.token else {
        return None;
    };
    (lexer.next().ok()?.token == Token::Open).then_some(())?;
    let mut secret = Vec::new();
    let mut is_named = false;
    let mut is_whole = !is_secret_name(matcher);
    loop {
        let lexeme = lexer.next().ok()?;
        let end = text.len() - lexer.rest().len();
        match lexeme.token {
            Token::Text(_) if is_named => secret.push(lexeme.at..end),
            Token::Text(value) if is_secret_name(&value) => {
                is_named = true;
                // `Authorization: …` in one text, or another call in it where a quote is amiss.
                let is_more = is_keyed(matcher) && !value.chars().all(is_in_name);
                if is_more || value.contains(['`', '"']) {
                    is_whole = false;
                    secret.push(lexeme.at..end);
                }
            }
            Token::Text(_) | Token::Comma => {}
            Token::Close => {
                return Some(Call {
                    length: end,
                    secret,
                    is_whole,
                });
            }
            _ => return None,
        }
    }
}

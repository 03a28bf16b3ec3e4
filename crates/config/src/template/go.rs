//! Translates default rules written for Go's templates to the same in minijinja's words.
//!
//! Only what default rules use: fields, pipelines, the functions listed below, `if` and comments. A function
//! takes its subject last in Go and a filter takes it first, so each function carries its own translation.

use crate::rule::{
    MAX_DEPTH,
    lexer::{Lexeme, Lexer, Token as RuleToken},
};

/// Name, number of arguments, and the minijinja expression; `$1` is the first argument.
const FUNCTIONS: &[(&str, usize, &str)] = &[
    ("normalize", 1, "$1|normalize"),
    ("lower", 1, "$1|lower"),
    ("upper", 1, "$1|upper"),
    ("title", 1, "$1|title"),
    ("trim", 1, "$1|trim"),
    ("trimPrefix", 2, "$2|trim_prefix($1)"),
    ("trimSuffix", 2, "$2|trim_suffix($1)"),
    ("trimAll", 2, "$2|trim($1)"),
    ("trunc", 2, "$2|trunc($1)"),
    ("replace", 3, "$3|replace($1,$2)"),
    ("regexReplaceAll", 3, "$2|regex_replace($1,$3)"),
    ("split", 2, "$2|split($1)|numbered"),
    ("splitList", 2, "$2|split($1)"),
    ("join", 2, "$2|join($1)"),
    ("first", 1, "$1|first"),
    ("last", 1, "$1|last"),
    ("default", 2, "$2|default($1,true)"),
    ("index", 2, "$1[$2]|default('')"),
    ("contains", 2, "$2|contains($1)"),
    ("hasPrefix", 2, "$2|has_prefix($1)"),
    ("hasSuffix", 2, "$2|has_suffix($1)"),
    ("sha256sum", 1, "$1|hash"),
    ("eq", 2, "$1==$2"),
    ("ne", 2, "$1!=$2"),
    ("and", 2, "$1 and $2"),
    ("or", 2, "$1 or $2"),
    ("not", 1, "not $1"),
];

/// `text` for minijinja; as it is, unless one of its actions is Go's.
pub(super) fn translate(text: &str) -> Result<String, String> {
    let parts = parts(text)?;
    if !parts
        .iter()
        .any(|part| matches!(part, Part::Action(action) if is_go(action)))
    {
        return Ok(text.to_owned());
    }
    parts.into_iter().map(Part::translated).collect()
}

/// A piece of a template.
enum Part<'a> {
    Literal(&'a str),
    /// What stands between `{{` and `}}`.
    Action(&'a str),
}

/// Fails only for an action of Go's that does not end; minijinja has its own words for its own.
fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once("{{") {
        let Some((action, after)) = outside_quotes(after).find(|(_, rest)| rest.starts_with("}}")) else {
            if is_go(after) {
                return Err("an action has no closing }}".to_owned());
            }
            break;
        };
        parts.extend([Part::Literal(literal), Part::Action(action)]);
        rest = after.strip_prefix("}}").unwrap_or(after);
    }
    parts.push(Part::Literal(rest));
    Ok(parts)
}

/// Every place of `text` that is not in quotes, as what stands before and after it.
fn outside_quotes(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut open = None;
    text.char_indices().filter_map(move |(at, c)| match open {
        Some(quote) => {
            if c == quote {
                open = None;
            }
            None
        }
        None => {
            if "\"`'".contains(c) {
                open = Some(c);
            }
            Some(text.split_at(at))
        }
    })
}

/// True if a field stands free in the action: `.Name`, where minijinja writes `name`.
fn is_go(action: &str) -> bool {
    outside_quotes(action).any(|(before, after)| {
        let free = before
            .chars()
            .next_back()
            .is_none_or(|c| c.is_whitespace() || "(|-".contains(c));
        let mut after = after.chars();
        free && after.next() == Some('.') && after.next().is_some_and(char::is_alphabetic)
    })
}

impl Part<'_> {
    fn translated(self) -> Result<String, String> {
        match self {
            // minijinja would see blocks and comments where Go sees text.
            Self::Literal(text) => Ok(text.replace("{%", "{{ '{%' }}").replace("{#", "{{ '{#' }}")),
            Self::Action(action) => translate_action(action),
        }
    }
}

fn translate_action(action: &str) -> Result<String, String> {
    let (left, inner) = match action.strip_prefix('-') {
        Some(inner) => ("-", inner),
        None => ("", action),
    };
    let (inner, right) = match inner.strip_suffix('-') {
        Some(inner) => (inner, "-"),
        None => (inner, ""),
    };
    let inner = inner.trim();
    let (word, rest) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
    let block = |body: String| Ok(format!("{{%{left} {body} {right}%}}"));
    match word {
        _ if inner.starts_with("/*") && inner.ends_with("*/") => Ok(format!("{{#{left} {right}#}}")),
        "if" => block(format!("if {}", expression(rest)?)),
        "else" => match rest.trim().strip_prefix("if") {
            Some(condition) => block(format!("elif {}", expression(condition)?)),
            None => block("else".to_owned()),
        },
        "end" => block("endif".to_owned()),
        "range" | "with" | "define" | "template" | "block" | "break" | "continue" => Err(format!(
            "{word:?} of Go's templates is not understood: write it for minijinja, like {{% for .. %}}"
        )),
        _ => Ok(format!("{{{{{left} {} {right}}}}}", expression(inner)?)),
    }
}

fn expression(text: &str) -> Result<String, String> {
    let mut pipeline = Pipeline {
        tokens: tokens(text)?.into_iter().peekable(),
        depth: 0,
    };
    let expression = pipeline.read()?;
    match pipeline.tokens.next() {
        None => Ok(expression),
        Some(token) => Err(format!("unexpected {} in an action", token.describe())),
    }
}

#[derive(Debug, PartialEq)]
enum Token {
    /// `.Name`, `.Labels.x`: the words after each dot.
    Field(Vec<String>),
    Word(String),
    /// A text or a number, already as minijinja writes it.
    Literal(String),
    Open,
    Close,
    Pipe,
}

impl Token {
    /// How an error message calls it.
    fn describe(&self) -> &'static str {
        match self {
            Self::Field(_) => "field",
            Self::Word(_) => "word",
            Self::Literal(_) => "text or number",
            Self::Open => "\"(\"",
            Self::Close => "\")\"",
            Self::Pipe => "\"|\"",
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let symbol = match first {
            '(' => Some(Token::Open),
            ')' => Some(Token::Close),
            '|' => Some(Token::Pipe),
            _ => None,
        };
        let (token, length) = match symbol {
            Some(symbol) => (symbol, 1),
            None if first == '"' || first == '`' => text_literal(rest)?,
            None => word(rest).ok_or_else(|| format!("unexpected {first:?} in an action"))?,
        };
        tokens.push(token);
        rest = rest.split_at(length).1.trim_start();
    }
    Ok(tokens)
}

/// A quoted text; Go quotes in templates as in rules.
fn text_literal(rest: &str) -> Result<(Token, usize), String> {
    let mut lexer = Lexer::new(rest);
    let Ok(Lexeme {
        token: RuleToken::Text(text),
        ..
    }) = lexer.next()
    else {
        return Err("a text in an action has no end".to_owned());
    };
    let json = serde_json::Value::String(text).to_string();
    Ok((Token::Literal(json), rest.len() - lexer.rest().len()))
}

fn word(rest: &str) -> Option<(Token, usize)> {
    let length = rest
        .find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.')
        .unwrap_or(rest.len());
    let (word, _) = rest.split_at(length);
    let names = |word: &str| -> Option<Vec<String>> {
        word.split('.')
            .map(|name| (!name.is_empty()).then(|| name.to_owned()))
            .collect()
    };
    let token = match word.strip_prefix('.') {
        Some(field) => Token::Field(names(field)?),
        None if !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()) => {
            Token::Literal(word.to_owned())
        }
        None if !word.is_empty() && !word.contains('.') => Token::Word(word.to_owned()),
        None => return None,
    };
    Some((token, length))
}

struct Pipeline {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    depth: usize,
}

impl Pipeline {
    /// Commands with `|` between them; what comes out of one is the last argument of the next.
    fn read(&mut self) -> Result<String, String> {
        let mut value = self.command(None)?;
        while self.tokens.next_if_eq(&Token::Pipe).is_some() {
            value = self.command(Some(value))?;
        }
        Ok(value)
    }

    fn command(&mut self, piped: Option<String>) -> Result<String, String> {
        if let Some(Token::Word(_)) = self.tokens.peek()
            && let Some(Token::Word(function)) = self.tokens.next()
        {
            if function == "true" || function == "false" {
                return Ok(function);
            }
            let mut arguments = Vec::new();
            while let Some(argument) = self.operand()? {
                arguments.push(argument);
            }
            arguments.extend(piped);
            return call(&function, &arguments);
        }
        match (self.operand()?, piped) {
            (Some(operand), None) => Ok(operand),
            (_, Some(_)) => Err("after | a function is expected".to_owned()),
            (None, None) => Err("an action or a parenthesis is empty".to_owned()),
        }
    }

    fn operand(&mut self) -> Result<Option<String>, String> {
        let operand = match self
            .tokens
            .next_if(|token| !matches!(token, Token::Close | Token::Pipe))
        {
            None => return Ok(None),
            Some(Token::Field(names)) => return field(&names).map(Some),
            Some(Token::Literal(text)) => return Ok(Some(text)),
            Some(Token::Word(word)) => return call(&word, &[]).map(Some),
            Some(_) if self.depth == MAX_DEPTH => {
                return Err(format!("more than {MAX_DEPTH} parentheses within each other"));
            }
            Some(_) => {
                self.depth += 1;
                let inner = self.read()?;
                self.depth -= 1;
                let close = self.tokens.next_if_eq(&Token::Close);
                close.ok_or("a parenthesis is never closed")?;
                format!("({inner})")
            }
        };
        match self.tokens.next_if(|token| matches!(token, Token::Field(_))) {
            Some(Token::Field(names)) => Ok(Some(member(&operand, &names))),
            _ => Ok(Some(operand)),
        }
    }
}

fn field(names: &[String]) -> Result<String, String> {
    match names {
        [name] if name == "Name" => Ok("name".to_owned()),
        [labels] if labels == "Labels" => Ok("labels".to_owned()),
        [labels, label @ ..] if labels == "Labels" => Ok(member("labels", label)),
        names => {
            let field = names.join(".");
            let known = nearest(&field, ["Name", "Labels"].into_iter())
                .map(|name| format!("did you mean .{name}?"))
                .unwrap_or_else(|| "known are .Name and .Labels".to_owned());
            Err(format!("unknown field .{field}, {known}"))
        }
    }
}

/// What is missing is empty, as in Go.
fn member(operand: &str, names: &[String]) -> String {
    let path: String = names
        .iter()
        .map(|name| format!("[{}]", serde_json::Value::from(name.as_str())))
        .collect();
    format!("({operand}{path}|default(''))")
}

fn call(function: &str, arguments: &[String]) -> Result<String, String> {
    let Some((_, arity, translation)) = FUNCTIONS.iter().find(|(name, ..)| *name == function) else {
        let known = nearest(function, FUNCTIONS.iter().map(|(name, ..)| *name));
        return Err(match known {
            Some(known) => format!("unknown function {function:?}, did you mean {known}?"),
            None => {
                let known: Vec<_> = FUNCTIONS.iter().map(|(name, ..)| *name).collect();
                format!("unknown function {function:?}, known are {}", known.join(", "))
            }
        });
    };
    if arguments.len() != *arity {
        let (found, plural) = (arguments.len(), if *arity == 1 { "" } else { "s" });
        return Err(format!(
            "{function} takes {arity} argument{plural}, found {found}"
        ));
    }
    let mut pieces = translation.split('$');
    let mut expression = format!("({}", pieces.next().unwrap_or_default());
    for piece in pieces {
        let number = piece
            .chars()
            .next()
            .and_then(|digit| digit.to_digit(10))
            .unwrap_or(1);
        let argument = arguments.get(number as usize - 1);
        expression.push_str(argument.map(String::as_str).unwrap_or_default());
        expression.push_str(piece.get(1..).unwrap_or_default());
    }
    expression.push(')');
    Ok(expression)
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LIKENESS: f64 = 0.8;
    known
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

//! Rules in the few characters that tags of every platform allow.
//!
//! `Host:a.example.com PathPrefix:/api` says what ``Host(`a.example.com`) && PathPrefix(`/api`)`` says. Atoms
//! side by side must all match, `or` between them binds weakest, `-` in front of an atom negates it, `+`
//! separates values of which one is enough, and `@2B` stands for the byte 2B.

use crate::rule::{
    Expr, MAX_LENGTH, Matcher, Rule, RuleError,
    error::Fault,
    matcher::Reader,
    parser::{Argument, Call},
    quoted::Quoted,
    vocabulary::is_spelling,
};

/// Longest rule in a tag, in bytes; so that the full text of one is never longer than a rule may be.
pub const MAX_TAG_LENGTH: usize = MAX_LENGTH / 16;

/// The rule that the tag's value `text` means. A text with a backtick or a `(` is a full rule already.
///
/// # Errors
/// The column counts in the tag's value, not in the full rule it would become.
pub fn parse(text: &str) -> Result<Rule, RuleError> {
    if text.contains(['`', '(']) {
        return text.parse();
    }
    translate(text).map_err(|fault| fault.within(text))
}

fn translate(text: &str) -> Result<Rule, Fault> {
    if text.len() > MAX_TAG_LENGTH {
        return Err(Fault::new(
            0,
            format!("longer than {MAX_TAG_LENGTH} bytes: cut it in several"),
        ));
    }
    let mut reader = Reader::default();
    let mut alternatives = Vec::new();
    let mut atoms = Vec::new();
    let mut dangling = None;
    for (at, word) in words(text) {
        let joint = ["and", "or"]
            .into_iter()
            .find(|joint| word.eq_ignore_ascii_case(joint));
        match joint {
            Some(joint) if atoms.is_empty() || dangling.is_some() => {
                return Err(Fault::new(
                    at,
                    format!("nothing to join stands before this {joint:?}"),
                ));
            }
            Some(joint) => {
                if joint == "or" {
                    alternatives.push(std::mem::take(&mut atoms));
                }
                dangling = Some((at, joint));
            }
            None => {
                atoms.push(Atom::read(word, at, &mut reader)?);
                dangling = None;
            }
        }
    }
    if let Some((at, joint)) = dangling {
        return Err(Fault::new(
            at,
            format!("nothing to join stands after this {joint:?}"),
        ));
    }
    alternatives.push(atoms);
    whole(alternatives).ok_or_else(|| Fault::new(0, "empty: write for example Host:example.com"))
}

/// The words between blanks, each with the byte it starts at.
pub(crate) fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let at = text.len() - rest.len();
        let (word, after) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
        rest = after;
        (!word.is_empty()).then_some((at, word))
    })
}

/// Puts alternatives of atoms together; `None` when there is none.
fn whole(alternatives: Vec<Vec<Atom>>) -> Option<Rule> {
    let several = alternatives.len() > 1;
    let atoms = alternatives.into_iter().filter_map(|atoms| {
        let group = several && atoms.len() > 1;
        let all = atoms.into_iter().reduce(|left, right| Atom {
            text: format!("{} && {}", left.text, right.text),
            expr: left.expr.and(right.expr),
        })?;
        Some(if group { all.grouped() } else { all })
    });
    let any = atoms.reduce(Atom::or)?;
    Some(Rule::new(any.text, any.expr))
}

/// A part of the rule, and how the full grammar writes it.
struct Atom {
    text: String,
    expr: Expr,
}

impl Atom {
    fn read(word: &str, at: usize, reader: &mut Reader) -> Result<Self, Fault> {
        let (negated, bare) = match word.strip_prefix('-') {
            Some(bare) => (true, bare),
            None => (false, word),
        };
        let Some((name, value)) = bare.split_once(':') else {
            return Err(Fault::of(at, "", word, " is not of the form Name:value"));
        };
        let name_at = at + usize::from(negated);
        let kind = kind(name);
        let mut items = Vec::new();
        let mut item_at = name_at + name.len() + 1;
        let separator = if kind.splits { '+' } else { '\0' };
        for item in value.split(separator) {
            let item = Item {
                text: item,
                at: item_at,
            };
            items.push(item.read(&kind, name_at, reader)?);
            item_at += item.text.len() + 1;
        }
        let single = items.len() == 1;
        let any = items.into_iter().reduce(Self::or);
        let any = any.ok_or_else(|| Fault::new(at, "no value"))?;
        let any = if single { any } else { any.grouped() };
        Ok(if negated { any.negated() } else { any })
    }

    fn or(self, other: Self) -> Self {
        Self {
            text: format!("{} || {}", self.text, other.text),
            expr: self.expr.or(other.expr),
        }
    }

    fn grouped(self) -> Self {
        Self {
            text: format!("({})", self.text),
            expr: self.expr,
        }
    }

    fn negated(self) -> Self {
        Self {
            text: format!("!{}", self.text),
            expr: self.expr.negated(),
        }
    }
}

/// How the values of a matcher are written in a tag.
struct TagKind<'a> {
    /// The matcher's name in the full grammar.
    matcher: &'a str,
    /// `+` separates values. Not in regular expressions, where it has a meaning of its own.
    splits: bool,
    /// The matcher that tests for a key's presence, if values are of the form `key=value`.
    keyed: Option<&'a str>,
}

/// An unknown name stands for itself: the vocabulary of rules has the words to refuse it.
fn kind(name: &str) -> TagKind<'_> {
    const REGEXPS: [(&str, &str); 5] = [
        ("HostRe", "HostRegexp"),
        ("PathRe", "PathRegexp"),
        ("HeaderRe", "HeaderRegexp"),
        ("QueryRe", "QueryRegexp"),
        ("HostSNIRe", "HostSNIRegexp"),
    ];
    let regexp = REGEXPS.into_iter().find(|(tag, _)| is_spelling(name, tag));
    let matcher = regexp.map_or(name, |(_, full)| full);
    let presence = match matcher.to_ascii_lowercase().as_str() {
        "header" | "headerregexp" => Some("HeaderRegexp"),
        "query" | "queryregexp" => Some("QueryRegexp"),
        _ => None,
    };
    TagKind {
        matcher,
        splits: regexp.is_none(),
        keyed: presence,
    }
}

#[derive(Clone, Copy)]
struct Item<'a> {
    text: &'a str,
    at: usize,
}

impl Item<'_> {
    fn read(self, kind: &TagKind<'_>, name_at: usize, reader: &mut Reader) -> Result<Atom, Fault> {
        let here = self.at;
        let (matcher, values) = match (kind.keyed, self.text.split_once('=')) {
            (None, _) => (kind.matcher, vec![(decode(self.text, here)?, here)]),
            (Some(_), Some((key, value))) => {
                let behind = here + key.len() + 1;
                let value = decode(value, behind)?;
                (kind.matcher, vec![(decode(key, here)?, here), (value, behind)])
            }
            (Some(presence), None) => {
                let key = decode(self.text, here)?;
                (presence, vec![(key, here), (".*".to_owned(), here)])
            }
        };
        let quoted: Vec<_> = values
            .iter()
            .map(|(value, _)| Quoted(value).to_string())
            .collect();
        let arguments = values
            .iter()
            .map(|(value, at)| Argument::new(value, *at))
            .collect();
        let call = Call {
            name: matcher,
            at: name_at,
            arguments,
        };
        let leaf: Matcher = reader.read(call)?;
        Ok(Atom {
            text: format!("{matcher}({})", quoted.join(", ")),
            expr: Expr::Match(leaf),
        })
    }
}

/// `text` with its escapes undone. Only characters that every platform allows in a tag are taken, so that a
/// rule which works in one place works in all.
fn decode(text: &str, at: usize) -> Result<String, Fault> {
    if text.is_empty() {
        return Err(Fault::new(at, "a value is missing here"));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let here = at + text.len() - chars.as_str().len() - c.len_utf8();
        if c == '@' {
            let mut digit = || chars.next().and_then(|digit| digit.to_digit(16));
            let byte = digit()
                .zip(digit())
                .and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
            bytes.push(byte.ok_or_else(|| {
                Fault::new(
                    here,
                    "@ needs two hexadecimal digits after it, like @40 for @ itself",
                )
            })?);
        } else if c.is_alphanumeric() || "._/:-=+".contains(c) {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            let escaped: String = c.to_string().bytes().map(|byte| format!("@{byte:02X}")).collect();
            return Err(Fault::new(
                here,
                format!("{c:?} cannot stand in a tag rule: write {escaped}"),
            ));
        }
    }
    String::from_utf8(bytes).map_err(|_| Fault::new(at, "the escapes do not make valid UTF-8"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tag_rules_say_what_full_rules_say() {
        for (tag, full) in [
            (
                "Host:a.example.com PathPrefix:/api",
                "Host(`a.example.com`) && PathPrefix(`/api`)",
            ),
            (
                "Host:a.example.com+b.example.com",
                "(Host(`a.example.com`) || Host(`b.example.com`))",
            ),
            (
                "Host:a.example.com Path:/ Method:GET+HEAD",
                "Host(`a.example.com`) && Path(`/`) && (Method(`GET`) || Method(`HEAD`))",
            ),
            (
                "Host:a.example.com -PathPrefix:/admin",
                "Host(`a.example.com`) && !PathPrefix(`/admin`)",
            ),
            (
                "Host:a.com or Host:b.com PathPrefix:/b",
                "Host(`a.com`) || (Host(`b.com`) && PathPrefix(`/b`))",
            ),
            (
                "Host:a.com Header:X-Canary=1",
                "Host(`a.com`) && Header(`X-Canary`, `1`)",
            ),
            ("Host:a.com Query:debug=1", "Host(`a.com`) && Query(`debug`, `1`)"),
            (
                "HostRe:@5E@5Ba-z@5D@2B.example@5C.com@24",
                r"HostRegexp(`^[a-z]+.example\.com$`)",
            ),
            (
                "Host:a.com PathRe:@5E/v@5B0-9@5D@2B/",
                "Host(`a.com`) && PathRegexp(`^/v[0-9]+/`)",
            ),
            (
                "ClientIP:10.0.0.0/8+2001:db8::/32",
                "(ClientIP(`10.0.0.0/8`) || ClientIP(`2001:db8::/32`))",
            ),
            (
                "Host:a.com PathPrefix:/admin",
                "Host(`a.com`) && PathPrefix(`/admin`)",
            ),
            ("Host:a.com", "Host(`a.com`)"),
            ("Host:::2", "Host(`::2`)"),
            ("Host:@5B0:0::2@5D", "Host(`[0:0::2]`)"),
            ("-Host:a.com+b.com", "!(Host(`a.com`) || Host(`b.com`))"),
            (
                "Host:a.com and Path:/ OR  -Path:/x",
                "(Host(`a.com`) && Path(`/`)) || !Path(`/x`)",
            ),
            ("Query:debug", "QueryRegexp(`debug`, `.*`)"),
            ("HeaderRe:X-Version=@5E2+", "HeaderRegexp(`X-Version`, `^2+`)"),
            ("Path:/a@20b@C3@A9+/c@2Bd", "(Path(`/a bé`) || Path(`/c+d`))"),
            ("Host(`a.com`) && Path(\"/\")", "Host(`a.com`) && Path(\"/\")"),
        ] {
            let rule = parse(tag).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(rule.text(), full);
            assert_eq!(rule.expr(), full.parse::<Rule>().unwrap().expr(), "{tag}");
        }
    }

    #[test]
    fn an_error_points_into_the_tag() {
        for (tag, column, message) in [
            ("", 1, "empty"),
            ("  ", 1, "empty"),
            ("or Host:a.com", 1, "before this \"or\""),
            ("Host:a.com or", 12, "after this \"or\""),
            ("Host:a.com and", 12, "after this \"and\""),
            ("Host:a.com or and Host:b.com", 15, "before this \"and\""),
            ("Host", 1, "Name:value"),
            ("Host:", 6, "missing"),
            ("Host:a.com+", 12, "missing"),
            ("Header:X-A=", 12, "missing"),
            ("Header:=1", 8, "missing"),
            ("Host:a@4", 7, "hexadecimal"),
            ("Host:a@zz", 7, "hexadecimal"),
            ("Path:/@C3", 6, "UTF-8"),
            ("Host:*.a.com", 6, "write @2A"),
            ("Path:/ Hots:a.com", 8, "did you mean Host?"),
            ("HostSNI:a.com", 1, "tcp routers"),
            ("HostSNIRe:a.com", 1, "tcp routers"),
            ("Path:a", 6, "does not start with /"),
            ("-Host:bücher.de", 7, "punycode"),
            ("PathRe:@28", 8, "unclosed group"),
        ] {
            let error = parse(tag).expect_err(&format!("{tag} was taken"));
            assert_eq!(error.column, column, "{error}");
            assert!(error.message.contains(message), "{error}");
        }
    }

    #[test]
    fn the_full_text_of_the_longest_tag_rule_is_a_rule() {
        let text = |length: usize| format!("PathPrefix:{}/", "/+".repeat(length / 2));
        let longest = parse(&text(MAX_TAG_LENGTH - 12)).unwrap();
        assert!(parse(&text(MAX_TAG_LENGTH)).is_err());
        longest.text().parse::<Rule>().unwrap();
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_it_takes_the_full_grammar_takes_too(
            text in "((-?(Host|Path|Query|HeaderRe|Method|ClientIP):)|or|and| |/a|=|\\+|@2B|@|1|é|::){0,16}"
        ) {
            if let Ok(rule) = parse(&text) {
                let full: Rule = rule.text().parse().unwrap();
                prop_assert_eq!(full.expr(), rule.expr());
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}

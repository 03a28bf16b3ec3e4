//! Finds labels and tags in a text of any format, with the places where they stand.
//!
//! A text is not parsed: what is rewritten in place keeps its comments and its order, and one scanner serves YAML, JSON,
//! HCL and plain lists. Labels belong together that stand in the same brackets, or below each other at one indentation.

use super::found::{Beside, FABIO, Found, OURS, buried, is_our_key};

const TOO_LONG: &str = "its text goes on behind the end of the line";
const NO_TEXT: &str = "its value is no text on the same line";
const EXPRESSION: &str = "its value is an expression: write it as text";
const SEVERAL: &str = "there are several labels in one text";
const NO_VALUE: &str = "its value is not beside it";
const BURIED: &str = "within other text, which is not read";

/// All labels below `prefix` and all tags of Fabio.
pub(super) fn scan(text: &str, prefix: &str) -> Vec<Found> {
    Scanner::all(text, format!("{prefix}."), true)
}

/// The values of `key` in a document, such as its rules.
pub(super) fn values(text: &str, key: &str) -> Vec<Found> {
    let named = Scanner::all(text, key.to_owned(), false).into_iter();
    named
        .filter(|found| found.apart && found.key.eq_ignore_ascii_case(key))
        .collect()
}

#[derive(Default)]
struct Scanner {
    prefix: String,
    /// Where brackets were opened.
    open: Vec<usize>,
    found: Vec<Found>,
    /// Column and set of the labels below each other that are being read.
    run: Option<(usize, usize)>,
    sets: usize,
    /// The sets of brackets, by where they open.
    brackets: Vec<(usize, usize)>,
    /// Within a comment that has an end.
    in_comment: bool,
    newline: &'static str,
    /// The line of the table of a document that is being read.
    table: usize,
    /// What is read are labels, not the keys of a document.
    reads_labels: bool,
}

impl Scanner {
    fn all(text: &str, prefix: String, reads_labels: bool) -> Vec<Found> {
        let mut scanner = Self {
            prefix,
            reads_labels,
            newline: if text.contains("\r\n") { "\r\n" } else { "\n" },
            ..Self::default()
        };
        let content = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut at = text.len() - content.len();
        for (number, line) in content.split_inclusive('\n').enumerate() {
            scanner.line(text, at, line.trim_end_matches(['\n', '\r']), number + 1);
            at += line.len();
        }
        scanner.found
    }

    fn line(&mut self, text: &str, start: usize, line: &str, number: usize) {
        let content = line.trim_start();
        let column = line.len() - content.len();
        if content.starts_with('#') || content.starts_with("//") {
            return;
        }
        // A list in plain text ends with an empty line, one in a document where something stands farther left.
        if self.run.is_some_and(|(run, _)| {
            if content.is_empty() {
                run == 0
            } else {
                column < run
            }
        }) {
            self.run = None;
        }
        if !self.reads_labels && content.starts_with('[') && self.open.is_empty() {
            self.table = number;
        }
        let mut quote = None;
        let mut before = ' ';
        let mut skip_to = 0;
        // What is neither a label nor a comment.
        let mut rest = String::new();
        for (at, c) in line.char_indices() {
            let tail = line.get(at..).unwrap_or_default();
            if at < skip_to {
                continue;
            }
            if let Some(length) = self.comment(tail, c, quote) {
                (skip_to, before) = (at + length, ' ');
                continue;
            }
            let is_apart = before.is_whitespace() || ",]}\"'".contains(before);
            if quote.is_none() && is_apart && (c == '#' || (self.reads_labels && tail.starts_with("//"))) {
                break;
            }
            let begins = before.is_whitespace() && quote.is_none() || "\"'[,{".contains(before);
            if begins && let Some(found) = self.label(text, start, line, at) {
                skip_to = self.take(found, start, line, (at, column, number)) - start;
                quote = line.get(skip_to..).and_then(|rest| rest.chars().next());
                quote = quote.filter(|c| "\"'".contains(*c));
                before = 'x';
                rest.push(' ');
                continue;
            }
            match (quote, c) {
                (None, '"' | '\'' | '`') if !before.is_alphanumeric() => quote = Some(c),
                (Some(open), c) if open == c => quote = None,
                (None, '[' | '{') => self.open.push(start + at),
                (None, ']' | '}') => drop(self.open.pop()),
                _ => {}
            }
            before = c;
            rest.push(c);
        }
        self.buried(&rest, start, column, number);
    }

    /// How much at the beginning of `tail` belongs to a comment that has an end.
    fn comment(&mut self, tail: &str, c: char, quote: Option<char>) -> Option<usize> {
        let begins = quote.is_none() && self.reads_labels && tail.starts_with("/*");
        if !self.in_comment && !begins {
            return None;
        }
        let ends = self.in_comment && tail.starts_with("*/");
        let length = if ends || !self.in_comment { 2 } else { c.len_utf8() };
        self.in_comment = !ends;
        Some(length)
    }

    /// Keeps a label, and says where what follows it begins.
    fn take(&mut self, mut found: Found, start: usize, line: &str, place: (usize, usize, usize)) -> usize {
        let (at, column, number) = place;
        found.line = number;
        found.set = self.set(column, is_pair(line, at));
        found.home = found.set;
        let is_here = found.value_span.end <= start + line.len() && found.value_span.start >= start + at;
        let end = if is_here {
            found.value_span.end
        } else {
            found.span.end
        };
        let end = end.max(found.span.end);
        found.flow = found.quote.is_none() && !self.open.is_empty();
        found.separator = self.separator(line, column, at, found.quote);
        if found.apart && !is_pair(line, at) {
            found.beside = Some(self.beside(line, at, end - start));
        }
        self.found.push(found);
        end
    }

    /// A label within something else is told, for nobody translates it.
    fn buried(&mut self, rest: &str, start: usize, column: usize, number: usize) {
        if !self.reads_labels {
            return;
        }
        if let Some((_, key)) = buried(rest, &self.prefix) {
            let set = self.set(column, false);
            let mut found = blank(start..start, None);
            (found.key, found.line, found.set, found.home) = (key, number, set, set);
            found.unreadable = Some(BURIED);
            self.found.push(found);
        }
    }

    /// How an entry is written beside the one whose key begins at `at`, and that ends at `end`.
    fn beside(&self, line: &str, at: usize, end: usize) -> Beside {
        let head = line.get(..at).unwrap_or_default();
        let key = line.get(at..end).unwrap_or_default();
        let sign = if key.split(['"', '\'']).next().is_some_and(|key| key.contains('='))
            || key
                .split_once(['"', '\''])
                .is_some_and(|(_, rest)| rest.trim_start().starts_with('='))
        {
            " = "
        } else {
            ": "
        };
        let lead = head.trim_end_matches(['"', '\'']);
        let is_alone = lead.trim().is_empty() && (self.open.is_empty() || sign == " = ");
        Beside {
            between: match is_alone {
                true => format!("{}{lead}", self.newline),
                false => ", ".to_owned(),
            },
            quote: match head.chars().next_back() {
                Some('"') => "\"",
                Some('\'') => "'",
                _ => "",
            },
            sign,
        }
    }

    /// The label that begins at `at` in the line, with places in the text.
    fn label(&self, text: &str, start: usize, line: &str, at: usize) -> Option<Found> {
        let rest = line.get(at..)?;
        let begins_with = |prefix: &str| {
            let head = rest.get(..prefix.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(prefix))
        };
        let is_fabio = self.reads_labels && begins_with(FABIO);
        let is_ours = self.reads_labels && begins_with(OURS) && is_our_key(rest);
        if !is_fabio && !is_ours && !begins_with(&self.prefix) {
            return None;
        }
        let quote = line.get(..at)?.chars().next_back().filter(|c| "\"'".contains(*c));
        let closed = quote.map(|quote| closing(rest, quote));
        let end = at
            + match closed {
                Some(closed) => closed.unwrap_or(rest.len()),
                None => self.bare(rest),
            };
        let mut found = blank(start + at..start + end, quote);
        if closed == Some(None) {
            found.unreadable = Some(TOO_LONG);
        }
        let whole = line.get(at..end)?;
        if is_fabio {
            found.key = unescaped(whole, quote);
            return Some(found);
        }
        if is_pair(line, at) && !whole.contains('=') {
            found.key = unescaped(whole, quote);
            let behind = start + end + usize::from(quote.is_some());
            if self.other_of_pair(text, behind, &mut found).is_none() {
                // Much has a name; a key of this form is a label in any case.
                buried(&found.key, &self.prefix)?;
                found.apart = true;
                found.unreadable = Some(NO_VALUE);
            }
            return Some(found);
        }
        let cut = whole.find(|c: char| c == '=' || (quote.is_none() && (c == ':' || c.is_whitespace())));
        match cut.filter(|cut| whole.get(*cut..).is_some_and(|rest| rest.starts_with('='))) {
            Some(cut) => {
                found.key = whole.get(..cut)?.trim().to_owned();
                found.value = unescaped(whole.get(cut + 1..)?, quote);
                found.value_span = start + at + cut + 1..start + end;
                if quote.is_none() && buried(&found.value, &self.prefix).is_some() {
                    found.unreadable = Some(SEVERAL);
                }
            }
            None => {
                let cut = cut.unwrap_or(whole.len());
                let behind = at + cut + usize::from(quote.is_some());
                found.key = whole.get(..cut)?.to_owned();
                found.span.end = start + at + cut;
                found.apart = true;
                self.value(start, line, behind, &mut found)?;
            }
        }
        Some(found)
    }

    /// Reads the value that stands apart from its key, behind `: ` or `=`.
    fn value(&self, start: usize, line: &str, behind: usize, found: &mut Found) -> Option<()> {
        let rest = line.get(behind..)?;
        let sign = rest.trim_start().chars().next().filter(|c| ":=".contains(*c))?;
        let value = rest.split_once(sign)?.1.trim_start();
        let at = line.len() - value.len();
        let quote = value.chars().next().filter(|c| "\"'".contains(*c));
        let (from, to) = match quote {
            Some(quote) => {
                let end = closing(value.get(1..)?, quote);
                if end.is_none() {
                    found.unreadable = Some(TOO_LONG);
                }
                (at + 1, end.map_or(line.len(), |end| at + 1 + end))
            }
            None => (at, at + self.bare(value)),
        };
        let raw = line.get(from..to)?;
        if quote.is_none() && (raw.is_empty() || raw.starts_with(['|', '>', '&', '*', '{', '[', '<', '!'])) {
            found.unreadable = Some(NO_TEXT);
        }
        let is_expression = quote.is_none() && sign == '=' && found.quote.is_some();
        if is_expression && raw != "true" && raw != "false" && raw.parse::<f64>().is_err() {
            found.unreadable = Some(EXPRESSION);
        }
        found.quote = quote;
        found.value = unescaped(raw, quote);
        // Brackets of expressions count.
        let to = if found.unreadable == Some(EXPRESSION) {
            from
        } else {
            to
        };
        found.value_span = start + from..start + to;
        Some(())
    }

    /// Reads the value of a pair `{"key": …, "value": …}`, which stands behind its key or before it.
    fn other_of_pair(&self, text: &str, behind: usize, found: &mut Found) -> Option<()> {
        let rest = text.get(behind..)?;
        let (from, to) = match self.open.last() {
            Some(open) => (*open, behind + closing_bracket(rest)?),
            None => {
                let end = rest.match_indices('\n').nth(1).map_or(rest.len(), |(at, _)| at);
                (behind, behind + end)
            }
        };
        let region = text.get(from..to)?.to_ascii_lowercase();
        let start = region.match_indices("value").find_map(|(at, word)| {
            let before = region.get(..at)?.chars().next_back();
            let rest = region.get(at + word.len()..)?;
            let signed = rest.strip_prefix(['"', '\'']).unwrap_or(rest).trim_start();
            let is_key = before.is_none_or(|c| !c.is_alphanumeric() && !"_-.".contains(c));
            (is_key && signed.starts_with([':', '='])).then(|| {
                from + at + word.len() + rest.len() - rest.strip_prefix(['"', '\'']).unwrap_or(rest).len()
            })
        })?;
        found.apart = true;
        let line = text.get(start..)?.split(['\n', '\r']).next()?;
        self.value(start, line, 0, found)
    }

    /// The length of a text without quotes.
    fn bare(&self, rest: &str) -> usize {
        let end = rest.find(" #").unwrap_or(rest.len());
        let text = rest.get(..end).unwrap_or(rest);
        let end = match self.open.is_empty() {
            true => text.len(),
            false => text.find([',', ']', '}']).unwrap_or(text.len()),
        };
        text.get(..end).unwrap_or(text).trim_end().len()
    }

    fn set(&mut self, column: usize, is_pair: bool) -> usize {
        // A pair has brackets of its own, within those of all.
        let mut open = self.open.iter().rev();
        let own = open.next();
        let bracket = if is_pair { open.next().or(own) } else { own }.copied();
        if !self.reads_labels {
            // The same for all keys of a table, whichever is looked for.
            return bracket.map_or(2 * self.table, |open| 2 * open + 1);
        }
        let known = match bracket {
            Some(open) => self
                .brackets
                .iter()
                .rev()
                .find(|(at, _)| *at == open)
                .map(|(_, set)| *set),
            None => self.run.filter(|(run, _)| *run == column).map(|(_, set)| set),
        };
        let set = known.unwrap_or_else(|| {
            self.sets += 1;
            self.sets
        });
        match bracket {
            Some(open) if known.is_none() => self.brackets.push((open, set)),
            Some(_) => {}
            None => self.run = Some((column, set)),
        }
        set
    }

    fn separator(&self, line: &str, column: usize, at: usize, quote: Option<char>) -> String {
        let quote = quote.map(String::from).unwrap_or_default();
        let between = match (
            self.open.is_empty(),
            line.get(..at).unwrap_or_default().contains("- "),
        ) {
            (false, _) => ", ".to_owned(),
            (true, true) => {
                let lead = line.get(..column).unwrap_or_default();
                format!("{}{lead}- ", self.newline)
            }
            (true, false) => {
                let lead = line.get(..column).unwrap_or_default();
                format!("{}{lead}", self.newline)
            }
        };
        format!("{quote}{between}{quote}")
    }
}

/// Whether what begins at `at` is the `key` of a pair, as AWS writes tags.
fn is_pair(line: &str, at: usize) -> bool {
    let before = line
        .get(..at)
        .unwrap_or_default()
        .trim_end_matches(['"', '\''])
        .trim_end();
    let Some(name) = before.strip_suffix([':', '=']) else {
        return false;
    };
    let name = name.trim_end().trim_end_matches(['"', '\'']);
    let word = name.rsplit(|c: char| !c.is_ascii_alphanumeric()).next();
    word.is_some_and(|word| word.eq_ignore_ascii_case("key") || word.eq_ignore_ascii_case("name"))
}

/// A label at `span` of which nothing else is known.
fn blank(span: std::ops::Range<usize>, quote: Option<char>) -> Found {
    Found {
        value_span: span.end..span.end,
        span,
        key: String::new(),
        value: String::new(),
        apart: false,
        quote,
        flow: false,
        separator: String::new(),
        beside: None,
        line: 0,
        set: 0,
        home: 0,
        unreadable: None,
    }
}

/// Where the bracket that is open ends.
fn closing_bracket(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    text.char_indices().find_map(|(at, c)| {
        match (quote, c) {
            (None, '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') if depth == 0 => return Some(at),
            (None, '}' | ']') => depth -= 1,
            _ => {}
        }
        None
    })
}

/// Where the quote that is open ends.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    let mut skip_to = 0;
    text.char_indices().find_map(|(at, c)| {
        if at < skip_to {
            return None;
        }
        let rest = text.get(at + c.len_utf8()..)?;
        if quote == '\'' && c == quote && rest.starts_with(quote) {
            skip_to = at + 2;
            return None;
        }
        // Expressions within a text may hold quotes.
        if quote == '"'
            && c == '$'
            && let Some(end) = rest.strip_prefix('{').and_then(super::words::closing)
        {
            skip_to = at + end + 3;
            return None;
        }
        let ends = c == quote && !escaped;
        escaped = quote == '"' && c == '\\' && !escaped;
        ends.then_some(at)
    })
}

fn unescaped(raw: &str, quote: Option<char>) -> String {
    match quote {
        Some('\'') => raw.replace("''", "'"),
        Some(_) => {
            let text: Result<String, _> = serde_json::from_str(&format!("\"{raw}\""));
            text.unwrap_or_else(|_| raw.replace("\\\\", "\\"))
        }
        None => raw.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, String, usize, usize)> {
        let found = scan(text, "traefik").into_iter();
        found
            .map(|found| (found.key, found.value, found.line, found.set))
            .collect()
    }

    fn label(key: &str, value: &str, line: usize, set: usize) -> (String, String, usize, usize) {
        (key.to_owned(), value.to_owned(), line, set)
    }

    #[test]
    fn labels_of_compose_files_are_found_as_maps_and_as_lists() {
        let map = "services:\n  a:\n    labels:\n      traefik.enable: \"true\" # yes\n      traefik.x: Host(`a`, `b`)\n  \
                   b:\n    labels:\n      - 'traefik.enable=true'\n      - traefik.x=it's {here}\n";
        assert_eq!(
            found(map),
            [
                label("traefik.enable", "true", 4, 1),
                label("traefik.x", "Host(`a`, `b`)", 5, 1),
                label("traefik.enable", "true", 8, 2),
                label("traefik.x", "it's {here}", 9, 2),
            ]
        );
    }

    #[test]
    fn tags_in_the_same_brackets_belong_together() {
        let hcl = "service {\n  tags = [\"web\", \"traefik.a=1\",\n    \"traefik.b=\\\"x\\\"\"]\n}\nservice {\n  tags = [\"traefik.a=2\"]\n}\n";
        assert_eq!(
            found(hcl),
            [
                label("traefik.a", "1", 2, 1),
                label("traefik.b", "\"x\"", 3, 1),
                label("traefik.a", "2", 6, 2),
            ]
        );
    }

    #[test]
    fn labels_of_json_are_found_on_one_line() {
        let json =
            r#"{"a": {"dockerLabels": {"traefik.a": "1", "traefik.b": "2"}}, "b": {"traefik.a": "3"}}"#;
        assert_eq!(
            found(json),
            [
                label("traefik.a", "1", 1, 1),
                label("traefik.b", "2", 1, 1),
                label("traefik.a", "3", 1, 2),
            ]
        );
    }

    #[test]
    fn pairs_of_key_and_value_are_found_on_lines_of_their_own_or_on_one() {
        for text in [
            "[\n  {\n    \"key\": \"traefik.a\",\n    \"value\": \"1\"\n  },\n  {\n    \"key\": \"traefik.b\",\n    \"value\": \"2\"\n  }\n]\n",
            r#"{"tags": [{"key": "traefik.a", "value": "1"}, {"key": "traefik.b", "value": "2"}]}"#,
            "Tags:\n  - Key: traefik.a\n    Value: '1'\n  - Key: traefik.b\n    Value: 2\n",
        ] {
            let all: Vec<_> = found(text)
                .into_iter()
                .map(|(key, value, _, set)| (key, value, set))
                .collect();
            let wanted = [("traefik.a", "1", 1), ("traefik.b", "2", 1)];
            assert_eq!(
                all,
                wanted.map(|(key, value, set)| (key.to_owned(), value.to_owned(), set)),
                "{text}"
            );
        }
    }

    #[test]
    fn comments_and_longer_words_are_no_labels() {
        assert_eq!(
            found("# traefik.a=1\n// traefik.a=1\nmy.traefik.a=1\ntraefik\nimage: traefik:v3\n"),
            []
        );
    }

    #[test]
    fn lists_in_plain_text_end_with_an_empty_line() {
        assert_eq!(
            found("traefik.a=1\ntraefik.b=2\n\ntraefik.a=3\n"),
            [
                label("traefik.a", "1", 1, 1),
                label("traefik.b", "2", 2, 1),
                label("traefik.a", "3", 4, 2)
            ]
        );
    }
}

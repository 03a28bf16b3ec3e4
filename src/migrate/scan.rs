//! Finds labels and tags in a text of any format, with the places where they stand.
//!
//! A text is not parsed: what is rewritten in place keeps its comments and its order, and one scanner serves YAML, JSON,
//! HCL and plain lists. Labels belong together that stand in the same brackets, or below each other at one indentation.

use std::ops::Range;

/// What Fabio's tags begin with.
pub(super) const FABIO: &str = "urlprefix-";

/// A label or tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// All of it within its quotes; of a key and a value that stand apart, the key.
    pub(super) span: Range<usize>,
    /// The key; of Fabio's tags all of it.
    pub(super) key: String,
    /// The value, without escapes.
    pub(super) value: String,
    /// Where the value stands.
    pub(super) value_span: Range<usize>,
    /// Key and value stand apart.
    pub(super) apart: bool,
    /// What surrounds it, or its value: a quote, or nothing.
    pub(super) quote: Option<char>,
    /// What goes between two of its kind in a list.
    pub(super) separator: String,
    /// Its line, from 1.
    pub(super) line: usize,
    /// Those with the same number belong together.
    pub(super) set: usize,
    /// Why its value cannot be read.
    pub(super) unreadable: Option<&'static str>,
}

/// All labels below `prefix` and all tags of Fabio.
pub(super) fn scan(text: &str, prefix: &str) -> Vec<Found> {
    Scanner::all(text, format!("{prefix}."))
}

/// The values of `key` in a document, such as its rules.
pub(super) fn values(text: &str, key: &str) -> Vec<Found> {
    let named = Scanner::all(text, key.to_owned()).into_iter();
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
}

impl Scanner {
    fn all(text: &str, prefix: String) -> Vec<Found> {
        let mut scanner = Self {
            prefix,
            ..Self::default()
        };
        let mut at = 0;
        for (number, line) in text.split_inclusive('\n').enumerate() {
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
        let mut quote = None;
        let mut before = ' ';
        let mut skip_to = 0;
        for (at, c) in line.char_indices() {
            if at < skip_to {
                continue;
            }
            let begins = before.is_whitespace() || "\"'[,{".contains(before);
            if begins && let Some(mut found) = self.label(text, start, line, at) {
                found.line = number;
                found.set = self.set(column, is_pair(line, at));
                let is_here = found.value_span.end <= start + line.len();
                let end = if is_here {
                    found.value_span.end
                } else {
                    found.span.end
                };
                skip_to = end.max(found.span.end) - start;
                quote = line.get(skip_to..).and_then(|rest| rest.chars().next());
                quote = quote.filter(|c| "\"'".contains(*c));
                found.separator = self.separator(line, column, at, found.quote);
                self.found.push(found);
                before = 'x';
                continue;
            }
            before = c;
            match (quote, c) {
                (None, '"' | '\'' | '`') => quote = Some(c),
                (Some(open), c) if open == c => quote = None,
                (None, '[' | '{') => self.open.push(start + at),
                (None, ']' | '}') => drop(self.open.pop()),
                _ => {}
            }
        }
    }

    /// The label that begins at `at` in the line, with places in the text.
    fn label(&self, text: &str, start: usize, line: &str, at: usize) -> Option<Found> {
        let rest = line.get(at..)?;
        let begins_with = |prefix: &str| {
            let head = rest.get(..prefix.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(prefix))
        };
        let is_fabio = begins_with(FABIO);
        if !is_fabio && !begins_with(&self.prefix) {
            return None;
        }
        let quote = line.get(..at)?.chars().next_back().filter(|c| "\"'".contains(*c));
        let end = at
            + match quote {
                Some(quote) => closing(rest, quote)?,
                None => self.bare(rest),
            };
        let mut found = Found {
            span: start + at..start + end,
            key: String::new(),
            value: String::new(),
            value_span: start + end..start + end,
            apart: false,
            quote,
            separator: String::new(),
            line: 0,
            set: 0,
            unreadable: None,
        };
        let whole = line.get(at..end)?;
        if is_fabio {
            found.key = unescaped(whole, quote);
            return Some(found);
        }
        if is_pair(line, at) && !whole.contains('=') {
            found.key = unescaped(whole, quote);
            self.other_of_pair(text, start + end + usize::from(quote.is_some()), &mut found)?;
            return Some(found);
        }
        let cut = whole.find(|c: char| c == '=' || (quote.is_none() && (c == ':' || c.is_whitespace())));
        match cut.filter(|cut| whole.get(*cut..).is_some_and(|rest| rest.starts_with('='))) {
            Some(cut) => {
                found.key = whole.get(..cut)?.trim().to_owned();
                found.value = unescaped(whole.get(cut + 1..)?, quote);
                found.value_span = start + at + cut + 1..start + end;
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
            Some(quote) => (at + 1, at + 1 + closing(value.get(1..)?, quote)?),
            None => (at, at + self.bare(value)),
        };
        let raw = line.get(from..to)?;
        if quote.is_none() && (raw.is_empty() || raw.starts_with(['|', '>', '&', '*', '{', '['])) {
            found.unreadable = Some("its value is no text on the same line");
        }
        found.quote = quote;
        found.value = unescaped(raw, quote);
        found.value_span = start + from..start + to;
        Some(())
    }

    /// Reads the value of a pair `{"key": …, "value": …}`, which stands behind its key, mostly on the next line.
    fn other_of_pair(&self, text: &str, behind: usize, found: &mut Found) -> Option<()> {
        let rest = text
            .get(behind..)?
            .trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        let rest = rest.strip_prefix(['"', '\'']).unwrap_or(rest);
        let head = rest.get(.."value".len())?;
        let rest = rest
            .get(head.len()..)
            .filter(|_| head.eq_ignore_ascii_case("value"))?;
        let rest = rest.strip_prefix(['"', '\'']).unwrap_or(rest);
        let start = text.len() - rest.len();
        found.apart = true;
        let line = rest.split(['\n', '\r']).next()?;
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
            (true, true) => format!("\n{}- ", " ".repeat(column)),
            (true, false) => "\n".to_owned(),
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
    word.is_some_and(|word| word.eq_ignore_ascii_case("key"))
}

/// Where the quote that is open ends.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    let mut skip = false;
    text.char_indices().find_map(|(at, c)| {
        if std::mem::take(&mut skip) {
            return None;
        }
        if quote == '\'' && c == quote && text.get(at + 1..)?.starts_with(quote) {
            skip = true;
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

/// `text` as it is written within `quote`.
pub(super) fn escaped(text: &str, quote: Option<char>) -> String {
    match quote {
        Some('\'') => text.replace('\'', "''"),
        Some(_) => text.replace('\\', "\\\\").replace('"', "\\\""),
        None => text.to_owned(),
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

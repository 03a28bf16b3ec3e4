//! Finds labels and tags in YAML and JSON by parsing it: values may span lines, pairs have their parts in any order.

use std::{collections::HashMap, ops::Range};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::found::{Beside, FABIO, Found, OURS, all_buried, is_our_key};

/// Deepest nesting that is looked into.
const MAX_DEPTH: usize = 64;

const BLOCK: &str = "a block of text: write its value on one line";
const NO_TEXT: &str = "its value is no text";
const ESCAPES: &str = "its key is written with escapes or on several lines";
const BURIED: &str = "within other text, which is not read";

/// What was found, and which of its lists and maps take in what another one holds.
pub(super) type Scanned = (Vec<Found>, Vec<(usize, usize)>);

/// All labels below `prefix`, and Mesh's own, and all tags of Fabio; `None` for what is no YAML, or only one text.
pub(super) fn scan(text: &str, prefix: &str) -> Option<Scanned> {
    scan_for(text, &format!("{prefix}."), None)
}

/// The values of `key` in a document, each in the set of the block it is in; and whether blocks take in others.
pub(super) fn values(text: &str, key: &str) -> Option<(Vec<Found>, bool)> {
    let (found, merges) = scan_for(text, key, Some(key))?;
    Some((found, !merges.is_empty()))
}

fn scan_for(text: &str, prefix: &str, key: Option<&str>) -> Option<Scanned> {
    let content = text.strip_prefix('\u{feff}').unwrap_or(text);
    let offset = text.len() - content.len();
    let mut scanner = Scanner {
        text,
        bytes: content.char_indices().map(|(at, _)| at + offset).collect(),
        parser: Parser::new_from_str(content),
        prefix: prefix.to_owned(),
        key: key.map(str::to_owned),
        newline: if text.contains("\r\n") { "\r\n" } else { "\n" },
        found: Vec::new(),
        sets: 0,
        anchors: HashMap::new(),
        merges: Vec::new(),
    };
    scanner.documents()?;
    Some((scanner.found, scanner.merges))
}

struct Scanner<'t> {
    text: &'t str,
    /// Where each character begins.
    bytes: Vec<usize>,
    parser: Parser<'t, StrInput<'t>>,
    prefix: String,
    /// Only values of this key are looked for.
    key: Option<String>,
    newline: &'static str,
    found: Vec<Found>,
    sets: usize,
    /// The maps behind anchors.
    anchors: HashMap<usize, usize>,
    merges: Vec<(usize, usize)>,
}

/// A text and where it stands, within its quotes.
struct Scalar {
    text: String,
    span: Range<usize>,
    line: usize,
    quote: Option<char>,
    is_block: bool,
}

enum Node {
    Scalar(Scalar),
    /// The maps that it stands for.
    Maps(Vec<usize>),
}

/// A list or map.
#[derive(Clone, Copy)]
struct Home {
    set: usize,
    is_flow: bool,
}

impl Scanner<'_> {
    fn documents(&mut self) -> Option<()> {
        let mut is_document = false;
        loop {
            let (event, span) = self.parser.next_event()?.ok()?;
            match event {
                Event::StreamEnd => return is_document.then_some(()),
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                Event::Scalar(..) | Event::Alias(_) => return None,
                event => {
                    is_document = true;
                    self.node(event, span, 0, None)?;
                }
            }
        }
    }

    fn node(&mut self, event: Event<'_>, span: Span, depth: usize, list: Option<Home>) -> Option<Node> {
        if depth > MAX_DEPTH {
            return None;
        }
        match event {
            Event::Scalar(text, style, _, _) => {
                Some(Node::Scalar(self.scalar(text.into_owned(), style, span)))
            }
            Event::Alias(anchor) => Some(Node::Maps(
                self.anchors.get(&anchor).copied().into_iter().collect(),
            )),
            Event::SequenceStart(_, _) => {
                let home = self.home(span, '[');
                self.list(home, depth)
            }
            Event::MappingStart(anchor, _) => {
                let home = self.home(span, '{');
                if anchor > 0 {
                    self.anchors.insert(anchor, home.set);
                }
                self.map(home, depth, list)?;
                Some(Node::Maps(vec![home.set]))
            }
            _ => None,
        }
    }

    fn home(&mut self, span: Span, bracket: char) -> Home {
        self.sets += 1;
        let start = self.byte(span.start.index());
        Home {
            set: self.sets,
            is_flow: self
                .text
                .get(start..)
                .is_some_and(|rest| rest.starts_with(bracket)),
        }
    }

    fn byte(&self, index: usize) -> usize {
        self.bytes.get(index).copied().unwrap_or(self.text.len())
    }

    fn scalar(&self, text: String, style: ScalarStyle, span: Span) -> Scalar {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        let raw = self.text.get(start..end).unwrap_or_default().trim_end();
        let quote = match style {
            ScalarStyle::SingleQuoted => Some('\''),
            ScalarStyle::DoubleQuoted => Some('"'),
            _ => None,
        };
        let inset = usize::from(quote.is_some());
        Scalar {
            text,
            span: start + inset..(start + raw.len()).saturating_sub(inset).max(start + inset),
            line: span.start.line(),
            quote,
            is_block: matches!(style, ScalarStyle::Literal | ScalarStyle::Folded),
        }
    }

    fn list(&mut self, home: Home, depth: usize) -> Option<Node> {
        let mut maps = Vec::new();
        loop {
            let (event, span) = self.parser.next_event()?.ok()?;
            if event == Event::SequenceEnd {
                return Some(Node::Maps(maps));
            }
            match self.node(event, span, depth + 1, Some(home))? {
                Node::Scalar(scalar) => {
                    let between = self.between(&scalar, home);
                    self.item(&scalar, home, &between);
                }
                Node::Maps(mut more) => maps.append(&mut more),
            }
        }
    }

    fn map(&mut self, home: Home, depth: usize, list: Option<Home>) -> Option<()> {
        let mut entries: Vec<(Scalar, Option<Scalar>)> = Vec::new();
        loop {
            let (event, span) = self.parser.next_event()?.ok()?;
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(event, span, depth + 1, None)?;
            let (event, span) = self.parser.next_event()?.ok()?;
            let value = self.node(event, span, depth + 1, None)?;
            let Node::Scalar(key) = key else { continue };
            match value {
                Node::Scalar(value) => entries.push((key, Some(value))),
                Node::Maps(maps) => {
                    if key.text == "<<" {
                        self.merges.extend(maps.into_iter().map(|map| (home.set, map)));
                    }
                    entries.push((key, None));
                }
            }
        }
        self.entries(&entries, home, list);
        Some(())
    }

    fn entries(&mut self, entries: &[(Scalar, Option<Scalar>)], home: Home, list: Option<Home>) {
        let named = |names: &[&str]| {
            entries
                .iter()
                .find(|(key, _)| names.iter().any(|name| key.text.eq_ignore_ascii_case(name)))
        };
        // A pair has brackets of its own, within those of all.
        let pair = named(&["key"])
            .or_else(|| named(&["name"]))
            .and_then(|(_, key)| Some((key.as_ref()?, named(&["value"])?.1.as_ref())));
        let pair = pair.filter(|_| self.key.is_none());
        if let Some((key, value)) =
            pair.filter(|(key, _)| self.is_label(&key.text) && !key.text.contains('='))
        {
            self.apart(key, value, list.unwrap_or(home), None);
            return;
        }
        for (key, value) in entries {
            if self.is_label(&key.text) {
                let beside = Beside {
                    between: self.between(key, home),
                    quote: match key.quote {
                        Some('"') => "\"",
                        Some(_) => "'",
                        None => "",
                    },
                    sign: ": ",
                };
                self.apart(key, value.as_ref(), home, Some(beside));
            } else if let Some(value) = value {
                self.item(value, home, "");
            }
        }
    }

    /// What stands between two entries of `home`, the first of which is `scalar`, within its quotes.
    fn between(&self, scalar: &Scalar, home: Home) -> String {
        let start = scalar.span.start - usize::from(scalar.quote.is_some());
        let line = self.text.get(..start).unwrap_or_default();
        let line = line.rsplit('\n').next().unwrap_or_default();
        match home.is_flow {
            true => ", ".to_owned(),
            false => {
                let own = line
                    .trim_end()
                    .ends_with('-')
                    .then(|| line.trim_end().len().saturating_sub(1));
                let lead: String = line
                    .char_indices()
                    .map(|(at, c)| match c {
                        '-' if own == Some(at) => '-',
                        c if c.is_whitespace() => c,
                        _ => ' ',
                    })
                    .collect();
                format!("{}{lead}", self.newline)
            }
        }
    }

    fn is_label(&self, text: &str) -> bool {
        if let Some(key) = &self.key {
            return text.eq_ignore_ascii_case(key);
        }
        let begins_with = |prefix: &str| {
            let head = text.get(..prefix.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(prefix))
        };
        begins_with(FABIO) || begins_with(&self.prefix) || begins_with(OURS) && is_our_key(text)
    }

    /// A label of which key and value stand apart.
    fn apart(&mut self, key: &Scalar, value: Option<&Scalar>, home: Home, beside: Option<Beside>) {
        let mut found = found(key, home);
        found.apart = true;
        found.beside = beside;
        found.unreadable = match value {
            _ if self.text.get(key.span.clone()) != Some(&key.text) => Some(ESCAPES),
            None => Some(NO_TEXT),
            Some(value) if value.is_block => Some(BLOCK),
            Some(_) => None,
        };
        if let Some(value) = value {
            found.value.clone_from(&value.text);
            found.value_span = value.span.clone();
            found.quote = value.quote;
            found.flow = home.is_flow && value.quote.is_none();
        }
        self.found.push(found);
    }

    /// A label that is one text, if `scalar` is one.
    fn item(&mut self, scalar: &Scalar, home: Home, between: &str) {
        if self.key.is_some() {
            return;
        }
        if !self.is_label(&scalar.text) || scalar.is_block {
            let reason = if scalar.is_block { BLOCK } else { BURIED };
            for (number, key) in all_buried(&scalar.text, &self.prefix) {
                let mut found = found(scalar, home);
                found.key = key;
                // Lines of other texts may be folded.
                found.line += if scalar.is_block { number } else { 0 };
                found.unreadable = Some(reason);
                self.found.push(found);
            }
            return;
        }
        let raw = self.text.get(scalar.span.clone()).unwrap_or_default();
        let mut found = found(scalar, home);
        if !scalar.text.starts_with(FABIO) {
            let Some((key, value)) = scalar.text.split_once('=') else {
                return;
            };
            found.key = key.trim().to_owned();
            value.clone_into(&mut found.value);
            match raw.strip_prefix(key).filter(|rest| rest.starts_with('=')) {
                Some(_) => found.value_span.start = scalar.span.start + key.len() + 1,
                None => found.unreadable = found.unreadable.or(Some(ESCAPES)),
            }
        }
        let quote = scalar.quote.map(String::from).unwrap_or_default();
        if !between.is_empty() {
            found.separator = format!("{quote}{between}{quote}");
        }
        self.found.push(found);
    }
}

/// A label at the place of `scalar`.
fn found(scalar: &Scalar, home: Home) -> Found {
    Found {
        span: scalar.span.clone(),
        key: scalar.text.clone(),
        value: String::new(),
        value_span: scalar.span.clone(),
        apart: false,
        quote: scalar.quote,
        flow: home.is_flow && scalar.quote.is_none(),
        separator: String::new(),
        beside: None,
        line: scalar.line,
        set: home.set,
        home: home.set,
        unreadable: None,
    }
}

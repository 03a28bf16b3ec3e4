//! YAML to values and their lines.
//!
//! Plain scalars stay text: the type that is decoded says what they mean, so `1.10` is a version where text is
//! wanted and `on` is never a surprise. Only `null`, `~` and nothing at all are absent values.

use std::{borrow::Cow, collections::HashMap, rc::Rc};

use figment::value::{Dict, Tag, Value};
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::{
    KeyPath, MAX_DEPTH,
    places::{Lines, at_line},
};
use crate::{courtesy::give_way, origin::Problem};

/// What one value costs beside its text, in bytes.
const COST: usize = 16;

/// What aliases may add to the cost of a document.
const MAX_EXPANSION: usize = 4 << 20;

/// Reads `text`; an empty one is an empty block.
pub(super) fn load(name: &str, text: &str) -> Result<(Dict, Lines), Problem> {
    let (values, lines, _) = read(name, text, false)?;
    Ok((values, lines))
}

/// Reads `text` and leaves the objects of `http` out, for [`Parts`] to give: as values they take up several times the
/// room of their text. One with aliases or merges is read as a whole, because only then does what they add up to show.
pub(super) fn load_in_parts(name: &str, text: &str) -> Result<(Dict, Lines, Option<Parts>), Problem> {
    read(name, text, true)
}

fn read(name: &str, text: &str, in_parts: bool) -> Result<(Dict, Lines, Option<Parts>), Problem> {
    let problem = |(line, message): Wrong| Problem::new(at_line(name, line), "", message);
    let mut reader = Reader::new(text);
    let root = reader.document().map_err(problem)?;
    let mut writer = Writer {
        lines: Lines::new(),
        budget: text.len().saturating_mul(COST).saturating_add(MAX_EXPANSION),
        parts: (in_parts && !reader.refers && reader.anchors.is_empty()).then(Parts::default),
    };
    match &root.kind {
        Kind::Null => Ok((Dict::new(), Lines::new(), None)),
        Kind::Map(entries) => {
            let values = writer
                .map(entries, root.line, &KeyPath::Root, 0)
                .map_err(problem)?;
            Ok((values, writer.lines, writer.parts))
        }
        Kind::Text(_) | Kind::List(_) => Err(problem((root.line, "keys and values expected".to_owned()))),
    }
}

/// Objects that are not values yet, with the lines of their keys. In the place of each there is its number.
#[derive(Debug, Default)]
pub(super) struct Parts(Vec<Option<(usize, Rc<Node>)>>);

impl Parts {
    /// The object with the number `value`, which lies at `path`, and its lines. Each is given once.
    pub(super) fn take(&mut self, value: &Value, path: &KeyPath<'_>) -> Option<(Value, Lines)> {
        give_way();
        let number = usize::try_from(value.to_u128()?).ok()?;
        let (line, node) = self.0.get_mut(number)?.take()?;
        let mut writer = Writer {
            lines: Lines::from([(path.place(), line)]),
            // Without aliases it is no larger than its text.
            budget: usize::MAX,
            parts: None,
        };
        let value = writer.value(&node, path, 0).ok()??;
        Some((value, writer.lines))
    }
}

/// The line and what is wrong there.
type Wrong = (usize, String);

/// A value as written; an alias shares the value of its anchor.
#[derive(Debug)]
struct Node {
    line: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Null,
    Text(String),
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

#[derive(Debug)]
struct Entry {
    key: String,
    line: usize,
    value: Rc<Node>,
}

/// Events to nodes.
struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Rc<Node>>,
    /// There are keys `<<`.
    refers: bool,
    line: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            parser: Parser::new_from_str(text),
            anchors: HashMap::new(),
            refers: false,
            line: 1,
        }
    }

    fn document(&mut self) -> Result<Rc<Node>, Wrong> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                _ if root.is_some() => {
                    let message = "a second document begins here: one file holds one";
                    return Err((span.start.line(), message.to_owned()));
                }
                event => root = Some(self.node(event, span, 0)?),
            }
        }
        Ok(root.unwrap_or_else(|| {
            Rc::new(Node {
                line: 1,
                kind: Kind::Null,
            })
        }))
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Wrong> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.line = span.start.line();
                Ok((event, span))
            }
            Some(Err(error)) => Err((
                error.marker().line().max(1),
                format!("not YAML: {}", error.info()),
            )),
            None => Err((self.line, "not YAML: it ends too early".to_owned())),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Rc<Node>, Wrong> {
        let line = span.start.line();
        if depth > MAX_DEPTH {
            return Err((line, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let (kind, anchor) = match event {
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                return known.ok_or_else(|| (line, "an alias inside its own anchor".to_owned()));
            }
            Event::Scalar(text, style, anchor, _) => (scalar(text, style), anchor),
            Event::SequenceStart(anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(depth)?, anchor),
            _ => return Err((line, "not YAML: a value expected".to_owned())),
        };
        let node = Rc::new(Node { line, kind });
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Kind, Wrong> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Kind::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Kind, Wrong> {
        let mut entries = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Kind::Map(entries));
            }
            give_way();
            let line = span.start.line();
            let Some(key) = self.node(event, span, depth + 1)?.kind.as_key() else {
                return Err((line, "a key must be plain text".to_owned()));
            };
            self.refers |= key == "<<";
            if let Some(first) = seen.insert(key.clone(), line) {
                return Err((line, format!("key {key:?} is here twice: first on line {first}")));
            }
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            entries.push(Entry { key, line, value });
        }
    }
}

impl Kind {
    /// A scalar as a key; `null` is a word like any other there.
    fn as_key(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Null => Some("null".to_owned()),
            Self::List(_) | Self::Map(_) => None,
        }
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Kind {
    let plain = style == ScalarStyle::Plain;
    if plain && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL") {
        Kind::Null
    } else {
        Kind::Text(text.into_owned())
    }
}

/// Nodes to values; here aliases take up room.
struct Writer {
    lines: Lines,
    budget: usize,
    /// Where objects go that are to stay nodes.
    parts: Option<Parts>,
}

impl Writer {
    fn spend(&mut self, cost: usize, line: usize) -> Result<(), Wrong> {
        self.budget = self
            .budget
            .checked_sub(cost)
            .ok_or_else(|| (line, "aliases make this document too large".to_owned()))?;
        Ok(())
    }

    fn value(&mut self, node: &Node, path: &KeyPath<'_>, depth: usize) -> Result<Option<Value>, Wrong> {
        if depth > MAX_DEPTH {
            return Err((node.line, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        match &node.kind {
            Kind::Null => Ok(None),
            Kind::Text(text) => {
                self.spend(text.len(), node.line)?;
                Ok(Some(Value::from(text.as_str())))
            }
            Kind::List(nodes) => {
                let mut items = Vec::new();
                for node in nodes {
                    self.spend(COST, node.line)?;
                    let path = KeyPath::Index(path, items.len());
                    self.lines.insert(path.place(), node.line);
                    items.extend(self.value(node, &path, depth + 1)?);
                }
                Ok(Some(Value::Array(Tag::Default, items)))
            }
            Kind::Map(entries) => {
                let dict = self.map(entries, node.line, path, depth)?;
                Ok(Some(Value::Dict(Tag::Default, dict)))
            }
        }
    }

    fn map(
        &mut self,
        entries: &[Entry],
        line: usize,
        path: &KeyPath<'_>,
        depth: usize,
    ) -> Result<Dict, Wrong> {
        let mut dict = Dict::new();
        let (merges, own): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.key == "<<");
        for entry in own {
            self.entry(&mut dict, entry, path, depth)?;
        }
        for entry in merges {
            for source in merge_sources(entry)? {
                self.spend(COST, line)?;
                self.inherit(&mut dict, source, path, depth)?;
            }
        }
        Ok(dict)
    }

    fn entry(
        &mut self,
        dict: &mut Dict,
        entry: &Entry,
        path: &KeyPath<'_>,
        depth: usize,
    ) -> Result<(), Wrong> {
        self.spend(entry.key.len().saturating_add(COST), entry.line)?;
        let path = KeyPath::Key(path, &entry.key);
        self.lines.insert(path.place(), entry.line);
        let value = match &mut self.parts {
            Some(Parts(parts)) if path.is_object() && !matches!(entry.value.kind, Kind::Null) => {
                parts.push(Some((entry.line, entry.value.clone())));
                Some(Value::from(parts.len() - 1))
            }
            _ => self.value(&entry.value, &path, depth + 1)?,
        };
        if let Some(value) = value {
            dict.insert(entry.key.clone(), value);
        }
        Ok(())
    }

    /// Takes from `source` what `dict` lacks.
    fn inherit(
        &mut self,
        dict: &mut Dict,
        source: &Node,
        path: &KeyPath<'_>,
        depth: usize,
    ) -> Result<(), Wrong> {
        let Kind::Map(entries) = &source.kind else {
            return Err((source.line, "<< needs a block, or a list of blocks".to_owned()));
        };
        if depth > MAX_DEPTH {
            return Err((source.line, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        for entry in entries.iter().filter(|entry| entry.key != "<<") {
            if !dict.contains_key(&entry.key) {
                self.entry(dict, entry, path, depth)?;
            }
        }
        for entry in entries.iter().filter(|entry| entry.key == "<<") {
            for source in merge_sources(entry)? {
                self.spend(COST, source.line)?;
                self.inherit(dict, source, path, depth + 1)?;
            }
        }
        Ok(())
    }
}

/// The blocks behind a `<<` key, the strongest first.
fn merge_sources(entry: &Entry) -> Result<Vec<&Node>, Wrong> {
    match &entry.value.kind {
        Kind::Map(_) => Ok(vec![&entry.value]),
        Kind::List(nodes) => Ok(nodes.iter().map(Rc::as_ref).collect()),
        Kind::Null => Ok(Vec::new()),
        Kind::Text(_) => Err((entry.line, "<< needs a block, or a list of blocks".to_owned())),
    }
}

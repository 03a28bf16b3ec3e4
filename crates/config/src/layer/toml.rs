//! TOML to values and their lines.

use figment::value::{Dict, Tag, Value};
use toml_edit::{Document, Item, Table, TableLike};

use super::{
    KeyPath,
    places::{Lines, at_line},
};
use crate::origin::Problem;

/// Reads `text`.
pub(super) fn load(name: &str, text: &str) -> Result<(Dict, Lines), Problem> {
    let mut loader = Loader {
        line_starts: line_starts(text),
        lines: Lines::new(),
    };
    let document = Document::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| loader.line(span.start));
        Problem::new(at_line(name, line), "", format!("not TOML: {}", error.message()))
    })?;
    let table: &Table = document.as_table();
    let values = loader.table(table, &KeyPath::Root);
    Ok((values, loader.lines))
}

/// Where each line begins, in bytes.
fn line_starts(text: &str) -> Vec<usize> {
    let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(after_breaks).collect()
}

struct Loader {
    line_starts: Vec<usize>,
    lines: Lines,
}

impl Loader {
    /// The 1-based line of the byte at `offset`.
    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    fn place(&mut self, path: &KeyPath<'_>, offset: Option<usize>) {
        if let Some(offset) = offset {
            let line = self.line(offset);
            self.lines.insert(path.place(), line);
        }
    }

    fn table(&mut self, table: &dyn TableLike, path: &KeyPath<'_>) -> Dict {
        let mut dict = Dict::new();
        for (name, item) in table.iter() {
            let path = KeyPath::Key(path, name);
            let key = table.key(name).and_then(toml_edit::Key::span);
            self.place(&path, key.or_else(|| item.span()).map(|span| span.start));
            if let Some(value) = self.item(item, &path) {
                dict.insert(name.to_owned(), value);
            }
        }
        dict
    }

    fn item(&mut self, item: &Item, path: &KeyPath<'_>) -> Option<Value> {
        match item {
            Item::None => None,
            Item::Value(value) => Some(self.value(value, path)),
            Item::Table(table) => Some(Value::Dict(Tag::Default, self.table(table, path))),
            Item::ArrayOfTables(tables) => {
                let mut items = Vec::new();
                for (index, table) in tables.iter().enumerate() {
                    let path = KeyPath::Index(path, index);
                    self.place(&path, table.span().map(|span| span.start));
                    items.push(Value::Dict(Tag::Default, self.table(table, &path)));
                }
                Some(Value::Array(Tag::Default, items))
            }
        }
    }

    fn value(&mut self, value: &toml_edit::Value, path: &KeyPath<'_>) -> Value {
        match value {
            toml_edit::Value::String(text) => Value::from(text.value().as_str()),
            toml_edit::Value::Integer(number) => Value::from(*number.value()),
            toml_edit::Value::Float(number) => Value::from(*number.value()),
            toml_edit::Value::Boolean(flag) => Value::from(*flag.value()),
            toml_edit::Value::Datetime(time) => Value::from(time.value().to_string()),
            toml_edit::Value::InlineTable(table) => Value::Dict(Tag::Default, self.table(table, path)),
            toml_edit::Value::Array(array) => {
                let mut items = Vec::new();
                for (index, item) in array.iter().enumerate() {
                    let path = KeyPath::Index(path, index);
                    self.place(&path, item.span().map(|span| span.start));
                    items.push(self.value(item, &path));
                }
                Value::Array(Tag::Default, items)
            }
        }
    }
}

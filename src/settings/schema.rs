//! The tree of static options, read off the settings types themselves.
//!
//! Flags, variables, `--help` and the reference all need to know which options exist and of what shape. The
//! types already say so: a probing deserializer is sent down one path at a time, notes what the type asks for
//! there, and turns back. Nothing is decoded, so no value has to be made up.

use std::collections::BTreeMap;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor,
    value::StrDeserializer,
};

/// One place in the tree of options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// Named options; naming the block alone (`--api`) means the block with its defaults.
    Block(BTreeMap<&'static str, Self>),
    /// Blocks or values under names that users choose (`entryPoints.<name>`).
    Map(Box<Self>),
    /// A list; text is split at commas unless its items are blocks.
    List(Box<Self>),
    /// True or false.
    Switch,
    /// One of the words.
    Choice(&'static [&'static str]),
    /// Anything else that fits in one text.
    Value,
    /// An option of the manual that this version refuses by name.
    Refused,
    /// A block within a block of its own kind (`instances.<name>` of a provider): the same options again.
    Again(Box<Self>),
}

/// Deepest nesting that is followed.
const DEEPEST: usize = 10;

impl Node {
    /// The tree of `T`.
    pub(crate) fn of<T: DeserializeOwned>() -> Self {
        explore::<T>(&mut Vec::new(), &mut Vec::new())
    }

    /// The part below `segment` with its proper spelling, found without case.
    pub(crate) fn below(&self, segment: &str) -> Option<(String, &Self)> {
        match self {
            Self::Block(options) => options
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(segment))
                .map(|(name, node)| ((*name).to_owned(), node)),
            Self::Map(item) => Some((segment.to_owned(), item)),
            Self::List(item) => segment
                .parse::<usize>()
                .ok()
                .map(|index| (format!("[{index}]"), &**item)),
            Self::Again(block) => block.below(segment),
            Self::Switch | Self::Choice(_) | Self::Value | Self::Refused => None,
        }
    }

    /// Every option that takes a value, in dotted form; names that users choose read `<name>`.
    pub(crate) fn options(&self) -> Vec<(String, &Self)> {
        let mut options = Vec::new();
        self.collect("", &mut options);
        options
    }

    fn collect<'a>(&'a self, path: &str, options: &mut Vec<(String, &'a Self)>) {
        let join = |name: &str| {
            if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}.{name}")
            }
        };
        match self {
            // Nothing in it can be set: it is there or not.
            Self::Block(block) if block.values().all(|node| matches!(node, Self::Refused)) => {
                options.push((path.to_owned(), self))
            }
            Self::Block(block) => {
                for (name, node) in block {
                    node.collect(&join(name), options);
                }
            }
            Self::Map(item) => item.collect(&join("<name>"), options),
            Self::List(item) if matches!(**item, Self::Block(_)) => {
                item.collect(&format!("{path}[0]"), options)
            }
            Self::List(_) | Self::Switch | Self::Choice(_) | Self::Value | Self::Again(_) => {
                options.push((path.to_owned(), self));
            }
            Self::Refused => {}
        }
    }
}

/// The dotted form of a place in the tree; list items are written `a[0].b`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Path(String);

impl Path {
    /// Goes down to `segment`, in the spelling that [`Node::below`] gave.
    pub(crate) fn push(&mut self, segment: &str) {
        if !self.0.is_empty() && !segment.starts_with('[') {
            self.0.push('.');
        }
        self.0.push_str(segment);
    }
}

impl From<Path> for String {
    fn from(path: Path) -> Self {
        path.0
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Field(&'static str),
    Entry,
    Item,
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    Struct(&'static [&'static str]),
    Map,
    List,
    Switch,
    Choice(&'static [&'static str]),
    Value,
    Refused,
}

/// What tells one block from another: its fields.
type Fields = &'static [&'static str];

fn explore<T: DeserializeOwned>(path: &mut Vec<Step>, inside: &mut Vec<Fields>) -> Node {
    let mut shape = Shape::Value;
    // The answer is in `shape`; the probe always ends with an error, because it never holds a value.
    drop(T::deserialize(Probe {
        path,
        shape: &mut shape,
    }));
    let mut follow = |step, inside: &mut Vec<_>| {
        path.push(step);
        let node = explore::<T>(path, inside);
        path.pop();
        node
    };
    match shape {
        Shape::Struct(fields) => {
            let again = inside.iter().filter(|outer| **outer == fields).count();
            if again > 1 || inside.len() > DEEPEST {
                return Node::Block(BTreeMap::new());
            }
            inside.push(fields);
            let block = fields
                .iter()
                .map(|field| (*field, follow(Step::Field(field), inside)))
                .collect();
            inside.pop();
            if again > 0 {
                Node::Again(Box::new(Node::Block(block)))
            } else {
                Node::Block(block)
            }
        }
        Shape::Map => Node::Map(Box::new(follow(Step::Entry, inside))),
        Shape::List => Node::List(Box::new(follow(Step::Item, inside))),
        Shape::Switch => Node::Switch,
        Shape::Choice(words) => Node::Choice(words),
        Shape::Value => Node::Value,
        Shape::Refused => Node::Refused,
    }
}

struct Probe<'a> {
    path: &'a [Step],
    shape: &'a mut Shape,
}

type Turned = serde::de::value::Error;

impl Probe<'_> {
    fn note<T>(self, shape: Shape) -> Result<T, Turned> {
        if self.path.is_empty() {
            *self.shape = shape;
        }
        Err(Turned::custom("the probe turns back"))
    }
}

/// Notes `$shape` for every method that asks for it.
macro_rules! notes {
    ($($shape:ident: $($method:ident)*;)*) => {$($(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Turned> {
            self.note(Shape::$shape)
        }
    )*)*};
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Turned;

    notes! {
        Switch: deserialize_bool;
        Value: deserialize_any deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8
            deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 deserialize_char
            deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_unit
            deserialize_identifier;
        // A type that looks at nothing takes nothing.
        Refused: deserialize_ignored_any;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Turned> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Turned> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, Turned> {
        self.note(Shape::Value)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Turned> {
        match self.path.split_first() {
            Some((Step::Item, path)) => visitor.visit_seq(Only {
                key: "",
                probe: Some(Probe { path, ..self }),
            }),
            _ => self.note(Shape::List),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Turned> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Turned> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Turned> {
        match self.path.split_first() {
            Some((Step::Entry, path)) => visitor.visit_map(Only {
                key: "name",
                probe: Some(Probe { path, ..self }),
            }),
            _ => self.note(Shape::Map),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Turned> {
        match self.path.split_first() {
            Some((Step::Field(key), path)) => visitor.visit_map(Only {
                key,
                probe: Some(Probe { path, ..self }),
            }),
            _ => self.note(Shape::Struct(fields)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Turned> {
        self.note(Shape::Choice(variants))
    }
}

/// The one entry or item on the probe's way.
struct Only<'a> {
    key: &'static str,
    probe: Option<Probe<'a>>,
}

impl<'de> MapAccess<'de> for Only<'_> {
    type Error = Turned;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Turned> {
        match self.probe {
            Some(_) => seed.deserialize(StrDeserializer::new(self.key)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Turned> {
        let probe = self
            .probe
            .take()
            .ok_or_else(|| Turned::custom("no entry is left"))?;
        seed.deserialize(probe)
    }
}

impl<'de> SeqAccess<'de> for Only<'_> {
    type Error = Turned;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Turned> {
        self.probe.take().map(|probe| seed.deserialize(probe)).transpose()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Inner {
        #[serde(with = "mesh_config::duration")]
        wait: Duration,
        is_on: bool,
        again: BTreeMap<String, Self>,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Outer {
        named: BTreeMap<String, Inner>,
        maybe: Option<Inner>,
        words: Vec<String>,
        listed: Vec<Inner>,
    }

    /// A small tree with one of everything.
    pub(crate) fn tree() -> Node {
        Node::of::<Outer>()
    }

    #[test]
    fn the_tree_follows_options_maps_lists_and_stops_at_a_block_inside_itself() {
        let tree = tree();
        let options: Vec<_> = tree.options().into_iter().map(|(path, _)| path).collect();
        // `again` holds blocks of its own kind: they have the same options and are not listed twice.
        let inner = ["again.<name>", "isOn", "wait"];
        let expected: Vec<_> = ["listed[0].", "maybe.", "named.<name>."]
            .iter()
            .flat_map(|outer| inner.iter().map(move |name| format!("{outer}{name}")))
            .chain(["words".to_owned()])
            .collect();
        assert_eq!(options, expected);
    }

    #[test]
    fn names_are_found_without_case_and_spelled_properly() {
        let tree = tree();
        let (name, inner) = tree.below("MAYBE").unwrap();
        assert_eq!(name, "maybe");
        assert_eq!(inner.below("ison").unwrap(), ("isOn".to_owned(), &Node::Switch));
    }
}

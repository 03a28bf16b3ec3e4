//! Layers over each other.

use std::{borrow::Cow, fmt, sync::OnceLock};

use figment::{
    Figment, Provider,
    value::{Dict, Tag, Value},
};
use serde::de::DeserializeOwned;

use super::{
    KeyPath, Layer, Numbered,
    decode::{self, Decoded},
    pairs::{ITSELF, spelled},
};
use crate::origin::{Origin, Problem};

/// Layers, weakest first; keys that differ only by case are one key, in the first spelling.
///
/// Blocks merge, lists and single values of a later layer replace. A later `true` for a block that an earlier
/// layer filled leaves the block as it is; `false` takes it away.
#[derive(Default)]
pub struct Layers {
    pub(super) layers: Vec<Layer>,
    merged: OnceLock<Merged>,
}

impl Layers {
    /// No layers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `layer` over the others.
    pub fn push(&mut self, layer: Layer) {
        self.layers.push(layer);
        self.merged = OnceLock::new();
    }

    /// True when no layer sets anything.
    pub fn is_empty(&self) -> bool {
        self.layers.iter().all(Layer::is_empty)
    }

    /// Takes the root section `key` out of every layer. The result holds it under its key, so that problems go
    /// on naming it; it is empty when no layer has the section.
    pub fn take(&mut self, key: &str) -> Self {
        let mut taken = Self::new();
        for layer in &mut self.layers {
            let (section, rest): (Dict, Dict) = std::mem::take(&mut layer.values)
                .into_iter()
                .partition(|(name, _)| name.eq_ignore_ascii_case(key));
            layer.values = rest;
            taken.push(Layer {
                values: section,
                ..layer.clone_without_values()
            });
        }
        self.merged = OnceLock::new();
        taken
    }

    /// Decodes into `T`.
    ///
    /// # Errors
    /// All problems, each with its place, its key, what is wrong and what is allowed.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Vec<Problem>> {
        self.decode_noting().0
    }

    /// Decodes into `T`, and tells which keys of [tolerant](Layer::tolerant) layers were left out as unknown.
    pub fn decode_noting<T: DeserializeOwned>(&self) -> (Result<T, Vec<Problem>>, Vec<Problem>) {
        let mut decoded = self.merged().decode(Lists::Commas);
        let left_out = std::mem::take(&mut decoded.left_out);
        let result = decoded.whole();
        if left_out.is_empty() {
            return (result, Vec::new());
        }
        // A block that holds nothing but unknown keys must not count as configured, so they go before the merge.
        let mut pruned = Self::new();
        let mut fewer = false;
        for layer in &self.layers {
            let mut layer = layer.clone();
            if layer.tolerant {
                for (place, _) in &left_out {
                    fewer |= prune(&mut layer.values, place);
                }
            }
            pruned.push(layer);
        }
        let (result, more) = if fewer {
            pruned.decode_noting()
        } else {
            (result, Vec::new())
        };
        let left_out = left_out.into_iter().map(|(_, problem)| problem);
        (result, left_out.chain(more).collect())
    }

    /// Where the value at the dotted `path` was written.
    pub fn origin_of(&self, path: &str) -> Origin {
        let merged = self.merged();
        let mut value = &merged.root;
        let mut found = Vec::new();
        for part in path.split('.') {
            let next = match value {
                Value::Dict(_, dict) => dict.get(&spelled(dict, part)),
                Value::Array(_, items) => part.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => None,
            };
            let Some(next) = next else { break };
            found.push(part);
            value = next;
        }
        if found.is_empty() {
            return Origin::default();
        }
        merged.origin(value, &found.join(".").to_ascii_lowercase())
    }

    /// To be called after layers changed.
    pub(super) fn forget_merged(&mut self) {
        self.merged = OnceLock::new();
    }

    pub(crate) fn merged(&self) -> &Merged {
        self.merged.get_or_init(|| Merged::new(&self.layers))
    }
}

/// Shows names only: values may be secret.
impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.layers).finish()
    }
}

impl Layer {
    fn clone_without_values(&self) -> Self {
        Self {
            name: self.name.clone(),
            values: Dict::new(),
            places: self.places.clone(),
            tolerant: self.tolerant,
            moved: self.moved.clone(),
        }
    }
}

/// Removes the value at `place`, and blocks that are empty without it. False if there was none.
pub(super) fn prune(dict: &mut Dict, place: &str) -> bool {
    let Some((first, rest)) = place.split_once('.') else {
        return dict.remove(&spelled(dict, place)).is_some();
    };
    let key = spelled(dict, first);
    let Some(Value::Dict(_, inner)) = dict.get_mut(&key) else {
        return false;
    };
    let removed = prune(inner, rest);
    if inner.is_empty() {
        dict.remove(&key);
    }
    removed
}

/// How text becomes a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lists {
    /// Items end at commas.
    Commas,
    /// Items end at commas and blanks: tags cannot hold commas everywhere.
    CommasAndBlanks,
}

/// All layers in one value.
pub(crate) struct Merged {
    /// The value; every part of it knows its layer.
    pub(crate) root: Value,
    /// Knows the layer of a value. `None` where there is one layer and nothing was merged.
    figment: Option<Figment>,
    layers: Vec<Layer>,
}

impl Merged {
    pub(crate) fn new(layers: &[Layer]) -> Self {
        let mut figment = Figment::new();
        for (number, layer) in layers.iter().enumerate() {
            let mut values = layer.values.clone();
            if number > 0 {
                align(&mut values, &root_of(&figment));
            }
            let name = layer.name.clone();
            figment = figment.merge(Numbered { number, name, values });
        }
        let layers = layers.iter().map(Layer::clone_without_values).collect();
        let root = Value::Dict(Tag::Default, root_of(&figment));
        Self {
            root,
            figment: Some(figment),
            layers,
        }
    }

    /// `layer` alone. Merging copies values several times over, and a document may be large.
    pub(crate) fn single(mut layer: Layer) -> Self {
        let values = std::mem::take(&mut layer.values);
        Self {
            root: Value::Dict(Tag::Default, values),
            figment: None,
            layers: vec![layer],
        }
    }

    /// Takes the value out: whoever has it can free its parts one by one.
    pub(crate) fn take_root(&mut self) -> Value {
        std::mem::replace(&mut self.root, Value::Dict(Tag::Default, Dict::new()))
    }

    /// Decodes the whole into `T`.
    pub(crate) fn decode<T: DeserializeOwned>(&self, lists: Lists) -> Decoded<T> {
        decode::decode(self, &self.root, &KeyPath::Root, lists)
    }

    /// Decodes one part of it, which lies at `path`.
    pub(crate) fn decode_part<T: DeserializeOwned>(
        &self,
        value: &Value,
        path: &KeyPath<'_>,
        lists: Lists,
    ) -> Result<T, Vec<Problem>> {
        self.read_part(value, path, lists).whole()
    }

    /// The same, with what can be read of it where it is broken.
    pub(crate) fn read_part<T: DeserializeOwned>(
        &self,
        value: &Value,
        path: &KeyPath<'_>,
        lists: Lists,
    ) -> Decoded<T> {
        decode::decode(self, value, path, lists)
    }

    /// Where `value`, which lies at `place`, was written.
    pub(crate) fn origin(&self, value: &Value, place: &str) -> Origin {
        self.layer_of(value)
            .map_or_else(Origin::default, |layer| layer.places.of(&layer.written_at(place)))
    }

    /// The same of an object at `path`, with the places of its options down to `depth` blocks below it.
    pub(crate) fn origin_with_options(&self, value: &Value, path: &KeyPath<'_>, depth: usize) -> Origin {
        let place = path.place();
        let mut places = Vec::new();
        self.places_below(value, (&place, ""), depth, &mut places);
        self.origin(value, &place).knowing(places)
    }

    fn places_below(
        &self,
        value: &Value,
        (object, key): (&str, &str),
        depth: usize,
        places: &mut Vec<(String, Origin)>,
    ) {
        let Some(depth) = depth.checked_sub(1) else { return };
        let entries: Vec<(Cow<'_, str>, &Value)> = match value {
            Value::Dict(_, dict) => dict.iter().map(|(key, value)| (key.into(), value)).collect(),
            Value::Array(_, items) => {
                let numbered = items.iter().enumerate();
                numbered
                    .map(|(number, value)| (number.to_string().into(), value))
                    .collect()
            }
            _ => return,
        };
        for (name, value) in entries {
            let separator = if key.is_empty() { "" } else { "." };
            let key = format!("{key}{separator}{}", name.to_ascii_lowercase());
            self.places_below(value, (object, &key), depth, places);
            let place = self.origin(value, &format!("{object}.{key}"));
            places.push((key, place));
        }
    }

    /// True if an unknown key with this value is no error.
    pub(super) fn is_tolerated(&self, value: &Value) -> bool {
        self.layer_of(value).is_some_and(|layer| layer.tolerant)
    }

    fn layer_of(&self, value: &Value) -> Option<&Layer> {
        let Some(figment) = &self.figment else {
            return self.layers.first();
        };
        let source = figment.get_metadata(value.tag())?.source.as_ref()?;
        self.layers.get(source.custom()?.parse::<usize>().ok()?)
    }
}

fn root_of(figment: &Figment) -> Dict {
    // Our layers never fail, so neither does their sum.
    let profiles = figment.data().unwrap_or_default();
    profiles.into_values().next().unwrap_or_default()
}

/// True for a list that was written item by item: for a list, `1` is an item.
fn is_list(dict: &Dict) -> bool {
    dict.keys()
        .all(|key| key.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Spells the keys of `values` as `below` does, and drops a bare `true` for a block that `below` has.
fn align(values: &mut Dict, below: &Dict) {
    for (name, mut value) in std::mem::take(values) {
        let key = spelled(below, &name);
        match (&mut value, below.get(&key)) {
            (Value::Dict(_, inner), Some(Value::Dict(_, below))) => {
                if matches!(inner.get(ITSELF), Some(Value::String(_, text)) if decode::flag(text) == Some(true))
                {
                    inner.remove(ITSELF);
                }
                align(inner, below);
            }
            (Value::String(_, text), Some(Value::Dict(_, below)))
                if decode::flag(text) == Some(true) && !is_list(below) =>
            {
                continue;
            }
            (Value::Bool(_, true), Some(Value::Dict(..))) => continue,
            _ => {}
        }
        values.insert(key, value);
    }
}

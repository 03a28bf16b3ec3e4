//! Blocks that inherit from the block around them: several providers of one kind.

use std::{collections::BTreeMap, sync::Arc};

use figment::value::{Dict, Tag, Value};

use super::{
    Layer, Layers,
    merged::prune,
    pairs::{ITSELF, spelled},
};

impl Layers {
    /// Takes the blocks at `outer.key.<name>` out. Each comes back under its name as layers of its own, in which
    /// it stands at `outer`, over what `outer` itself holds. Values go on knowing where they were written.
    pub fn take_inheriting(&mut self, outer: &str, key: &str) -> BTreeMap<String, Self> {
        let inner = format!("{outer}.{key}");
        let merged = self.merged();
        let names: Vec<String> = match find(&merged.root, &inner) {
            Some(Value::Dict(_, blocks)) => blocks.keys().filter(|name| *name != ITSELF).cloned().collect(),
            _ => Vec::new(),
        };
        let with_inner: Vec<Layer> = self.layers.clone();
        for layer in &mut self.layers {
            prune(&mut layer.values, &inner);
        }
        self.forget_merged();
        let shared = self.layers.clone();
        let instance = |name: &str| {
            let from = format!("{inner}.{name}");
            let moved = with_inner.iter().filter_map(|layer| layer.moved(&from, outer));
            let mut layers = Self::new();
            for layer in shared.iter().cloned().chain(moved) {
                layers.push(layer);
            }
            layers
        };
        names.iter().map(|name| (name.clone(), instance(name))).collect()
    }
}

impl Layer {
    /// What the layer holds at `from`, standing at `to`.
    fn moved(&self, from: &str, to: &str) -> Option<Self> {
        let root = Value::Dict(Tag::Default, self.values.clone());
        let Some(Value::Dict(_, block)) = find(&root, from) else {
            return None;
        };
        let nested = to.rsplit('.').fold(block.clone(), |inner, part| {
            Dict::from([(part.to_owned(), Value::Dict(Tag::Default, inner))])
        });
        Some(Self {
            values: nested,
            moved: Some((
                Arc::from(to.to_ascii_lowercase()),
                Arc::from(from.to_ascii_lowercase()),
            )),
            ..self.clone()
        })
    }

    /// The place at which the value that now stands at `place` was written.
    pub(super) fn written_at(&self, place: &str) -> String {
        match &self.moved {
            Some((to, from)) => match place.strip_prefix(&**to) {
                Some(rest) => format!("{from}{rest}"),
                None => place.to_owned(),
            },
            None => place.to_owned(),
        }
    }
}

fn find<'a>(root: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(root, |value, part| match value {
        Value::Dict(_, dict) => dict.get(&spelled(dict, part)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{layer::Format, origin::Origin};

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Root {
        a: Option<A>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct A {
        b: Option<B>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct B {
        x: u32,
        y: u32,
    }

    fn layers() -> Layers {
        let text =
            "a:\n  b:\n    x: 1\n    y: 2\n    instances:\n      East:\n        y: 3\n      west: {}\n";
        let mut layers = Layers::new();
        layers.push(Layer::parse("s.yml", text, Format::Yaml).unwrap());
        let pair = (
            "a.b.instances.east.x".to_owned(),
            "4".to_owned(),
            Origin::new("VARIABLE"),
        );
        layers.push(Layer::pairs("environment", [pair]));
        layers
    }

    #[test]
    fn an_inner_block_inherits_what_it_does_not_say_itself() {
        let mut layers = layers();
        let inner = layers.take_inheriting("a.b", "instances");
        let b = |layers: &Layers| layers.decode::<Root>().unwrap().a.unwrap().b.unwrap();
        assert_eq!(b(&layers), B { x: 1, y: 2 });
        assert_eq!(inner.keys().collect::<Vec<_>>(), ["East", "west"]);
        assert_eq!(b(&inner["East"]), B { x: 4, y: 3 });
        assert_eq!(b(&inner["west"]), B { x: 1, y: 2 });
    }

    #[test]
    fn a_problem_of_an_inner_block_names_the_place_where_it_was_written() {
        let mut layers = Layers::new();
        let text = "a:\n  b:\n    x: 1\n    instances:\n      east:\n        y: no number\n";
        layers.push(Layer::parse("s.yml", text, Format::Yaml).unwrap());
        let inner = layers.take_inheriting("a.b", "instances");
        let problems = inner["east"].decode::<Root>().unwrap_err();
        assert_eq!(problems[0].origin, Origin::new("s.yml:6"));
    }
}

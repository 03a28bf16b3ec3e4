//! The options of a type, found by decoding it from nothing: so help and reference cannot forget one.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{
    Serialize,
    de::{
        DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess,
        SeqAccess, VariantAccess, Visitor, value::StrDeserializer,
    },
};

/// Deepest nesting that is followed; a type that contains itself ends there.
const MAX_DEPTH: usize = 12;

/// Runs after which no more variants are looked for.
const MAX_RUNS: usize = 500;

/// One option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its dotted path; `<name>` stands for a name of the user's, `[]` for the items of a list of blocks.
    pub path: String,
    /// What it takes: `text`, `number`, `true or false`, the words of an enum, ...
    pub takes: String,
}

/// All options of `T`, sorted by path.
pub fn fields<T: DeserializeOwned>() -> Vec<Field> {
    let notes = RefCell::new(Notes::default());
    for _ in 0..MAX_RUNS {
        let before = notes.borrow().size();
        let done = T::deserialize(Walker::new(String::new(), &notes)).is_ok();
        let all_variants = notes.borrow().variants.values().all(|left| *left == 0);
        if (done && all_variants) || notes.borrow().size() == before {
            break;
        }
    }
    let found = notes.into_inner().found.into_iter();
    found.map(|(path, takes)| Field { path, takes }).collect()
}

/// The defaults of `T` by dotted path, as far as `T` writes them.
pub fn defaults<T: Default + Serialize>() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    if let Ok(value) = serde_json::to_value(T::default()) {
        flatten(String::new(), &value, &mut found);
    }
    found
}

fn flatten(path: String, value: &serde_json::Value, found: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                flatten(below(&path, key), value, found);
            }
        }
        serde_json::Value::Null => {}
        serde_json::Value::String(text) => drop(found.insert(path, text.clone())),
        other => drop(found.insert(path, other.to_string())),
    }
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

#[derive(Default)]
struct Notes {
    found: BTreeMap<String, String>,
    /// Values that cannot be made up; the next run leaves them out.
    failing: BTreeSet<String>,
    /// Variants of enums that are still to be followed.
    variants: BTreeMap<String, usize>,
}

impl Notes {
    /// Changes with every step forward.
    fn size(&self) -> (usize, usize, usize, usize) {
        let left = self.variants.values().sum();
        (self.found.len(), self.failing.len(), self.variants.len(), left)
    }
}

/// Why no value could be made up.
#[derive(Debug)]
enum Stuck {
    /// The value at hand.
    Here,
    /// A value within, which is noted already.
    Within,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no value can be made up")
    }
}

impl std::error::Error for Stuck {}

impl serde::de::Error for Stuck {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Here
    }
}

/// Gives a type whatever it asks for, and notes what that was.
#[derive(Clone)]
struct Walker<'a> {
    path: String,
    depth: usize,
    notes: &'a RefCell<Notes>,
    /// What is found is a secret.
    secret: bool,
}

impl<'a> Walker<'a> {
    fn new(path: String, notes: &'a RefCell<Notes>) -> Self {
        Self {
            path,
            depth: 0,
            notes,
            secret: false,
        }
    }

    fn at(&self, path: String) -> Self {
        Self {
            path,
            depth: self.depth + 1,
            ..self.clone()
        }
    }

    fn found(&self, takes: &str) {
        let path = self.path.strip_suffix("[]");
        let (path, takes) = match path {
            Some(path) => (path, format!("list of {takes}")),
            None if self.secret => (self.path.as_str(), "secret".to_owned()),
            None => (self.path.as_str(), takes.to_owned()),
        };
        self.notes.borrow_mut().found.insert(path.to_owned(), takes);
    }

    fn is_failing(&self, path: &str) -> bool {
        self.depth >= MAX_DEPTH || self.notes.borrow().failing.contains(path)
    }

    fn part<'de, S: DeserializeSeed<'de>>(&self, path: String, seed: S) -> Result<S::Value, Stuck> {
        seed.deserialize(self.at(path.clone())).map_err(|stuck| {
            if matches!(stuck, Stuck::Here) {
                self.notes.borrow_mut().failing.insert(path);
            }
            Stuck::Within
        })
    }

    /// The variant whose turn it is: the last one that is not yet done.
    fn variant(&self, variants: &'static [&'static str]) -> Result<&'static str, Stuck> {
        let mut notes = self.notes.borrow_mut();
        let Notes {
            variants: all,
            failing,
            ..
        } = &mut *notes;
        let left = all.entry(self.path.clone()).or_insert(variants.len());
        while let Some(last) = left.checked_sub(1) {
            let variant = variants.get(last).copied().ok_or(Stuck::Here)?;
            if !failing.contains(&below(&self.path, variant)) {
                return Ok(variant);
            }
            *left = last;
        }
        variants.first().copied().ok_or(Stuck::Here)
    }

    fn variant_is_done(&self) {
        if let Some(left) = self.notes.borrow_mut().variants.get_mut(&self.path) {
            *left = left.saturating_sub(1);
        }
    }
}

macro_rules! leaves {
    ($($method:ident $takes:literal $visit:ident $value:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stuck> {
            self.found($takes);
            visitor.$visit($value)
        }
    )*};
}

impl<'de> Deserializer<'de> for Walker<'_> {
    type Error = Stuck;

    leaves! {
        deserialize_any "value" visit_str "1s";
        deserialize_bool "true or false" visit_bool false;
        deserialize_i8 "number" visit_i8 1;
        deserialize_i16 "number" visit_i16 1;
        deserialize_i32 "number" visit_i32 1;
        deserialize_i64 "number" visit_i64 1;
        deserialize_u8 "number" visit_u8 1;
        deserialize_u16 "number" visit_u16 1;
        deserialize_u32 "number" visit_u32 1;
        deserialize_u64 "number" visit_u64 1;
        deserialize_f32 "number" visit_f32 1.0;
        deserialize_f64 "number" visit_f64 1.0;
        deserialize_char "character" visit_char 'a';
        deserialize_str "text" visit_str "a";
        deserialize_string "text" visit_str "a";
        deserialize_identifier "text" visit_str "a";
        deserialize_bytes "text" visit_bytes b"a";
        deserialize_byte_buf "text" visit_bytes b"a";
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stuck> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stuck> {
        self.found("{}");
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stuck> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stuck> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stuck> {
        let secret = name == "Secret";
        visitor.visit_newtype_struct(Self { secret, ..self })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stuck> {
        let item = Some(format!("{}[]", self.path));
        visitor.visit_seq(One { around: self, item })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Stuck> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Stuck> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stuck> {
        visitor.visit_map(Keys::of(self, &["<name>"]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stuck> {
        if fields.is_empty() {
            self.found("{}");
        }
        visitor.visit_map(Keys::of(self, fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stuck> {
        let variant = self.variant(variants)?;
        visitor.visit_enum(Variant {
            around: self,
            variant,
            variants,
        })
    }
}

/// The fields of a struct, or the one entry of a map.
struct Keys<'a> {
    around: Walker<'a>,
    keys: std::slice::Iter<'static, &'static str>,
    current: String,
}

impl<'a> Keys<'a> {
    fn of(around: Walker<'a>, keys: &'static [&'static str]) -> Self {
        Self {
            around,
            keys: keys.iter(),
            current: String::new(),
        }
    }
}

impl<'de> MapAccess<'de> for Keys<'_> {
    type Error = Stuck;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Stuck> {
        for key in self.keys.by_ref() {
            self.current = below(&self.around.path, key);
            if !self.around.is_failing(&self.current) {
                let name: StrDeserializer<'_, Stuck> = key.into_deserializer();
                return seed.deserialize(name).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stuck> {
        self.around.part(std::mem::take(&mut self.current), seed)
    }
}

/// The one item of a list.
struct One<'a> {
    around: Walker<'a>,
    item: Option<String>,
}

impl<'de> SeqAccess<'de> for One<'_> {
    type Error = Stuck;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stuck> {
        match self.item.take() {
            Some(path) if !self.around.is_failing(&path) => self.around.part(path, seed).map(Some),
            _ => Ok(None),
        }
    }
}

/// The variant whose turn it is.
struct Variant<'a> {
    around: Walker<'a>,
    variant: &'static str,
    variants: &'static [&'static str],
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Stuck;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Stuck> {
        let name: StrDeserializer<'_, Stuck> = self.variant.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Stuck;

    fn unit_variant(self) -> Result<(), Stuck> {
        self.around.found(&self.variants.join(", "));
        self.around.variant_is_done();
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Stuck> {
        let path = below(&self.around.path, self.variant);
        let content = self.around.part(path, seed)?;
        self.around.variant_is_done();
        Ok(content)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Stuck> {
        Err(Stuck::custom("no settings are written as tuples"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stuck> {
        let path = below(&self.around.path, self.variant);
        let content = self.around.at(path).deserialize_struct("", fields, visitor)?;
        self.around.variant_is_done();
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Middleware, Router, Service};

    fn paths<T: DeserializeOwned>() -> Vec<String> {
        fields::<T>().into_iter().map(|field| field.path).collect()
    }

    #[test]
    fn every_option_of_a_router_is_found() {
        let found = fields::<Router>();
        let shown: Vec<_> = found
            .iter()
            .map(|field| format!("{}: {}", field.path, field.takes))
            .collect();
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn options_behind_values_that_cannot_be_made_up_are_found() {
        let found = paths::<BTreeMap<String, Service>>();
        for path in [
            "<name>.loadBalancer.servers[].url",
            "<name>.loadBalancer.servers[].weight",
            "<name>.loadBalancer.healthCheck.headers.<name>",
            "<name>.loadBalancer.healthCheck.unhealthyInterval",
            "<name>.loadBalancer.responseForwarding.flushInterval",
            "<name>.weighted.services[].name",
            "<name>.middlewares",
        ] {
            assert!(
                found.iter().any(|known| known == path),
                "{path} is not in {found:#?}"
            );
        }
    }

    #[test]
    fn every_variant_is_followed() {
        let found = paths::<Middleware>();
        assert!(found.contains(&"addPrefix.prefix".to_owned()), "{found:?}");
        assert!(found.contains(&"stripPrefix.prefixes".to_owned()), "{found:?}");
    }

    #[test]
    fn defaults_are_by_path() {
        let defaults = defaults::<crate::model::ServersTransport>();
        assert_eq!(defaults["forwardingTimeouts.dialTimeout"], "30s");
        assert_eq!(defaults["maxIdleConnsPerHost"], "200");
    }
}

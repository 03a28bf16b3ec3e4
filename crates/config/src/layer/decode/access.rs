//! The insides of blocks, lists and enums.

use std::borrow::Cow;

use figment::value::{Dict, Value};
use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
    value::StrDeserializer,
};

use super::{
    Failure,
    decoder::{Decoder, NOTHING},
    scalar, suggestion,
};
use crate::layer::{KeyPath, pairs::ITSELF};

/// Decodes the part of `around` at `path`, and notes its failure there.
fn part<'de, S: DeserializeSeed<'de>>(
    around: Decoder<'_>,
    value: &Value,
    path: &KeyPath<'_>,
    seed: S,
) -> Result<S::Value, Failure> {
    let decoder = Decoder::new(value, path, around.context);
    around.context.secret.set(false);
    decoder.settle(seed.deserialize(decoder))
}

fn name_of<E: serde::de::Error>(name: &str) -> StrDeserializer<'_, E> {
    name.into_deserializer()
}

/// A block as a struct: keys match its fields without case.
pub(super) struct Fields<'a> {
    block: Decoder<'a>,
    entries: std::vec::IntoIter<(&'static str, &'a str, &'a Value)>,
    current: Option<(&'a str, &'a Value)>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(block: Decoder<'a>, dict: &'a Dict, fields: &'static [&'static str]) -> Self {
        let mut entries: Vec<(&'static str, &'a str, &'a Value)> = Vec::with_capacity(dict.len());
        for (key, value) in dict {
            let path = KeyPath::Key(block.path, key);
            if block.context.is_broken(&path) {
                continue;
            }
            if key == ITSELF {
                let flag = scalar::text(value).and_then(|text| scalar::flag(&text));
                let message = match flag {
                    Some(true) => continue,
                    Some(false) => "switched off, and settings below it are given as well",
                    None => "text found, and settings below it as well",
                };
                let help = "leave one of both out".to_owned();
                block.context.note(value, &path, message.to_owned(), Some(help));
                continue;
            }
            let Some(field) = fields.iter().find(|field| field.eq_ignore_ascii_case(key)) else {
                block.context.note_unknown(value, &path, suggestion(key, fields));
                continue;
            };
            match entries.iter().find(|(known, _, _)| known == field) {
                Some((_, first, _)) => {
                    let message = format!("here twice, as {first} and {key}");
                    block.context.note(value, &path, message, None);
                }
                None => entries.push((field, key, value)),
            }
        }
        Self {
            block,
            entries: entries.into_iter(),
            current: None,
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let Some((field, key, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.current = Some((key, value));
        seed.deserialize(name_of(field)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let (key, value) = self.current.take().ok_or(Failure::Noted)?;
        part(self.block, value, &KeyPath::Key(self.block.path, key), seed)
    }
}

/// A block as a map: keys are names and stay as written.
pub(super) struct Names<'a> {
    block: Decoder<'a>,
    entries: std::collections::btree_map::Iter<'a, String, Value>,
    current: Option<(&'a str, &'a Value)>,
}

impl<'a> Names<'a> {
    pub(super) fn of(block: Decoder<'a>, dict: &'a Dict) -> Self {
        Self {
            block,
            entries: dict.iter(),
            current: None,
        }
    }
}

impl<'de> MapAccess<'de> for Names<'_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        for (key, value) in self.entries.by_ref() {
            let path = KeyPath::Key(self.block.path, key);
            if key == ITSELF || self.block.context.is_broken(&path) {
                continue;
            }
            let decoder = Decoder::new(value, &path, self.block.context);
            self.current = Some((key, value));
            return decoder.settle(seed.deserialize(name_of(key))).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let (key, value) = self.current.take().ok_or(Failure::Noted)?;
        part(self.block, value, &KeyPath::Key(self.block.path, key), seed)
    }
}

/// A list.
pub(super) struct Items<'a> {
    list: Decoder<'a>,
    items: std::vec::IntoIter<(usize, Cow<'a, Value>)>,
}

impl<'a> Items<'a> {
    pub(super) fn of(list: Decoder<'a>, items: impl IntoIterator<Item = (usize, &'a Value)>) -> Self {
        let items = items
            .into_iter()
            .map(|(index, value)| (index, Cow::Borrowed(value)));
        Self {
            list,
            items: items.collect::<Vec<_>>().into_iter(),
        }
    }

    pub(super) fn owned(list: Decoder<'a>, items: Vec<Value>) -> Self {
        let items = items.into_iter().map(Cow::Owned).enumerate();
        Self {
            list,
            items: items.collect::<Vec<_>>().into_iter(),
        }
    }
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        for (index, value) in self.items.by_ref() {
            let path = KeyPath::Index(self.list.path, index);
            if !self.list.context.is_broken(&path) {
                return part(self.list, &value, &path, seed).map(Some);
            }
        }
        Ok(None)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// A variant and its content, if any was written.
pub(super) struct Choice<'a> {
    around: Decoder<'a>,
    variant: &'static str,
    content: Option<(&'a str, &'a Value)>,
}

impl<'a> Choice<'a> {
    /// `{stripPrefix: {…}}`
    pub(super) fn with_content(
        around: Decoder<'a>,
        name: &'a str,
        value: &'a Value,
        variants: &'static [&'static str],
    ) -> Result<Self, Failure> {
        let Some(variant) = variants.iter().find(|known| known.eq_ignore_ascii_case(name)) else {
            let path = KeyPath::Key(around.path, name);
            around.context.note(
                value,
                &path,
                "unknown key".to_owned(),
                Some(suggestion(name, variants)),
            );
            return Err(Failure::Noted);
        };
        Ok(Self {
            around,
            variant,
            content: Some((name, value)),
        })
    }

    /// `wrr`
    pub(super) fn bare(
        around: Decoder<'a>,
        text: &str,
        variants: &'static [&'static str],
    ) -> Result<Self, Failure> {
        let Some(variant) = variants.iter().find(|known| known.eq_ignore_ascii_case(text)) else {
            let message = format!("{} is not known here", scalar::quote(text));
            return Err(Failure::said(message).with_help(suggestion(text, variants)));
        };
        Ok(Self {
            around,
            variant,
            content: None,
        })
    }
}

impl<'de> EnumAccess<'de> for Choice<'_> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Failure> {
        let variant = seed.deserialize(name_of(self.variant))?;
        Ok((variant, self))
    }
}

impl Choice<'_> {
    /// Decodes the content with `decode`, and notes its failure there.
    fn content<T>(&self, decode: impl FnOnce(Decoder<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
        let (name, value) = self.content.unwrap_or((self.variant, &NOTHING));
        let path = KeyPath::Key(self.around.path, name);
        let decoder = Decoder::new(value, &path, self.around.context);
        decoder.settle(decode(decoder))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        self.content(|content| serde::Deserialize::deserialize(content))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Failure> {
        self.content(|content| seed.deserialize(content))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Failure> {
        self.content(|content| serde::Deserializer::deserialize_seq(content, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.content(|content| serde::Deserializer::deserialize_struct(content, "", fields, visitor))
    }
}

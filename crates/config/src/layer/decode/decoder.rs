//! The decoder of one value.

use figment::value::{Dict, Tag, Value};
use serde::de::{Deserializer, Error as _, Visitor};

use super::{
    Context, Failure, Lists,
    access::{Choice, Fields, Items, Names},
    listed, scalar,
};
use crate::{
    layer::{KeyPath, pairs::ITSELF},
    redact::Shown,
};

/// Decodes one value, which lies at `path`.
#[derive(Clone, Copy)]
pub(super) struct Decoder<'a> {
    pub(super) value: &'a Value,
    pub(super) path: &'a KeyPath<'a>,
    pub(super) context: &'a Context<'a>,
    /// The type may be absent, so `false` for a block is no error.
    optional: bool,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(value: &'a Value, path: &'a KeyPath<'a>, context: &'a Context<'a>) -> Self {
        Self {
            value,
            path,
            context,
            optional: false,
        }
    }

    /// Notes the failure of this value, unless it was noted further in.
    pub(super) fn settle<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        result.map_err(|failure| {
            match failure {
                Failure::Said { message, help } => {
                    let message = self.with_value(message);
                    self.context.note(self.value, self.path, message, help);
                }
                Failure::SwitchedOff => self.context.switch_off(self.path),
                Failure::Noted => {}
            }
            Failure::Noted
        })
    }

    /// Messages of foreign types do not always say what they found; those that do begin with it in quotes, or
    /// show too much of it.
    fn with_value(&self, message: String) -> String {
        let Some(text) = scalar::text(self.value).filter(|_| !self.context.secret.get()) else {
            return message;
        };
        let text = text.trim();
        let shown = Shown::of(text);
        let message = shown.within(message, text);
        if message.starts_with('"') || message.contains(&shown.text) {
            return message;
        }
        format!("{}: {message}", scalar::quote(text))
    }

    /// The entries of a block. Text can stand for one: `true` for a block of defaults, `false` for none.
    fn block(&self) -> Result<&'a Dict, Failure> {
        static EMPTY: Dict = Dict::new();
        let text = match self.value {
            Value::Dict(_, dict) => return Ok(dict),
            Value::Bool(_, flag) => flag.to_string(),
            Value::String(_, text) => text.clone(),
            other => {
                return Err(Failure::said(format!(
                    "{} found, a block of settings expected",
                    scalar::kind(other)
                )));
            }
        };
        match scalar::flag(&text) {
            Some(true) => Ok(&EMPTY),
            Some(false) if self.optional => Err(Failure::SwitchedOff),
            Some(false) | None => {
                self.context.secret.set(true); // A token may have slipped into the block above it.
                Err(Failure::said("text found, a block of settings expected")
                    .with_help("write true for its defaults, or settings below it"))
            }
        }
    }

    /// The items of a list.
    fn items(&self) -> Result<Items<'a>, Failure> {
        match self.value {
            Value::Array(_, items) => Ok(Items::of(*self, items.iter().enumerate())),
            Value::Dict(_, dict) => {
                let mut items = Vec::new();
                for (key, value) in dict {
                    let Ok(index) = key.parse::<usize>() else {
                        let found = format!("a block with {} found, a list expected", scalar::quote(key));
                        return Err(Failure::said(found));
                    };
                    items.push((index, value));
                }
                items.sort_by_key(|(index, _)| *index);
                Ok(Items::of(*self, items))
            }
            single => {
                let text = scalar::single(single, "a list")?;
                let blanks = self.context.lists == Lists::CommasAndBlanks;
                let items = text
                    .split(|c: char| c == ',' || (blanks && c.is_whitespace()))
                    .map(str::trim)
                    .filter(|item| !item.is_empty());
                let items = items.map(|item| Value::String(single.tag(), item.to_owned()));
                Ok(Items::owned(*self, items.collect()))
            }
        }
    }

    /// The variant of an enum and its content.
    fn choice(&self, variants: &'static [&'static str]) -> Result<Choice<'a>, Failure> {
        let list = || format!("known: {}", listed(variants));
        if let Value::Dict(_, dict) = self.value {
            let mut kinds = dict.iter().filter(|(key, _)| *key != ITSELF);
            return match (kinds.next(), kinds.next()) {
                (Some((name, value)), None) => Choice::with_content(*self, name, value, variants),
                (Some((one, _)), Some((other, _))) => Err(Failure::said(format!(
                    "exactly one kind expected, {one} and {other} found"
                ))),
                (None, _) => Err(Failure::said("a kind is missing").with_help(list())),
            };
        }
        let text = scalar::single(self.value, "one of the known words")?;
        Choice::bare(*self, text.trim(), variants)
    }
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            let number = scalar::whole(self.value, i128::from(<$type>::MIN), i128::from(<$type>::MAX))?;
            visitor.$visit(<$type>::try_from(number).map_err(Failure::custom)?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Decoder<'_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.value {
            Value::String(_, text) => visitor.visit_str(text),
            Value::Char(_, char) => visitor.visit_char(*char),
            Value::Bool(_, flag) => visitor.visit_bool(*flag),
            Value::Empty(..) => visitor.visit_unit(),
            Value::Dict(_, dict) => visitor.visit_map(Names::of(self, dict)),
            Value::Array(..) => visitor.visit_seq(self.items()?),
            Value::Num(_, number) => match (number.to_i128(), number.to_u128_lossy()) {
                (Some(whole), _) if i64::try_from(whole).is_ok() => {
                    visitor.visit_i64(i64::try_from(whole).map_err(Failure::custom)?)
                }
                (_, Some(whole)) if u64::try_from(whole).is_ok() => {
                    visitor.visit_u64(u64::try_from(whole).map_err(Failure::custom)?)
                }
                _ => visitor.visit_f64(number.to_f64().unwrap_or_default()),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_bool(scalar::boolean(self.value)?)
    }

    whole_numbers! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_f64(scalar::float(self.value)?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_f64(scalar::float(self.value)?)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_string(scalar::single(self.value, "a character")?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.value {
            Value::String(_, text) => visitor.visit_str(text),
            other => visitor.visit_string(scalar::single(other, "text")?),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_byte_buf(scalar::single(self.value, "text")?.into_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if matches!(self.value, Value::Empty(..)) || self.context.is_absent(self.path) {
            return visitor.visit_none();
        }
        visitor.visit_some(Self {
            optional: true,
            ..self
        })
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if !matches!(self.value, Value::Empty(..)) {
            self.block()?;
        }
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if name != "Secret" {
            return visitor.visit_newtype_struct(self);
        }
        self.context.secret.set(true);
        let result = visitor.visit_newtype_struct(self);
        result.map_err(|_| Failure::said("text expected; the value is secret and not shown"))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_seq(self.items()?)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_map(Names::of(self, self.block()?))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_map(Fields::of(self, self.block()?, fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_enum(self.choice(variants)?)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }
}

/// The value that stands for a variant written as a bare word: a block of defaults.
pub(super) static NOTHING: Value = Value::Dict(Tag::Default, Dict::new());

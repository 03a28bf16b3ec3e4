//! Whole numbers within limits of their own.
//!
//! Use on a field with `#[serde(deserialize_with = "mesh_config::whole::within::<_, _, 1, 1024>")]`, for an
//! `Option` with `whole::option`. The limits are part of the message about what lies beyond them.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// Reads a number from `LEAST` to `MOST`.
///
/// # Errors
/// When it is none, or beyond.
pub fn within<'de, D, T, const LEAST: u64, const MOST: u64>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    Within::<T, LEAST, MOST>::deserialize(deserializer).map(|within| within.0)
}

/// Reads a number from `LEAST` to `MOST`, or nothing.
///
/// # Errors
/// When it is none, or beyond.
pub fn option<'de, D, T, const LEAST: u64, const MOST: u64>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    Option::<Within<T, LEAST, MOST>>::deserialize(deserializer).map(|found| found.map(|within| within.0))
}

struct Within<T, const LEAST: u64, const MOST: u64>(T);

impl<'de, T: TryFrom<u64>, const LEAST: u64, const MOST: u64> Deserialize<'de> for Within<T, LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Range(PhantomData))
    }
}

struct Range<T, const LEAST: u64, const MOST: u64>(PhantomData<T>);

impl<T: TryFrom<u64>, const LEAST: u64, const MOST: u64> Range<T, LEAST, MOST> {
    fn take<E: Error>(
        &self,
        number: Option<u64>,
        found: impl fmt::Display,
    ) -> Result<Within<T, LEAST, MOST>, E> {
        number
            .filter(|number| (LEAST..=MOST).contains(number))
            .and_then(|number| T::try_from(number).ok())
            .map(Within)
            .ok_or_else(|| {
                E::custom(format_args!(
                    "{found} cannot be used: write a whole number from {LEAST} to {MOST}"
                ))
            })
    }
}

impl<T: TryFrom<u64>, const LEAST: u64, const MOST: u64> Visitor<'_> for Range<T, LEAST, MOST> {
    type Value = Within<T, LEAST, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {LEAST} to {MOST}")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        self.take(Some(number), number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        self.take(u64::try_from(number).ok(), number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        self.take(text.trim().parse().ok(), format_args!("{text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<u8, String> {
        within::<_, _, 3, 300>(value).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_and_their_text_are_read_within_the_limits() {
        assert_eq!((read(json!(3)), read(json!(" 255 "))), (Ok(3), Ok(255)));
        for beyond in [
            json!(2),
            json!(301),
            json!(-1),
            json!("2"),
            json!("x"),
            json!(""),
            json!(256),
        ] {
            let error = read(beyond).unwrap_err();
            assert!(error.ends_with("write a whole number from 3 to 300"), "{error}");
        }
        assert!(
            read(json!([]))
                .unwrap_err()
                .contains("a whole number from 3 to 300")
        );
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(option::<_, u8, 0, 9>(Value::Null).unwrap(), None);
        assert_eq!(option::<_, u8, 0, 9>(json!(4)).unwrap(), Some(4));
        assert!(option::<_, u8, 0, 9>(json!(10)).is_err());
    }
}

//! Durations as users write them: `300ms`, `1m30s`, `2h45m`, or a bare number of seconds.
//!
//! Use on a field with `#[serde(with = "mesh_config::duration")]`, for an `Option` with
//! `#[serde(with = "mesh_config::duration::option")]`.

use std::{fmt, time::Duration};

use serde::{Deserializer, Serializer, de::Visitor};

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration: write 300ms, 10s, 1m30s, 2h, or a number of seconds")]
pub struct DurationError(String);

/// Units and their nanoseconds.
const UNITS: [(&str, u128); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Parses `text`; a bare number counts seconds.
///
/// # Errors
/// When a number lacks a known unit, is negative, or is too large to hold.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError(text.to_owned());
    let trimmed = text.trim();
    if let Ok(seconds) = trimmed.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut rest = trimmed;
    let mut total = 0_u128;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(error)?;
        let (number, tail) = rest.split_at_checked(digits).ok_or_else(error)?;
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(unit_end).ok_or_else(error)?;
        let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
        let part = times(number, *nanos).ok_or_else(error)?;
        total = total.checked_add(part).ok_or_else(error)?;
        rest = tail;
    }
    if trimmed.is_empty() {
        return Err(error());
    }
    let nanos = u32::try_from(total % 1_000_000_000).map_err(|_| error())?;
    let seconds = u64::try_from(total / 1_000_000_000).map_err(|_| error())?;
    Ok(Duration::new(seconds, nanos))
}

/// `number`, which may have a fraction, of units of `nanos`; exact down to a few nanoseconds.
fn times(number: &str, nanos: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut total = match whole {
        "" => 0,
        digits => digits.parse::<u128>().ok()?.checked_mul(nanos)?,
    };
    let mut unit = nanos;
    for digit in fraction.chars() {
        unit /= 10;
        total = total.checked_add(unit.checked_mul(u128::from(digit.to_digit(10)?))?)?;
    }
    Some(total)
}

/// Writes `duration` so that [`parse`] reads it back: `1m30s`, `250ms`, `0s`.
pub fn format(duration: Duration) -> String {
    let mut text = String::new();
    let seconds = duration.as_secs();
    for (count, unit) in [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ] {
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    let nanos = duration.subsec_nanos();
    if nanos > 0 {
        let (count, unit) = match nanos {
            n if n % 1_000_000 == 0 => (n / 1_000_000, "ms"),
            n if n % 1_000 == 0 => (n / 1_000, "us"),
            n => (n, "ns"),
        };
        text.push_str(&format!("{count}{unit}"));
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration like 300ms, 10s, 1m30s, or a number of seconds")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Duration, E> {
        Ok(Duration::from_secs(seconds))
    }

    fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<Duration, E> {
        u64::try_from(seconds)
            .map(Duration::from_secs)
            .map_err(|_| E::custom(DurationError(seconds.to_string())))
    }

    fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<Duration, E> {
        Duration::try_from_secs_f64(seconds).map_err(|_| E::custom(DurationError(seconds.to_string())))
    }
}

/// Reads a duration.
///
/// # Errors
/// As [`parse`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(DurationVisitor)
}

/// Writes a duration as [`format`] does.
///
/// # Errors
/// As the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

/// The same for fields that may be absent.
pub mod option {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Wrapped(#[serde(with = "super")] Duration);

    /// Reads a duration, or nothing.
    ///
    /// # Errors
    /// As [`super::parse`].
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Wrapped>::deserialize(deserializer)?.map(|wrapped| wrapped.0))
    }

    /// Writes a duration, or nothing.
    ///
    /// # Errors
    /// As the serializer.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_users_write_them() {
        for (text, millis) in [
            ("300ms", 300),
            ("1m30s", 90_000),
            ("2h45m", 9_900_000),
            ("1.5s", 1500),
            ("0.25h", 900_000),
            (".5s1.ms", 501),
            ("15", 15_000),
        ] {
            assert_eq!(parse(text).unwrap().as_millis(), millis, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "abc",
            "10 parsecs",
            "-5s",
            "1x",
            "s",
            "5.5",
            "1e3s",
            ".s",
            "1..5s",
            "99999999999999999999999999999999999999h",
        ] {
            assert!(parse(text).is_err(), "{text:?} was taken");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(nanos in proptest::prelude::any::<u64>()) {
            let duration = Duration::from_nanos(nanos);
            proptest::prop_assert_eq!(parse(&format(duration)).unwrap(), duration);
        }
    }
}

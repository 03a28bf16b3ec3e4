//! Text to single values.

use figment::value::{Num, Value};

use super::Failure;
use crate::redact::Shown;

/// Longest text that a message quotes.
const MAX_QUOTE: usize = 100;

/// `text` in quotes without the secrets in it, shortened if it is long.
pub(super) fn quote(text: &str) -> String {
    let text = Shown::of(text).text;
    if text.len() <= MAX_QUOTE {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(MAX_QUOTE).collect();
    format!("{start:?}…")
}

/// The forms of true and false that users know from flags and variables.
pub(crate) fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Some(true),
        "0" | "f" | "false" => Some(false),
        _ => None,
    }
}

/// What kind of value was found, without the value.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(..) | Value::Char(..) => "text",
        Value::Bool(..) => "true or false",
        Value::Num(..) => "a number",
        Value::Empty(..) => "nothing",
        Value::Dict(..) => "a block",
        Value::Array(..) => "a list",
    }
}

/// A single value as text; `None` for blocks, lists and nothing.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Char(_, char) => Some(char.to_string()),
        Value::Bool(_, flag) => Some(flag.to_string()),
        Value::Num(_, number) => Some(number_text(*number)),
        Value::Empty(..) | Value::Dict(..) | Value::Array(..) => None,
    }
}

fn number_text(number: Num) -> String {
    let whole = number.to_i128().map(|whole| whole.to_string());
    let whole = whole.or_else(|| number.to_u128_lossy().map(|whole| whole.to_string()));
    whole.unwrap_or_else(|| number.to_f64().unwrap_or_default().to_string())
}

pub(super) fn boolean(value: &Value) -> Result<bool, Failure> {
    let text = single(value, "true or false")?;
    flag(&text).ok_or_else(|| {
        Failure::said(format!("{} is neither true nor false", quote(&text))).with_help("write true or false")
    })
}

/// A whole number from `least` to `most`.
pub(super) fn whole(value: &Value, least: i128, most: i128) -> Result<i128, Failure> {
    let text = single(value, "a whole number")?;
    let range = format!("write a whole number from {least} to {most}");
    match text.trim().parse::<i128>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(number) => Err(Failure::said(format!("{number} is out of range")).with_help(range)),
        Err(_) => Err(Failure::said(format!("{} is not a whole number", quote(&text))).with_help(range)),
    }
}

pub(super) fn float(value: &Value) -> Result<f64, Failure> {
    let text = single(value, "a number")?;
    match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(Failure::said(format!("{} is not a number", quote(&text)))),
    }
}

/// The text of a single value; `wanted` says what it should have been.
pub(super) fn single(value: &Value, wanted: &str) -> Result<String, Failure> {
    text(value).ok_or_else(|| Failure::said(format!("{} found, {wanted} expected", kind(value))))
}

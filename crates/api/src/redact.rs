//! Takes secrets out of what views show.
//!
//! What the configuration types mark as [`Secret`](mesh_config::Secret) never gets here. This finds the rest by
//! where it stands: values of headers that carry credentials, options whose name says that they are secret,
//! user names and passwords in URLs, and header values in rules. It would rather hide too much.

use std::sync::LazyLock;

use mesh_telemetry::sensitive::{REDACTED, is_sensitive_name};
use regex::{Captures, Regex};
use serde_json::Value;

/// Words that make an option a secret wherever they stand in its name.
const SECRET_WORDS: [&str; 6] = [
    "password",
    "secret",
    "token",
    "credential",
    "apikey",
    "privatekey",
];

/// Options that are secret although their names are ordinary words: password hashes and key material.
const SECRET_NAMES: [&str; 4] = ["users", "key", "hash", "hashes"];

/// Takes secrets out of the definition of one object.
pub(crate) fn definition(mut value: Value) -> Value {
    walk(&mut value, false);
    value
}

/// Takes secrets out of all texts of `value`, whatever it is. Keys are not looked at: in lists of objects they
/// are names that users chose.
pub(crate) fn texts(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(redacted) = redacted(text) {
                *text = redacted;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(texts),
        Value::Object(fields) => fields.values_mut().for_each(texts),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn walk(value: &mut Value, within_headers: bool) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let lower = key.to_ascii_lowercase();
                if is_secret(&lower) || (within_headers && is_sensitive_name(&lower)) {
                    hide(field);
                } else {
                    walk(field, within_headers || lower.ends_with("headers"));
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, within_headers)),
        Value::String(_) => texts(value),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_secret(option: &str) -> bool {
    SECRET_NAMES.contains(&option) || SECRET_WORDS.iter().any(|word| option.contains(word))
}

/// Hides every text and number in `value`; an empty text hides nothing, and shows that nothing is set.
fn hide(value: &mut Value) {
    match value {
        Value::String(text) if text.is_empty() => {}
        Value::String(_) | Value::Number(_) => *value = REDACTED.into(),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(fields) => fields.values_mut().for_each(hide),
        Value::Null | Value::Bool(_) => {}
    }
}

/// `text` without the secrets in it; `None` when there are none.
fn redacted(text: &str) -> Option<String> {
    let shown = USER_INFO.replace_all(text, format!("://{REDACTED}@"));
    let shown = HEADER_MATCHER.replace_all(&shown, |found: &Captures<'_>| {
        let part = |group| found.name(group).map_or("", |part| part.as_str());
        if is_sensitive_name(part("name")) {
            format!("{}`{REDACTED}`", part("head"))
        } else {
            format!("{}{}", part("head"), part("value"))
        }
    });
    (shown != text).then(|| shown.into_owned())
}

/// User name and password of a URL, up to the last `@` before its path.
static USER_INFO: LazyLock<Regex> = LazyLock::new(|| pattern(r#"://[^\s/?#"'`<>]*@"#));

/// A header that a rule compares: ``Header(`Authorization`, `…`)``.
static HEADER_MATCHER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?ix) (?<head> headers?(?:regexp)? \s*\(\s* (?<name> `[^`]*` | "(?:[^"\\]|\\.)*" ) \s*,\s* )
           (?<value> `[^`]*` | "(?:[^"\\]|\\.)*" )"#,
    )
});

#[expect(clippy::expect_used, reason = "fixed patterns, compiled by the tests")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a fixed pattern compiles")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn credentials_in_headers_are_hidden_and_other_headers_shown() {
        let shown = definition(json!({"headers": {"customRequestHeaders": {
            "Authorization": "Bearer s3cret", "X-Api-Key": "s3cret", "X-Team": "shop", "Cookie": ""
        }}}));
        let headers = &shown["headers"]["customRequestHeaders"];
        assert_eq!(headers["Authorization"], REDACTED);
        assert_eq!(headers["X-Api-Key"], REDACTED);
        assert_eq!(
            (&headers["X-Team"], &headers["Cookie"]),
            (&"shop".into(), &"".into())
        );
    }

    #[test]
    fn hashes_keys_and_passwords_are_hidden_wherever_they_are() {
        let shown = definition(json!({
            "basicAuth": {"users": ["admin:$apr1$s3cret"], "realm": "r"},
            "plugin": {"x": {"clientSecret": "s3cret", "deep": [{"apiKey": {"value": "s3cret"}}], "port": 1}},
            "tls": {"key": "s3cret", "certFile": "/a.pem"},
        }));
        assert!(!shown.to_string().contains("s3cret"), "{shown}");
        assert_eq!(
            (&shown["basicAuth"]["realm"], &shown["plugin"]["x"]["port"]),
            (&"r".into(), &1.into())
        );
        assert_eq!(shown["tls"]["certFile"], "/a.pem");
    }

    #[test]
    fn urls_lose_their_user_and_password() {
        let mut shown = json!([
            "cannot reach https://me:s3@cret@consul:8500/v1: refused",
            "http://a/@x"
        ]);
        texts(&mut shown);
        assert_eq!(
            shown,
            json!([
                "cannot reach https://REDACTED@consul:8500/v1: refused",
                "http://a/@x"
            ])
        );
    }

    #[test]
    fn rules_lose_the_credentials_they_compare() {
        let mut shown = json!(
            "Header(`Authorization`, `Bearer s3cret`) && HeaderRegexp( \"cookie\" , \"s3\\\"cret\") && Header(`X-A`, `b`)"
        );
        texts(&mut shown);
        assert_eq!(
            shown,
            "Header(`Authorization`, `REDACTED`) && HeaderRegexp( \"cookie\" , `REDACTED`) && Header(`X-A`, `b`)"
        );
    }

    #[test]
    fn names_of_objects_that_sound_secret_are_no_secrets() {
        let mut shown = json!({"token-service@file": {"status": "enabled"}});
        texts(&mut shown);
        assert_eq!(shown["token-service@file"]["status"], "enabled");
    }
}

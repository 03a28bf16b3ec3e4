//! Takes secrets out of what views show.
//!
//! What the configuration types mark as [`Secret`](mesh_config::Secret) never gets here. This finds the rest by
//! where it stands in a view; [`mesh_config::redact`] knows which names and which texts are secret.

use std::borrow::Cow;

use mesh_config::redact::{REDACTED, is_secret_name, is_secret_option, text};
use serde_json::Value;

/// Takes secrets out of the definition of one object. What holds all of it is its kind, and no option.
pub(crate) fn definition(mut value: Value) -> Value {
    let only = value.as_object_mut().filter(|fields| fields.len() == 1);
    match only.and_then(|fields| fields.iter_mut().next()) {
        Some((kind, options @ Value::Object(_))) => walk(options, kind == "headers"),
        _ => walk(&mut value, false),
    }
    value
}

/// Takes secrets out of all texts of `value`, whatever it is. Keys are not looked at: in lists of objects they
/// are names that users chose.
pub(crate) fn texts(value: &mut Value) {
    match value {
        Value::String(shown) => {
            if let Cow::Owned(redacted) = text(shown) {
                *shown = redacted;
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
                if is_secret_option(&lower) || (within_headers && is_secret_name(&lower)) {
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
            "digestAuth": {"users": ["admin:r:s3cret"]},
            "rateLimit": {"redis": {"username": "mesh", "password": "s3cret"}},
            "forwardAuth": {"address": "http://u:s3cret@a/", "tls": {"key": "s3cret"}},
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
    fn a_kind_whose_name_sounds_secret_shows_its_options() {
        let shown =
            definition(json!({"apiKey": {"keys": [{"id": "a", "hash": "s3cret"}], "header": "X-Key"}}));
        assert_eq!(
            shown,
            json!({"apiKey": {"keys": [{"id": "a", "hash": REDACTED}], "header": "X-Key"}})
        );
        let shown = definition(
            json!({"jwt": {"keys": [{"secret": "s3cret"}, {"jwk": "s3cret"}, {"pem": "s3cret"}]}}),
        );
        assert!(!shown.to_string().contains("s3cret"), "{shown}");
    }

    #[test]
    fn texts_lose_their_secrets_wherever_they_are() {
        let mut shown = json!({"error": ["http://u:s3cret@a"], "rule": "Query(`token`, `s3cret`)"});
        texts(&mut shown);
        assert!(!shown.to_string().contains("s3cret"), "{shown}");
    }

    #[test]
    fn names_of_objects_that_sound_secret_are_no_secrets() {
        let mut shown = json!({"token-service@file": {"status": "enabled"}});
        texts(&mut shown);
        assert_eq!(shown["token-service@file"]["status"], "enabled");
    }
}

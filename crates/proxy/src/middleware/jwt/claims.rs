//! What tokens say, and what they have to say.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderValue};
use mesh_config::model;
use serde_json::Value;

use super::{
    super::identity::Told,
    token::{Claims, Refusal},
};

/// What a token has to say to count.
#[derive(Debug)]
pub(in crate::middleware) struct Terms {
    issuers: Vec<String>,
    audiences: Vec<String>,
    leeway: f64,
    must_expire: bool,
    rules: Vec<model::ClaimRule>,
}

impl Terms {
    pub(in crate::middleware) fn new(settings: &model::Jwt) -> Self {
        Self {
            issuers: settings.issuers.clone(),
            audiences: settings.audiences.clone(),
            leeway: settings.leeway.as_secs_f64(),
            must_expire: settings.require_expiration,
            rules: settings.claims.clone(),
        }
    }

    /// Refuses `claims` that do not hold `now`.
    pub(in crate::middleware) fn check(&self, claims: &Claims, now: SystemTime) -> Result<(), Refusal> {
        let now = now
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_secs_f64();
        match time(claims, "exp")? {
            Some(end) if now >= end + self.leeway => return Err(Refusal::Expired),
            None if self.must_expire => return Err(Refusal::NoExpiration),
            Some(_) | None => {}
        }
        if time(claims, "nbf")?.is_some_and(|begin| now + self.leeway < begin) {
            return Err(Refusal::Early);
        }
        let is_one_of = |known: &[String], value: &Value| {
            let text = value.as_str();
            text.is_some_and(|text| known.iter().any(|known| known == text))
        };
        let issuer = claims.get("iss").unwrap_or(&Value::Null);
        if !self.issuers.is_empty() && !is_one_of(&self.issuers, issuer) {
            return Err(Refusal::Issuer);
        }
        let is_for_us = match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().any(|one| is_one_of(&self.audiences, one)),
            Some(one) => is_one_of(&self.audiences, one),
            None => false,
        };
        if !self.audiences.is_empty() && !is_for_us {
            return Err(Refusal::Audience);
        }
        match self.rules.iter().all(|rule| holds(rule, claims)) {
            true => Ok(()),
            false => Err(Refusal::Claims),
        }
    }
}

/// A time in seconds since 1970; one that is no number spoils the token.
fn time(claims: &Claims, name: &str) -> Result<Option<f64>, Refusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(Refusal::Malformed),
    }
}

/// The claim called `name`, or the one at the end of the way that `name` tells: `realm_access.roles`.
pub(in crate::middleware) fn find<'c>(claims: &'c Claims, name: &str) -> Option<&'c Value> {
    if let Some(found) = claims.get(name) {
        return Some(found);
    }
    let mut names = name.split('.');
    let first = claims.get(names.next()?)?;
    names.try_fold(first, |value, name| value.as_object()?.get(name))
}

/// True if `claims` say what `rule` asks for.
pub(in crate::middleware) fn holds(rule: &model::ClaimRule, claims: &Claims) -> bool {
    let Some(found) = find(claims, &rule.name).filter(|found| !found.is_null()) else {
        return false;
    };
    let is_one = |text: &str| rule.values.iter().any(|value| value == text);
    rule.values.is_empty()
        || match found {
            Value::Array(all) => all.iter().filter_map(scalar).any(|text| is_one(&text)),
            // Scopes are listed with blanks between them (RFC 8693 4.2).
            Value::String(text) if matches!(rule.name.as_str(), "scope" | "scp") => {
                text.split(' ').any(is_one) || is_one(text)
            }
            one => scalar(one).is_some_and(|text| is_one(&text)),
        }
}

fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(_) | Value::Bool(_) => Some(Cow::Owned(value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Tells in the headers of `told` what `claims` say; what clients said there is gone already.
pub(in crate::middleware) fn tell(
    told: &Told,
    claims: &Claims,
    headers: &mut HeaderMap,
) -> Result<(), Refusal> {
    for (name, claim) in told.iter() {
        if let Some(claim) = find(claims, claim).filter(|claim| !claim.is_null()) {
            // What no header can carry is not told by halves.
            let value = header_value(claim).ok_or(Refusal::Claims)?;
            headers.insert(name, value);
        }
    }
    Ok(())
}

/// A claim as a header: a text as it is, a list with commas between its items, all else as JSON. A list that would read as
/// another one, because an item has a comma, is JSON as well. `None` for what no header can carry.
fn header_value(claim: &Value) -> Option<HeaderValue> {
    let text = match claim {
        Value::Null => return None,
        Value::Array(all) => {
            let items: Option<Vec<_>> = all.iter().map(scalar).collect();
            let items = items.filter(|items| items.iter().all(|item| !item.contains(',')));
            items.map_or_else(|| claim.to_string(), |items| items.join(","))
        }
        one => scalar(one).map_or_else(|| claim.to_string(), Cow::into_owned),
    };
    HeaderValue::from_bytes(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_000_000;

    fn claims(value: Value) -> Claims {
        value.as_object().unwrap().clone()
    }

    fn checked(settings: Value, said: Value) -> Result<(), Refusal> {
        let terms = Terms::new(&serde_json::from_value(settings).unwrap());
        terms.check(&claims(said), UNIX_EPOCH + Duration::from_secs(NOW))
    }

    #[test]
    fn a_token_holds_within_its_time_give_or_take_the_leeway() {
        let at = |said: Value| checked(json!({"leeway": "10s"}), said);
        for (said, found) in [
            (json!({"exp": NOW + 1}), Ok(())),
            (json!({"exp": NOW - 9}), Ok(())),
            (json!({"exp": NOW - 10}), Err(Refusal::Expired)),
            (json!({"exp": 1e300}), Ok(())),
            (json!({"exp": NOW + 5, "nbf": NOW + 10}), Ok(())),
            (json!({"exp": NOW + 50, "nbf": NOW + 11}), Err(Refusal::Early)),
            (json!({}), Err(Refusal::NoExpiration)),
            (json!({"exp": "9999999999"}), Err(Refusal::Malformed)),
            (json!({"exp": null}), Err(Refusal::Malformed)),
            (json!({"exp": NOW + 1, "nbf": []}), Err(Refusal::Malformed)),
        ] {
            assert_eq!(at(said.clone()), found, "{said}");
        }
        let forever = json!({"requireExpiration": false});
        assert_eq!(checked(forever.clone(), json!({})), Ok(()));
        assert_eq!(checked(forever, json!({"exp": 1})), Err(Refusal::Expired));
    }

    #[test]
    fn issuer_and_audience_are_texts_and_compared_whole() {
        let settings =
            json!({"issuers": ["https://a", "b"], "audiences": ["shop"], "requireExpiration": false});
        for (said, found) in [
            (json!({"iss": "b", "aud": "shop"}), Ok(())),
            (json!({"iss": "https://a", "aud": ["x", "shop"]}), Ok(())),
            (json!({"iss": "https://a/", "aud": "shop"}), Err(Refusal::Issuer)),
            (json!({"iss": ["b"], "aud": "shop"}), Err(Refusal::Issuer)),
            (json!({"aud": "shop"}), Err(Refusal::Issuer)),
            (json!({"iss": "b"}), Err(Refusal::Audience)),
            (json!({"iss": "b", "aud": "shopping"}), Err(Refusal::Audience)),
            (json!({"iss": "b", "aud": {"shop": 1}}), Err(Refusal::Audience)),
            (json!({"iss": "b", "aud": []}), Err(Refusal::Audience)),
        ] {
            assert_eq!(checked(settings.clone(), said.clone()), found, "{said}");
        }
    }

    #[test]
    fn every_rule_has_to_hold() {
        let said = json!({
            "role": "admin", "level": 3, "mfa": true, "gone": null, "scope": "read write", "text": "a b",
            "groups": ["x", "y", 7], "realm_access": {"roles": ["editor"]}, "https://a.b/c": "d",
        });
        let ruled = |rules: Value| {
            checked(json!({"claims": rules, "requireExpiration": false}), said.clone()).is_ok()
        };
        for (name, values) in [
            ("role", json!(["editor", "admin"])),
            ("level", json!(["3"])),
            ("mfa", json!(["true"])),
            ("scope", json!(["write"])),
            ("groups", json!(["y"])),
            ("groups", json!(["7"])),
            ("realm_access.roles", json!(["editor"])),
            ("https://a.b/c", json!(["d"])),
            ("role", json!([])),
        ] {
            assert!(
                ruled(json!([{"name": name, "values": values}])),
                "{name} {values}"
            );
        }
        for (name, values) in [
            ("role", json!(["adm"])),
            ("text", json!(["a"])),
            ("scope", json!(["writ"])),
            ("none", json!([])),
            ("gone", json!([])),
            ("realm_access", json!(["editor"])),
            ("realm_access.roles.editor", json!([])),
        ] {
            assert!(
                !ruled(json!([{"name": name, "values": values}])),
                "{name} {values}"
            );
        }
        assert!(!ruled(
            json!([{"name": "role", "values": ["admin"]}, {"name": "level", "values": ["4"]}])
        ));
    }

    #[test]
    fn a_claim_becomes_one_header_that_reads_in_one_way() {
        let told = |value: Value| header_value(&value).map(|value| value.as_bytes().to_vec());
        for (claim, header) in [
            (json!("me"), Some("me")),
            (json!("zoë"), Some("zoë")),
            (json!(7), Some("7")),
            (json!(["a", "b", 1]), Some("a,b,1")),
            (json!(["a,admin"]), Some(r#"["a,admin"]"#)),
            (json!({"a": 1}), Some(r#"{"a":1}"#)),
            (json!("a\r\nX-Admin: 1"), None),
            (json!(null), None),
        ] {
            assert_eq!(
                told(claim.clone()),
                header.map(|text| text.as_bytes().to_vec()),
                "{claim}"
            );
        }
    }
}

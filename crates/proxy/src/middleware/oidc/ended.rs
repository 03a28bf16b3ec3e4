//! Sessions that the provider has ended (OpenID Connect Back-Channel Logout 1.0).
//!
//! Browsers keep their sessions themselves, so that ending one means to remember that it is none. This process remembers;
//! others do not hear of it.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use moka::sync::Cache;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{session::Claims, tokens::text};

/// What is remembered at most; beyond that what is used least is forgotten.
const MAX_ENDED: u64 = 65_536;

/// How long: sessions that last longer count again after that.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What a logout token is about.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Those of this process: middlewares may share sessions.
pub(super) static ENDED: LazyLock<Ended> = LazyLock::new(Ended::default);

/// When sessions ended, in seconds since 1970, by a digest of what they are known by.
#[derive(Debug)]
pub(super) struct Ended(Cache<[u8; 32], u64>);

impl Default for Ended {
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(MAX_ENDED).time_to_live(KEPT);
        Self(cache.build())
    }
}

impl Ended {
    /// Ends the sessions of `client` that a logout token names, as far as they began until `now`: the one with its `sid`; without
    /// it all of its `sub`.
    pub(super) fn end(&self, client: &str, told: &Claims, now: u64) {
        let (session, user) = (text(told, "sid"), text(told, "sub"));
        match (session, user) {
            (Some(session), user) => {
                self.0.insert(digest(client, "sid", session), now);
                // Sessions whose ID token names none cannot be told apart.
                if let Some(user) = user {
                    self.0.insert(digest(client, "unnamed", user), now);
                }
            }
            (None, Some(user)) => self.0.insert(digest(client, "sub", user), now),
            (None, None) => {}
        }
    }

    /// True if the session of `client` with these claims, which began at `since`, was ended.
    pub(super) fn has(&self, client: &str, claims: &Claims, since: u64) -> bool {
        let session = text(claims, "sid").map(|sid| ("sid", sid));
        let user = text(claims, "sub");
        let unnamed = user.filter(|_| session.is_none()).map(|user| ("unnamed", user));
        let all = [session, unnamed, user.map(|user| ("sub", user))];
        all.into_iter()
            .flatten()
            .filter_map(|(kind, name)| self.0.get(&digest(client, kind, name)))
            .any(|ended| since <= ended)
    }
}

fn digest(client: &str, kind: &str, name: &str) -> [u8; 32] {
    // Neither an issuer nor the id of a client has a line end.
    Sha256::digest(format!("{client}\n{kind}\n{name}")).into()
}

/// What is asked of a logout token beside what is asked of any token (2.6).
pub(super) fn ends_sessions(claims: &Claims, now: SystemTime) -> Result<(), &'static str> {
    let is_logout = claims
        .get("events")
        .and_then(|events| events.get(EVENT))
        .is_some_and(Value::is_object);
    if !is_logout {
        return Err("it is no logout token");
    }
    if claims.contains_key("nonce") {
        return Err("it has a nonce, as ID tokens have");
    }
    let names = |name| text(claims, name).is_some_and(|value| !value.is_empty());
    if !names("sid") && !names("sub") {
        return Err("it names neither session nor user");
    }
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let made = claims.get("iat").and_then(Value::as_f64);
    let is_young = made.is_some_and(|made| (now.as_secs_f64() - made).abs() < MAX_AGE.as_secs_f64());
    is_young.then_some(()).ok_or("it was not made just now")
}

/// How old a logout token may be: an old one must not end the sessions that began since.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// The token in a form that the provider sent.
pub(super) fn token_in(form: &[u8]) -> Option<String> {
    let form = std::str::from_utf8(form).ok()?;
    let url = reqwest::Url::parse(&format!("http://form/?{form}")).ok()?;
    let mut tokens = url.query_pairs().filter(|(name, _)| name == "logout_token");
    let (_, token) = tokens.next()?;
    tokens.next().is_none().then(|| token.into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_a_logout_names_is_ended_and_nothing_else() {
        let (a, b) = (json!({"sid": "1", "sub": "me"}), json!({"sid": "2", "sub": "me"}));
        let unnamed = json!({"sub": "me"});
        let other = json!({"sid": "1", "sub": "you"});
        for (told, expected) in [
            (json!({"sid": "1"}), [true, false, false]),
            (json!({"sid": "1", "sub": "me"}), [true, false, true]),
            (json!({"sub": "me"}), [true, true, true]),
            (json!({"sub": "you"}), [false, false, false]),
        ] {
            let ended = Ended::default();
            assert!(!ended.has("c", &claims(a.clone()), 100));
            ended.end("c", &claims(told.clone()), 100);
            let has = |session: &Value, since| ended.has("c", &claims(session.clone()), since);
            assert_eq!(
                [has(&a, 100), has(&b, 100), has(&unnamed, 100)],
                expected,
                "{told}"
            );
            assert!(!has(&a, 101), "a login after that counts");
            assert!(!ended.has("d", &claims(other.clone()), 1), "another client");
        }
    }

    #[test]
    fn only_what_was_made_to_end_sessions_ends_them() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let good = json!({"sub": "me", "iat": 1_000_000, "events": {EVENT: {}}});
        assert_eq!(ends_sessions(&claims(good.clone()), now), Ok(()));
        for (name, value) in [
            ("events", json!({})),
            ("events", json!({EVENT: true})),
            ("nonce", json!("x")),
            ("sub", json!("")),
            ("sub", json!(1)),
            ("iat", json!(999_000)),
            ("iat", json!("now")),
        ] {
            let mut changed = claims(good.clone());
            changed.insert(name.to_owned(), value.clone());
            assert!(ends_sessions(&changed, now).is_err(), "{name} {value}");
        }
        let id_token = json!({"sub": "me", "iat": 1_000_000});
        assert!(ends_sessions(&claims(id_token), now).is_err());
    }

    #[test]
    fn a_form_has_one_token() {
        assert_eq!(token_in(b"logout_token=a.b.c&x=y").as_deref(), Some("a.b.c"));
        for form in [&b""[..], b"x=y", b"logout_token=a&logout_token=b", b"\xff"] {
            assert_eq!(token_in(form), None, "{form:?}");
        }
    }
}

//! What a browser keeps for us: who logged in, and the tokens by which that is renewed.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a provider says of a user.
pub(super) type Claims = Map<String, Value>;

/// A login that happened. All times are seconds since 1970.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Session {
    /// The ID token as it was verified: it holds the claims, and logging out shows it.
    #[serde(rename = "i")]
    pub(super) id_token: String,
    /// Claims that it does not hold.
    #[serde(rename = "m", default, skip_serializing_if = "Map::is_empty")]
    pub(super) more: Claims,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub(super) access_token: Option<String>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<String>,
    /// When the tokens are over.
    #[serde(rename = "e")]
    pub(super) expires: u64,
    /// When the login was.
    #[serde(rename = "s")]
    pub(super) since: u64,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session of {} until {}", self.since, self.expires)
    }
}

/// For how long sessions and tokens count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) lifetime: Duration,
    pub(super) refresh_before: Duration,
    pub(super) stale_for: Duration,
    /// A session without access token is none.
    pub(super) needs_access_token: bool,
}

/// What a session is worth now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It counts.
    Good,
    /// Its tokens are to be refreshed; while the provider cannot be asked it counts only if `meanwhile`.
    Due { meanwhile: bool },
    /// It is over.
    Over,
}

impl Session {
    /// What it is worth at the time `now`.
    pub(super) fn standing(&self, now: u64, terms: &Terms) -> Standing {
        let left = self.left(now, terms);
        if left == 0 {
            return Standing::Over;
        }
        let lacks_token = terms.needs_access_token && self.access_token.is_none();
        let fresh = self.expires > now.saturating_add(terms.refresh_before.as_secs());
        match &self.refresh_token {
            _ if fresh && !lacks_token => Standing::Good,
            Some(_) => Standing::Due {
                meanwhile: !lacks_token && now < self.expires.saturating_add(terms.stale_for.as_secs()),
            },
            None if lacks_token || (terms.needs_access_token && now >= self.expires) => Standing::Over,
            // Nothing renews it, and no server sees a token that is over: it goes on to its own end.
            None => Standing::Good,
        }
    }

    /// Seconds that are left of it at most.
    pub(super) fn left(&self, now: u64, terms: &Terms) -> u64 {
        // Clocks of several machines differ a little, by no means by minutes.
        if self.since > now.saturating_add(MAX_SKEW) {
            return 0;
        }
        self.since
            .saturating_add(terms.lifetime.as_secs())
            .saturating_sub(now)
    }

    /// What the provider says of the user.
    pub(super) fn claims(&self) -> Claims {
        let mut claims = payload(&self.id_token).unwrap_or_default();
        for (name, value) in &self.more {
            claims.entry(name.clone()).or_insert_with(|| value.clone());
        }
        claims
    }
}

/// How far clocks of several machines may differ, in seconds.
const MAX_SKEW: u64 = 120;

/// The claims of a token that was verified before.
fn payload(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        lifetime: Duration::from_secs(1000),
        refresh_before: Duration::from_secs(30),
        stale_for: Duration::from_secs(100),
        needs_access_token: false,
    };

    fn session(refresh: bool, access: bool) -> Session {
        Session {
            id_token: String::new(),
            more: Claims::new(),
            access_token: access.then(|| "a".to_owned()),
            refresh_token: refresh.then(|| "r".to_owned()),
            expires: 10_300,
            since: 10_000,
        }
    }

    #[test]
    fn tokens_are_refreshed_before_their_end_and_a_session_has_one_of_its_own() {
        let refreshed = session(true, false);
        for (now, standing) in [
            (9_000, Standing::Over),
            (9_990, Standing::Good),
            (10_269, Standing::Good),
            (10_270, Standing::Due { meanwhile: true }),
            (10_399, Standing::Due { meanwhile: true }),
            (10_400, Standing::Due { meanwhile: false }),
            (11_000, Standing::Over),
        ] {
            assert_eq!(refreshed.standing(now, &TERMS), standing, "{now}");
        }
        assert_eq!(refreshed.left(10_400, &TERMS), 600);
    }

    #[test]
    fn without_a_refresh_token_a_session_lasts_unless_servers_need_its_access_token() {
        let needs = Terms {
            needs_access_token: true,
            ..TERMS
        };
        for (session, terms, now, standing) in [
            (session(false, false), TERMS, 10_900, Standing::Good),
            (session(false, true), needs, 10_299, Standing::Good),
            (session(false, true), needs, 10_300, Standing::Over),
            (session(false, false), needs, 10_001, Standing::Over),
            (
                session(true, false),
                needs,
                10_001,
                Standing::Due { meanwhile: false },
            ),
        ] {
            assert_eq!(session.standing(now, &terms), standing, "{session:?} at {now}");
        }
    }

    #[test]
    fn claims_come_from_the_token_and_then_from_what_else_was_said() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"sub":"u","email":"a@b"}"#);
        let mut session = session(false, false);
        session.id_token = format!("x.{payload}.y");
        session.more.insert("sub".to_owned(), "other".into());
        session.more.insert("team".to_owned(), "shop".into());
        let claims = session.claims();
        assert_eq!((&claims["sub"], &claims["team"]), (&"u".into(), &"shop".into()));
    }

    #[test]
    fn it_never_shows_its_tokens() {
        let shown = format!(
            "{:?}",
            Session {
                id_token: "s3cret".to_owned(),
                ..session(true, true)
            }
        );
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}

//! `basicAuth`: lets those pass who know a name and its password.

mod hash;
mod verified;

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::future::LocalBoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mesh_config::model;
use mesh_telemetry::metrics::Outcome;

use self::{
    hash::Hash,
    verified::{Busy, Verified},
};
use super::{
    Around, InvalidMiddleware, Next, Visit, answer_text,
    credentials::{Introduced, credentials, realm, unauthorized},
    users::{Known, User, Users},
};
use crate::forward::Answer;

/// Who may pass.
#[derive(Debug)]
pub(super) struct BasicAuth {
    users: Users<Hash>,
    verified: Verified,
    challenge: HeaderValue,
    introduced: Introduced,
}

/// What a client says.
struct Claim {
    user: Arc<str>,
    password: Vec<u8>,
}

impl BasicAuth {
    pub(super) fn new(settings: &model::BasicAuth) -> Result<Self, String> {
        let invalid = |key, found: &str, reason| InvalidMiddleware {
            key,
            found: found.to_owned(),
            reason,
        };
        if settings.users.is_empty() && settings.users_file.is_empty() {
            return Err(invalid("users", "", "names nobody; add users or usersFile").into());
        }
        let users = Users::new(&settings.users, &settings.users_file)?;
        if users.known().is_empty() {
            return Err(invalid(
                "usersFile",
                &settings.users_file,
                "names nobody; add a line name:hash",
            )
            .into());
        }
        let challenge = format!("Basic realm={}", realm(&settings.realm)?);
        let challenge = HeaderValue::try_from(challenge)
            .map_err(|_| invalid("realm", &settings.realm, "is nothing that a header can carry"))?;
        Ok(Self {
            users,
            verified: Verified::default(),
            challenge,
            introduced: Introduced::new(&settings.header_field, settings.remove_header)?,
        })
    }

    /// True if the claim is right. A name that nobody has costs what another one does.
    async fn is_right(&self, claim: &Claim) -> Result<bool, Busy> {
        let known = self.users.known();
        match known.get(&*claim.user) {
            Some(hash) => self.verified.verify(hash, &claim.password).await,
            None => {
                if let Some(hash) = slowest(&known) {
                    self.verified.verify(hash, &claim.password).await?;
                }
                Ok(false)
            }
        }
    }
}

impl Around for BasicAuth {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            let Some(claim) = claim(&visit.head.headers) else {
                return Answer::from(unauthorized(&self.challenge)).counted(Outcome::Missing);
            };
            visit.trail.note_user(claim.user.clone());
            match self.is_right(&claim).await {
                Ok(true) => {
                    self.introduced.admit(&mut visit.head.headers, &claim.user);
                    drop(claim);
                    next.run(visit).await
                }
                Ok(false) => Answer::from(unauthorized(&self.challenge)).counted(Outcome::Invalid),
                Err(Busy) => {
                    let mut answer = answer_text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
                    let soon = HeaderValue::from_static("1");
                    answer.headers_mut().insert(header::RETRY_AFTER, soon);
                    Answer::from(answer).counted(Outcome::Unavailable)
                }
            }
        })
    }

    fn refresh(&self) -> bool {
        self.users.refresh()
    }

    fn trouble(&self) -> Option<String> {
        self.users.trouble()
    }
}

impl User for Hash {
    fn read(rest: &str) -> Result<Self, &'static str> {
        Self::read(rest)
            .ok_or("has no hash of bcrypt (cost 4 to 14), apr1, MD5 or SHA-1; make one with htpasswd -B")
    }
}

/// The name and the password in `headers`.
fn claim(headers: &HeaderMap) -> Option<Claim> {
    let bytes = STANDARD.decode(credentials(headers, "Basic")?).ok()?;
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let (user, password) = bytes.split_at_checked(colon)?;
    Some(Claim {
        user: std::str::from_utf8(user).ok()?.into(),
        password: password.get(1..)?.to_owned(),
    })
}

/// The hash that takes longest to check.
fn slowest(known: &Known<Hash>) -> Option<&Hash> {
    known.values().max_by_key(|hash| hash.effort())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `123456`, by bcrypt.
    const ANN: &str = "ann:$2y$05$abcdefghijklmnopqrstuu1Z..wm/IlVbtpza52hgqCBArL1cvSg6";
    /// The same by SHA-1.
    const BOB: &str = "bob:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=";

    fn settings(users: &[&str]) -> model::BasicAuth {
        model::BasicAuth {
            users: users.iter().copied().map(model::Hidden::new).collect(),
            ..model::BasicAuth::default()
        }
    }

    fn claimed(text: &str) -> Option<Claim> {
        let mut headers = HeaderMap::new();
        let line = format!("Basic {}", STANDARD.encode(text));
        headers.insert(header::AUTHORIZATION, line.parse().unwrap());
        claim(&headers)
    }

    #[tokio::test]
    async fn a_name_and_its_password_pass_and_nothing_else() {
        let auth = BasicAuth::new(&settings(&[ANN, BOB])).unwrap();
        for (text, is_right) in [
            ("ann:123456", true),
            ("bob:123456", true),
            ("ann:1234567", false),
            ("ann:", false),
            ("eve:123456", false),
            ("Ann:123456", false),
            (":123456", false),
            ("ann:123456:", false),
        ] {
            assert_eq!(
                auth.is_right(&claimed(text).unwrap()).await,
                Ok(is_right),
                "{text}"
            );
        }
        assert!(claimed("ann").is_none());
    }

    #[test]
    fn a_name_that_nobody_has_costs_the_slowest_hash() {
        let auth = BasicAuth::new(&settings(&[BOB, ANN])).unwrap();
        let known = auth.users.known();
        assert!(matches!(slowest(&known), Some(Hash::Bcrypt { .. })));
    }

    #[test]
    fn what_lets_nobody_pass_or_all_is_refused() {
        for users in [
            &[][..],
            &["ann:hunter2"],
            &["ann"],
            &["ann:$2y$31$abcdefghijklmnopqrstuu1Z..wm/IlVbtpza52hgqCBArL1cvSg6"],
        ] {
            let error = BasicAuth::new(&settings(users)).unwrap_err().to_string();
            assert!(
                error.starts_with("users") && !error.contains("hunter2"),
                "{error}"
            );
        }
    }
}

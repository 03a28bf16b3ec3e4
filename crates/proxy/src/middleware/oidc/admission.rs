//! Whether a request may pass: its session, and what renews that.

use std::time::Instant;

use http::{HeaderMap, HeaderValue};

use super::{
    Oidc,
    ended::ENDED,
    renewal::{Landing, RENEWALS},
    session::{Session, Standing},
    tokens::{Grant, Tokens, Trouble},
};

/// Whether a request may pass.
pub(super) enum Admission {
    /// It may; the browser is told to keep this.
    In(Box<Session>, Vec<HeaderValue>),
    /// Its user has to log in.
    Out,
    /// Nobody can tell.
    Unknown(Trouble),
}

impl Oidc {
    /// Looks at the session of a request, and has it renewed where that is due.
    pub(super) async fn admit(&self, headers: &HeaderMap, now: u64) -> Admission {
        let Some((session, is_old)) = self.session(headers) else {
            return Admission::Out;
        };
        let meanwhile = match session.standing(now, &self.terms) {
            Standing::Over => return Admission::Out,
            Standing::Good => {
                // Who still has an old secret's cookie gets one of the new one.
                let kept = if is_old {
                    self.keep(&session, headers, now)
                } else {
                    None
                };
                return Admission::In(Box::new(session), kept.unwrap_or_default());
            }
            Standing::Due { meanwhile } => meanwhile,
        };
        match self.renew(&session).await {
            Ok(tokens) => {
                let session = self.renewed(session, tokens);
                let kept = self.keep(&session, headers, now).unwrap_or_default();
                Admission::In(Box::new(session), kept)
            }
            Err(Trouble::Out(_)) if meanwhile => Admission::In(Box::new(session), Vec::new()),
            Err(Trouble::Refused(error)) => {
                tracing::debug!(issuer = %self.issuer, %error, "session cannot be refreshed");
                Admission::Out
            }
            Err(trouble) => Admission::Unknown(trouble),
        }
    }

    /// The session that a browser keeps, and whether an old secret sealed it.
    pub(super) fn session(&self, headers: &HeaderMap) -> Option<(Session, bool)> {
        let value = self.cookies.session(headers)?;
        let opened = self
            .secrets
            .get()
            .cookie
            .open(&format!("session {}", self.client), &value)?;
        let session: Session = serde_json::from_slice(&opened.text).ok()?;
        if self.paths.backchannel.is_some() && ENDED.has(&self.client, &session.claims(), session.since) {
            return None;
        }
        Some((session, opened.is_old))
    }

    /// What tells a browser to keep `session`; `None` if it is too long.
    pub(super) fn keep(&self, session: &Session, headers: &HeaderMap, now: u64) -> Option<Vec<HeaderValue>> {
        let text = serde_json::to_vec(session).ok()?;
        let value = self
            .secrets
            .get()
            .cookie
            .seal(&format!("session {}", self.client), &text)?;
        self.cookies.keep(&value, session.left(now, &self.terms), headers)
    }

    async fn renew(&self, session: &Session) -> Result<Tokens, Trouble> {
        let Some(token) = session.refresh_token.clone() else {
            return Err(Trouble::Refused("nothing renews it".to_owned()));
        };
        let claims = session.claims();
        let subject = claims
            .get("sub")
            .and_then(|sub| sub.as_str())
            .unwrap_or_default()
            .to_owned();
        let (provider, secret) = (self.provider.clone(), self.secrets.get().client.clone());
        let grant = Grant::Refresh {
            token: token.clone(),
            subject,
        };
        let start = |landing: Landing| {
            let Some(runtime) = provider.runtime().cloned() else {
                return;
            };
            runtime.spawn(async move {
                let outcome = provider.tokens(grant, secret).await;
                landing.send_replace(Some(outcome));
            });
        };
        RENEWALS.of(&self.client, &token, Instant::now(), start).await
    }

    /// `session` with what is new.
    fn renewed(&self, before: Session, tokens: Tokens) -> Session {
        let keeps_access_token = self.terms.needs_access_token || before.access_token.is_some();
        Session {
            more: if tokens.more.is_empty() {
                before.more
            } else {
                tokens.more
            },
            id_token: tokens.id_token.unwrap_or(before.id_token),
            access_token: tokens.access_token.filter(|_| keeps_access_token),
            refresh_token: tokens.refresh_token.or(before.refresh_token),
            expires: tokens.expires,
            since: before.since,
        }
    }
}

//! Tokens are refreshed once, however many requests bring the session that needs it.
//!
//! Providers give each refresh token once and take a second use of it for theft: whoever comes while it is used, or
//! shortly after with the session of before, gets what came of it.

use std::{
    collections::HashMap,
    sync::LazyLock,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::tokens::{Tokens, Trouble};

/// How long what came of a refresh token is kept for those who still have it.
const KEPT: Duration = Duration::from_secs(60);

/// How long a provider that could not be asked is left alone with the same token.
const PAUSE: Duration = Duration::from_secs(2);

/// Refresh tokens that are remembered.
const MAX_FLIGHTS: usize = 4096;

/// Those of this process: middlewares may share sessions.
pub(super) static RENEWALS: LazyLock<Renewals> = LazyLock::new(Renewals::default);

/// Refresh tokens in use, by digest.
#[derive(Debug, Default)]
pub(super) struct Renewals(Mutex<HashMap<[u8; 32], Flight>>);

/// What came of a refresh token.
pub(super) type Outcome = Result<Tokens, Trouble>;

/// Where it is told.
pub(super) type Landing = watch::Sender<Option<Outcome>>;

#[derive(Debug)]
struct Flight {
    began: Instant,
    outcome: watch::Receiver<Option<Outcome>>,
}

impl Flight {
    fn is_of_use(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.began);
        match &*self.outcome.borrow() {
            None => self.outcome.has_changed().is_ok(),
            Some(Err(Trouble::Out(_))) => age < PAUSE,
            Some(Ok(_) | Err(Trouble::Refused(_))) => age < KEPT,
        }
    }
}

impl Renewals {
    /// What comes of `token` of the client called `client`: `start` is called for the first who asks.
    pub(super) async fn of(
        &self,
        client: &str,
        token: &str,
        now: Instant,
        start: impl FnOnce(Landing),
    ) -> Outcome {
        let key = Sha256::new()
            .chain_update(client)
            .chain_update([0])
            .chain_update(token)
            .finalize()
            .into();
        let Some(mut outcome) = self.join(key, now, start) else {
            return Err(Trouble::Out("too many sessions are refreshed at once".to_owned()));
        };
        let told = outcome.wait_for(Option::is_some).await;
        let told = told.ok().and_then(|told| told.clone());
        told.unwrap_or_else(|| Err(Trouble::Out("it was given up".to_owned())))
    }

    fn join(
        &self,
        key: [u8; 32],
        now: Instant,
        start: impl FnOnce(Landing),
    ) -> Option<watch::Receiver<Option<Outcome>>> {
        let mut flights = self.0.lock();
        if let Some(flight) = flights.get(&key).filter(|flight| flight.is_of_use(now)) {
            return Some(flight.outcome.clone());
        }
        if flights.len() >= MAX_FLIGHTS {
            flights.retain(|_, flight| flight.is_of_use(now));
        }
        if flights.len() >= MAX_FLIGHTS {
            return None;
        }
        let (landing, outcome) = watch::channel(None);
        let (began, kept) = (now, outcome.clone());
        flights.insert(key, Flight { began, outcome: kept });
        start(landing);
        Some(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(access: &str) -> Tokens {
        Tokens {
            access_token: Some(access.to_owned()),
            ..Tokens::default()
        }
    }

    #[tokio::test]
    async fn many_ask_and_the_provider_is_asked_once() {
        let renewals = Renewals::default();
        let now = Instant::now();
        let mut landing = None;
        {
            let mut first = Box::pin(renewals.of("me", "r", now, |it| landing = Some(it)));
            assert!(futures::poll!(&mut first).is_pending());
            let mut second = Box::pin(renewals.of("me", "r", now, |_| panic!("asked twice")));
            assert!(futures::poll!(&mut second).is_pending());
        }
        landing.unwrap().send_replace(Some(Ok(tokens("new"))));
        let late = renewals.of("me", "r", now + KEPT / 2, |_| panic!("asked twice"));
        assert_eq!(late.await.unwrap().access_token.as_deref(), Some("new"));
    }

    #[tokio::test]
    async fn an_outcome_is_forgotten_after_a_while_and_a_failure_soon() {
        let renewals = Renewals::default();
        let now = Instant::now();
        let land = |outcome: Outcome| move |landing: Landing| drop(landing.send_replace(Some(outcome)));
        let out = || Err(Trouble::Out("gone".to_owned()));
        assert!(renewals.of("me", "r", now, land(out())).await.is_err());
        assert!(
            renewals
                .of("me", "r", now + PAUSE / 2, |_| panic!("too soon"))
                .await
                .is_err()
        );
        let again = renewals.of("me", "r", now + PAUSE, land(Ok(tokens("a"))));
        assert_eq!(again.await.unwrap().access_token.as_deref(), Some("a"));
        let later = renewals.of("me", "r", now + PAUSE + KEPT, land(Ok(tokens("b"))));
        assert_eq!(later.await.unwrap().access_token.as_deref(), Some("b"));
        let other = renewals.of("you", "r", now + PAUSE + KEPT, land(Ok(tokens("c"))));
        assert_eq!(other.await.unwrap().access_token.as_deref(), Some("c"));
    }

    #[tokio::test]
    async fn one_that_is_given_up_is_begun_anew() {
        let renewals = Renewals::default();
        let now = Instant::now();
        assert!(renewals.of("me", "r", now, drop).await.is_err());
        let land = |landing: Landing| drop(landing.send_replace(Some(Ok(tokens("a")))));
        assert!(renewals.of("me", "r", now, land).await.is_ok());
    }

    #[tokio::test]
    async fn their_number_is_bounded() {
        let renewals = Renewals::default();
        let now = Instant::now();
        let mut landings = Vec::new();
        for index in 0..MAX_FLIGHTS {
            let token = index.to_string();
            let flight = renewals.of("me", &token, now, |landing| landings.push(landing));
            assert!(futures::poll!(Box::pin(flight)).is_pending());
        }
        assert!(
            renewals
                .of("me", "one more", now, |_| panic!("no room"))
                .await
                .is_err()
        );
        landings.clear();
        let land = |landing: Landing| drop(landing.send_replace(Some(Ok(tokens("a")))));
        assert!(renewals.of("me", "one more", now, land).await.is_ok());
    }
}

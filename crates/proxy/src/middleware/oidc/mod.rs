//! `oidc`: lets requests of users pass who logged in at an OpenID provider, and sends others there.
//!
//! The browser keeps all there is to keep, sealed: a login that has begun, then the session. A worker opens cookies and
//! compares; whatever the provider has to be asked is asked by the control plane while the request waits.

mod admission;
mod cookies;
mod flow;
mod login;
mod provider;
mod renewal;
mod seal;
mod session;
mod settings;
mod tokens;

use std::{sync::Arc, time::SystemTime};

use futures::future::LocalBoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mesh_config::{
    ProviderName,
    model::{self, ClaimRule},
};
use mesh_telemetry::metrics::Outcome;
use parking_lot::Mutex;

use self::{
    admission::Admission,
    cookies::CookieRules,
    flow::{Origin, Returns},
    login::page,
    provider::Provider,
    seal::Keys,
    session::Terms,
};
use super::{
    Around, Next, Visit,
    background::Background,
    identity::Told,
    jwt::{algorithm, find, holds, tell},
    watched_file::Watched,
};
use crate::forward::Answer;

/// One client of one provider.
#[derive(Debug)]
pub(super) struct Oidc {
    provider: Arc<Provider>,
    secrets: Watched<Secrets>,
    cookies: CookieRules,
    paths: settings::Paths,
    returns: Returns,
    terms: Terms,
    question: Question,
    logout: Logout,
    told: Told,
    rules: Vec<ClaimRule>,
    user_claim: String,
    /// What is sealed for one client counts for no other.
    client: String,
    issuer: String,
    /// What was told of the provider.
    trouble: Mutex<Option<Arc<str>>>,
}

/// What is not to be known.
pub(super) struct Secrets {
    client: Option<Arc<str>>,
    cookie: Keys,
}

#[derive(Debug)]
struct Question {
    client_id: String,
    scope: String,
    more: Vec<(String, String)>,
}

#[derive(Debug)]
struct Logout {
    at_provider: bool,
    then: String,
}

impl Oidc {
    pub(super) fn new(
        settings: &model::Oidc,
        by: &ProviderName,
        background: &Background,
    ) -> Result<Self, String> {
        let paths = settings::check(settings)?;
        let algorithms = settings.algorithms.iter().copied().map(algorithm).collect();
        let provider = Provider::new(settings, algorithms, by, background.runtime());
        let provider = provider.map_err(|error| format!("issuer: {error}"))?;
        let mut scopes = settings.scopes.clone();
        if !scopes.iter().any(|scope| scope == "openid") {
            scopes.insert(0, "openid".to_owned());
        }
        let session = &settings.session;
        Ok(Self {
            provider: Arc::new(provider),
            secrets: settings::secrets(settings)?,
            cookies: settings::cookies(session),
            paths,
            returns: Returns {
                hosts: settings
                    .allowed_hosts
                    .iter()
                    .map(|host| host.to_ascii_lowercase())
                    .collect(),
                domain: session.domain.clone(),
            },
            terms: Terms {
                lifetime: session.lifetime,
                refresh_before: session.refresh_before,
                stale_for: session.stale_for,
                needs_access_token: settings.forward_access_token,
            },
            question: Question {
                client_id: settings.client_id.clone(),
                scope: scopes.join(" "),
                more: settings.login_parameters.clone().into_iter().collect(),
            },
            logout: Logout {
                at_provider: settings.provider_logout,
                then: settings.post_logout_url.clone(),
            },
            told: Told::new("headers", &settings.headers)?,
            rules: settings.claims.clone(),
            user_claim: settings.user_claim.clone(),
            client: format!("{} {}", settings.issuer, settings.client_id),
            issuer: settings.issuer.clone(),
            trouble: Mutex::default(),
        })
    }

    async fn serve(&self, visit: &mut Visit<'_>, mut next: Next<'_>) -> Answer {
        let Some(origin) = Origin::of(&visit.head.headers) else {
            return page(StatusCode::BAD_REQUEST, "the request names no host");
        };
        let path = visit.head.uri.path();
        if path == self.paths.callback {
            return self.callback(visit, &origin).await;
        }
        if path == self.paths.logout {
            return self.log_out(visit, &origin).await;
        }
        let now = now();
        let (session, cookies) = match self.admit(&visit.head.headers, now).await {
            Admission::In(session, cookies) => (session, cookies),
            Admission::Out => return self.challenge(visit, &origin, now).await,
            Admission::Unknown(trouble) => return self.cannot_tell(visit, &trouble),
        };
        let claims = session.claims();
        let headers = &mut visit.head.headers;
        self.cookies.strip(headers);
        self.told.remove_forged(headers);
        let is_told = tell(&self.told, &claims, headers).is_ok();
        if !is_told || !self.rules.iter().all(|rule| holds(rule, &claims)) {
            let refusal = page(StatusCode::FORBIDDEN, "you are logged in, and may not see this");
            return refusal.counted(Outcome::Forbidden);
        }
        if self.terms.needs_access_token {
            forward(session.access_token.as_deref(), headers);
        }
        if let Some(user) = find(&claims, &self.user_claim).and_then(|user| user.as_str()) {
            visit.trail.note_user(user.into());
        }
        let mut answer = next.run(visit).await;
        for cookie in cookies {
            answer.head.headers.append(header::SET_COOKIE, cookie);
        }
        answer
    }
}

/// Gives a server the access token, in place of whatever the client showed.
fn forward(token: Option<&str>, headers: &mut HeaderMap) {
    headers.remove(header::AUTHORIZATION);
    let bearer = token.and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
    if let Some(mut bearer) = bearer {
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
    }
}

impl Around for Oidc {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(self.serve(visit, next))
    }

    fn refresh(&self) -> bool {
        let trouble = self.provider.trouble();
        let mut known = self.trouble.lock();
        let is_news = *known != trouble;
        *known = trouble;
        self.secrets.refresh() || is_news
    }

    fn trouble(&self) -> Option<String> {
        let provider = || {
            let why = self.trouble.lock().clone()?;
            Some(format!("{} cannot be asked: {why}", self.issuer))
        };
        self.secrets.trouble().or_else(provider)
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.cookie.fmt(f)
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

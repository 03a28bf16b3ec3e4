//! The OpenID provider: what it says of itself, and the tokens it gives. The only I/O of logins; it takes place on the
//! control plane, and its time, number and size are bounded.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use jsonwebtoken::Algorithm;
use mesh_config::{
    ProviderName,
    model::{self, ClientAuthentication, Pem},
};
use parking_lot::Mutex;
use reqwest::Url;
use serde::Deserialize;
use tokio::{runtime::Handle, sync::Semaphore, time::timeout};

use super::{
    super::jwt::{Keys, Origin, Refusal, Terms, Token},
    ended::ends_sessions,
    session::Claims,
    tokens::{Grant, TokenAnswer, Tokens, Trouble, basic, encoded, fits, read_tokens, text},
};
use crate::outside::{Outside, Unaskable};

/// How old what a provider says of itself may be before it is asked again.
const FRESH: Duration = Duration::from_secs(15 * 60);

/// How old it may be while the provider cannot be asked.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a provider is left alone after it could not be asked, or when a token names a key that it does not have.
const PAUSE: Duration = Duration::from_secs(5);

/// Logins that have tokens asked for at once; as many sessions have theirs refreshed, for whom logins leave room.
const MAX_QUESTIONS: usize = 32;

/// A login asks this often at most: discovery, keys, token, keys again, user.
const QUESTIONS_OF_A_LOGIN: u32 = 5;

/// One provider as one client sees it.
#[derive(Debug)]
pub(super) struct Provider {
    settings: Settings,
    place: Outside,
    known: ArcSwapOption<Known>,
    asking: tokio::sync::Mutex<Option<(Instant, String)>>,
    logins: Arc<Semaphore>,
    refreshes: Arc<Semaphore>,
    /// Anybody may send what looks like a logout: that takes no room from the others.
    logouts: Arc<Semaphore>,
    trouble: Mutex<Option<Arc<str>>>,
    runtime: Option<Handle>,
}

#[derive(Debug)]
struct Settings {
    issuer: String,
    client_id: String,
    authentication: ClientAuthentication,
    ca: Option<Pem>,
    timeout: Duration,
    by: ProviderName,
    algorithms: Vec<Algorithm>,
    terms: Terms,
    user_info: bool,
}

/// What a provider said of itself.
#[derive(Debug)]
pub(super) struct Known {
    /// Where browsers log in.
    pub(super) login: Url,
    /// Where they log out.
    pub(super) logout: Option<Url>,
    token: Outside,
    user_info: Option<Outside>,
    keys: Keys,
    at: Instant,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
}

impl Provider {
    /// The provider of `settings`, in the words of `by`.
    ///
    /// # Errors
    /// When it is never to be asked.
    pub(super) fn new(
        settings: &model::Oidc,
        algorithms: Vec<Algorithm>,
        by: &ProviderName,
        runtime: Option<Handle>,
    ) -> Result<Self, Unaskable> {
        let document = format!(
            "{}/.well-known/openid-configuration",
            settings.issuer.trim_end_matches('/')
        );
        let place = Outside::new(&document, settings.ca.as_ref(), settings.timeout, by)?;
        let terms = Terms::new(&model::Jwt {
            issuers: vec![settings.issuer.clone()],
            audiences: vec![settings.client_id.clone()],
            leeway: settings.leeway,
            ..model::Jwt::default()
        });
        Ok(Self {
            settings: Settings {
                issuer: settings.issuer.clone(),
                client_id: settings.client_id.clone(),
                authentication: settings.client_authentication,
                ca: settings.ca.clone(),
                timeout: settings.timeout,
                by: by.clone(),
                algorithms,
                terms,
                user_info: settings.user_info,
            },
            place,
            known: ArcSwapOption::empty(),
            asking: tokio::sync::Mutex::default(),
            logins: Arc::new(Semaphore::new(MAX_QUESTIONS)),
            refreshes: Arc::new(Semaphore::new(MAX_QUESTIONS)),
            logouts: Arc::new(Semaphore::new(MAX_QUESTIONS)),
            trouble: Mutex::default(),
            runtime,
        })
    }

    /// Where questions are asked from.
    pub(super) fn runtime(&self) -> Option<&Handle> {
        self.runtime.as_ref()
    }

    /// What it said of itself; waits if that is not known.
    pub(super) async fn known(self: &Arc<Self>) -> Result<Arc<Known>, Trouble> {
        if let Some(known) = self.usable() {
            return Ok(known);
        }
        let provider = self.clone();
        self.beside(&self.logins, async move { provider.ask(None).await })
            .await
    }

    /// The tokens for `grant`, with `secret`.
    pub(super) async fn tokens(
        self: &Arc<Self>,
        grant: Grant,
        secret: Option<Arc<str>>,
    ) -> Result<Tokens, Trouble> {
        let provider = self.clone();
        let room = match &grant {
            Grant::Code { .. } => &self.logins,
            Grant::Refresh { .. } => &self.refreshes,
        };
        self.beside(
            room,
            async move { provider.redeem(&grant, secret.as_deref()).await },
        )
        .await
    }

    /// What the logout token `token` says, if it is one for us.
    pub(super) async fn ended(self: &Arc<Self>, token: String) -> Result<Claims, Trouble> {
        let provider = self.clone();
        let verifying = async move {
            let known = match provider.usable() {
                Some(known) => known,
                None => provider.ask(None).await?,
            };
            let now = SystemTime::now();
            let claims = provider.signed(&token, &known, now).await?;
            ends_sessions(&claims, now).map_err(|why| Trouble::Refused(why.to_owned()))?;
            Ok(claims)
        };
        self.beside(&self.logouts, verifying).await
    }

    /// Has `work` done on the control plane, while the caller only waits.
    async fn beside<T: Send + 'static>(
        self: &Arc<Self>,
        room: &Arc<Semaphore>,
        work: impl Future<Output = Result<T, Trouble>> + Send + 'static,
    ) -> Result<T, Trouble> {
        let out = |why: &str| Trouble::Out(why.to_owned());
        let runtime = self
            .runtime
            .as_ref()
            .ok_or_else(|| out("nothing is asked while a configuration is checked"))?;
        let place = room
            .clone()
            .try_acquire_owned()
            .map_err(|_| out("too many logins at once"))?;
        let limit = self.settings.timeout.saturating_mul(QUESTIONS_OF_A_LOGIN);
        let provider = self.clone();
        let task = runtime.spawn(async move {
            let done = timeout(limit, work).await;
            drop(place);
            let done = done.unwrap_or_else(|_| Err(Trouble::Out("it takes too long".to_owned())));
            provider.note(&done);
            done
        });
        task.await.unwrap_or_else(|_| Err(out("it was given up")))
    }

    /// Why it could not be asked the last time.
    pub(super) fn trouble(&self) -> Option<Arc<str>> {
        self.trouble.lock().clone()
    }

    /// Notes whether it could be asked, and tells when that has changed.
    fn note<T>(&self, outcome: &Result<T, Trouble>) {
        let trouble = match outcome {
            Err(Trouble::Out(error)) => Some(error.as_str()),
            Ok(_) | Err(Trouble::Refused(_)) => None,
        };
        let mut known = self.trouble.lock();
        if known.as_deref() == trouble {
            return;
        }
        let issuer = &self.settings.issuer;
        match trouble {
            Some(error) => tracing::warn!(%issuer, %error, "OpenID provider cannot be asked"),
            None => tracing::info!(%issuer, "OpenID provider can be asked again"),
        }
        *known = trouble.map(Arc::from);
    }

    /// What is known of it, if that is good enough. What is not fresh is asked for again, and nobody waits for that.
    fn usable(self: &Arc<Self>) -> Option<Arc<Known>> {
        let known = self.known.load_full()?;
        let age = known.at.elapsed();
        if age >= FRESH
            && let Some(runtime) = &self.runtime
            && self.asking.try_lock().is_ok()
        {
            let (provider, after) = (self.clone(), known.at);
            runtime.spawn(async move { provider.note(&provider.ask(Some(after)).await) });
        }
        (age < STALE).then_some(known)
    }

    /// Asks it what it is, unless somebody else just did, or did after `after`.
    async fn ask(&self, after: Option<Instant>) -> Result<Arc<Known>, Trouble> {
        let mut failed = self.asking.lock().await;
        let is_new = |known: &Arc<Known>| after.map_or(known.at.elapsed() < FRESH, |after| known.at > after);
        if let Some(known) = self.known.load_full().filter(is_new) {
            return Ok(known);
        }
        if let Some((at, error)) = &*failed
            && at.elapsed() < PAUSE
        {
            return Err(Trouble::Out(error.clone()));
        }
        match self.discover().await {
            Ok(known) => {
                let known = Arc::new(known);
                self.known.store(Some(known.clone()));
                *failed = None;
                Ok(known)
            }
            Err(error) => {
                *failed = Some((Instant::now(), error.clone()));
                Err(Trouble::Out(error))
            }
        }
    }

    async fn discover(&self) -> Result<Known, String> {
        let at = Instant::now();
        let document: Document = serde_json::from_slice(&self.place.get().await?)
            .map_err(|error| format!("its discovery document cannot be read: {error}"))?;
        // Another issuer's tokens would be accepted for this one's (OpenID Connect Discovery 4.3).
        if document.issuer != self.settings.issuer {
            return Err(format!(
                "it calls itself {:?}, not {:?}; write that as issuer",
                document.issuer, self.settings.issuer
            ));
        }
        let keys = self.place_at("jwks_uri", &document.jwks_uri)?.get().await;
        let keys = keys.map_err(|error| format!("its keys: {error}"))?;
        let keys = Keys::parse(&keys, Origin::Public).map_err(|error| format!("its set of keys {error}"))?;
        let url = |name: &str, text: &str| {
            let url = Url::parse(text)
                .ok()
                .filter(|url| matches!(url.scheme(), "https" | "http"));
            url.ok_or_else(|| format!("its {name} {text:?} is no URL"))
        };
        let user_info = document.userinfo_endpoint.filter(|_| self.settings.user_info);
        Ok(Known {
            login: url("authorization_endpoint", &document.authorization_endpoint)?,
            logout: document
                .end_session_endpoint
                .map(|text| url("end_session_endpoint", &text))
                .transpose()?,
            token: self.place_at("token_endpoint", &document.token_endpoint)?,
            user_info: user_info
                .map(|text| self.place_at("userinfo_endpoint", &text))
                .transpose()?,
            keys: Keys::new(keys),
            at,
        })
    }

    fn place_at(&self, name: &str, url: &str) -> Result<Outside, String> {
        let Settings {
            ca,
            timeout,
            by,
            issuer,
            ..
        } = &self.settings;
        if issuer.starts_with("https://") && !url.starts_with("https://") {
            return Err(format!("its {name} {url:?} is without TLS"));
        }
        Outside::new(url, ca.as_ref(), *timeout, by).map_err(|error| format!("its {name}: {error}"))
    }

    async fn redeem(self: &Arc<Self>, grant: &Grant, secret: Option<&str>) -> Result<Tokens, Trouble> {
        let known = match self.usable() {
            Some(known) => known,
            None => self.ask(None).await?,
        };
        let answer = self.ask_for_tokens(&known, grant, secret).await?;
        let now = SystemTime::now();
        let seconds = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let claims = match (&answer.id_token, grant) {
            (Some(token), _) => Some(self.verify(token, &known, grant, now).await?),
            (None, Grant::Code { .. }) => return Err(Trouble::Refused("it gave no ID token".to_owned())),
            (None, Grant::Refresh { .. }) => None,
        };
        let subject = match (&claims, grant) {
            (Some(claims), _) => text(claims, "sub").unwrap_or_default().to_owned(),
            (None, Grant::Refresh { subject, .. }) => subject.clone(),
            (None, Grant::Code { .. }) => String::new(),
        };
        let more = match (&known.user_info, &answer.access_token) {
            (Some(place), Some(token)) => self.more(place, token, &subject).await?,
            _ => Claims::new(),
        };
        let lasts = answer
            .expires_in
            .filter(|lasts| lasts.is_finite() && *lasts > 0.0);
        let end = claims.as_ref().and_then(|claims| claims.get("exp")?.as_f64());
        let expires = lasts.map(|lasts| seconds as f64 + lasts).or(end);
        Ok(Tokens {
            id_token: answer.id_token,
            access_token: answer.access_token,
            refresh_token: answer.refresh_token,
            expires: expires.map_or(seconds + DEFAULT_LIFETIME, |expires| expires as u64),
            more,
        })
    }

    async fn ask_for_tokens(
        &self,
        known: &Known,
        grant: &Grant,
        secret: Option<&str>,
    ) -> Result<TokenAnswer, Trouble> {
        let mut form = match grant {
            Grant::Code {
                code,
                redirect,
                verifier,
                ..
            } => vec![
                ("grant_type", "authorization_code"),
                ("code", code),
                ("redirect_uri", redirect),
                ("code_verifier", verifier),
            ],
            Grant::Refresh { token, .. } => vec![("grant_type", "refresh_token"), ("refresh_token", token)],
        };
        let client_id = self.settings.client_id.as_str();
        let authorization = match (secret, self.settings.authentication) {
            (Some(secret), ClientAuthentication::Basic) => Some(basic(client_id, secret)?),
            (Some(secret), ClientAuthentication::Post) => {
                form.extend([("client_id", client_id), ("client_secret", secret)]);
                None
            }
            (None, _) => {
                form.push(("client_id", client_id));
                None
            }
        };
        let answered = known.token.post(encoded(&form), authorization).await;
        let (status, body) =
            answered.map_err(|error| Trouble::Out(format!("its token endpoint: {error}")))?;
        read_tokens(status, &body)
    }

    /// The claims of an ID token, if it holds and is what was asked for.
    async fn verify(
        self: &Arc<Self>,
        text: &str,
        known: &Known,
        grant: &Grant,
        now: SystemTime,
    ) -> Result<Claims, Trouble> {
        let claims = self.signed(text, known, now).await?;
        fits(&claims, &self.settings.client_id, grant).map_err(|why| Trouble::Refused(why.to_owned()))?;
        Ok(claims)
    }

    /// The claims of a token that it signed for us, and that holds.
    async fn signed(self: &Arc<Self>, text: &str, known: &Known, now: SystemTime) -> Result<Claims, Trouble> {
        let refused = |refusal: Refusal| Trouble::Refused(format!("its token: {}", refusal.text()));
        let token = Token::parse(text, &self.settings.algorithms).map_err(refused)?;
        let claims = match token.verify(&known.keys) {
            // It may have new keys since.
            Err(Refusal::UnknownKey) if known.at.elapsed() > PAUSE => {
                let known = self.ask(Some(known.at)).await?;
                token.verify(&known.keys)
            }
            other => other,
        };
        let claims = claims.map_err(refused)?;
        self.settings.terms.check(&claims, now).map_err(refused)?;
        Ok(claims)
    }

    /// What the provider says of the user beside the token.
    async fn more(&self, place: &Outside, token: &str, subject: &str) -> Result<Claims, Trouble> {
        let bearer = HeaderValue::try_from(format!("Bearer {token}"));
        let bearer = bearer.map_err(|_| Trouble::Refused("its access token fits in no header".to_owned()))?;
        let out = |error: String| Trouble::Out(format!("its userinfo endpoint: {error}"));
        let body = place.get_as(bearer).await.map_err(out)?;
        let claims: Claims = serde_json::from_slice(&body).map_err(|error| out(error.to_string()))?;
        // Else another user's claims could be put in (OpenID Connect Core 5.3.2).
        match text(&claims, "sub") == Some(subject) {
            true => Ok(claims),
            false => Err(Trouble::Refused(
                "its userinfo endpoint tells of another user".to_owned(),
            )),
        }
    }
}

/// How long tokens hold that say nothing of it, in seconds.
const DEFAULT_LIFETIME: u64 = 5 * 60;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture::Serving;

    fn answer(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    const DOCUMENT: &str = "/.well-known/openid-configuration";

    fn document(issuer: &str, keys: &str) -> String {
        let place = |path: &str| format!("{issuer}{path}");
        answer(
            &json!({
                "issuer": issuer, "authorization_endpoint": place("/login"),
                "token_endpoint": place("/token"), "jwks_uri": keys,
            })
            .to_string(),
        )
    }

    fn provider(server: &Serving) -> Arc<Provider> {
        let settings = model::Oidc {
            issuer: format!("http://{}", server.address),
            ..model::Oidc::default()
        };
        let by = ProviderName::new("file");
        let runtime = Some(Handle::current());
        Arc::new(Provider::new(&settings, vec![Algorithm::EdDSA], &by, runtime).unwrap())
    }

    fn key_set() -> String {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": "A".repeat(43)});
        answer(&json!({"keys": [key]}).to_string())
    }

    async fn why(server: &Serving) -> String {
        provider(server).known().await.err().unwrap().to_string()
    }

    #[tokio::test]
    async fn what_it_says_is_asked_for_once_and_outlives_a_failure() {
        let server = Serving::new(Vec::new());
        let issuer = format!("http://{}", server.address);
        server.answers(vec![
            (DOCUMENT, document(&issuer, &format!("{issuer}/keys"))),
            ("/keys", key_set()),
        ]);
        let provider = provider(&server);
        let (first, second) = tokio::join!(provider.known(), provider.known());
        assert_eq!(first.unwrap().login.as_str(), format!("{issuer}/login"));
        assert!(Arc::ptr_eq(&second.unwrap(), &provider.known().await.unwrap()));
        assert_eq!(server.asked(), 2);
        server.answers(Vec::new());
        let known = provider.known().await.unwrap();
        assert!(provider.ask(Some(known.at)).await.is_err(), "it is away");
        assert!(Arc::ptr_eq(&known, &provider.known().await.unwrap()));
        let asked = server.asked();
        assert!(provider.ask(Some(known.at)).await.is_err());
        assert_eq!(server.asked(), asked, "it is left alone for a while");
    }

    #[tokio::test]
    async fn a_document_of_another_or_that_leads_elsewhere_is_refused() {
        let server = Serving::new(Vec::new());
        let issuer = format!("http://{}", server.address);
        for (answer, said) in [
            (
                document("https://evil.test", "https://evil.test/keys"),
                "calls itself",
            ),
            (document(&issuer, "http://169.254.169.254/keys"), "jwks_uri"),
            (document(&issuer, "file:///etc/passwd"), "jwks_uri"),
            (answer("<html>"), "cannot be read"),
            (String::new(), "error"),
        ] {
            server.answer(DOCUMENT, answer);
            let error = why(&server).await;
            assert!(error.contains(said), "{error}");
        }
    }
}

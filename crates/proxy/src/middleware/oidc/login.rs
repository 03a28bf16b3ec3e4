//! The ways of a browser to the provider and back: logging in, and out.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use mesh_telemetry::metrics::Outcome;
use reqwest::Url;

use super::{
    Oidc, cookies,
    flow::{Asked, LOGIN_TIME, Login, Origin, Told, wants_page},
    now,
    session::Session,
    tokens::{Grant, Tokens, Trouble},
};
use crate::{forward::Answer, middleware::Visit, respond::Failure};

/// Logins that one browser has begun and not ended; more were given up.
const MAX_LOGINS: usize = 5;

impl Oidc {
    /// Has a person log in, and tells a program that somebody has to.
    pub(super) async fn challenge(&self, visit: &Visit<'_>, origin: &Origin, now: u64) -> Answer {
        let headers = &visit.head.headers;
        if !wants_page(&visit.head) {
            let mut answer = page(StatusCode::UNAUTHORIZED, "log in first");
            let bearer = HeaderValue::from_static("Bearer");
            answer.head.headers.insert(header::WWW_AUTHENTICATE, bearer);
            return answer.counted(Outcome::Missing);
        }
        let known = match self.provider.known().await {
            Ok(known) => known,
            Err(trouble) => return self.cannot_tell(visit, &trouble),
        };
        let target = visit
            .head
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let login = Login::new(origin, target, now);
        let redirect = self.redirect(origin);
        let url = login.question(
            &known.login,
            &Asked {
                client_id: &self.question.client_id,
                redirect: &redirect,
                scope: &self.question.scope,
                more: &self.question.more,
            },
        );
        let sealed = serde_json::to_vec(&login).ok();
        let sealed = sealed.and_then(|text| {
            self.secrets
                .get()
                .cookie
                .seal(&format!("login {}", self.client), &text)
        });
        let cookie = sealed.and_then(|value| {
            self.cookies
                .set(&self.cookies.login(&login.state), &value, LOGIN_TIME)
        });
        let Some(cookie) = cookie else {
            return page(StatusCode::INTERNAL_SERVER_ERROR, "the login cannot begin");
        };
        let mut cookies = self.cookies.forget_logins(headers, MAX_LOGINS);
        cookies.push(cookie);
        go(StatusCode::FOUND, &url, cookies).counted(Outcome::Login)
    }

    /// Where the provider sends the users of `origin` back to.
    fn redirect(&self, origin: &Origin) -> String {
        match &self.paths.redirect {
            Some(url) => url.clone(),
            None => format!("{origin}{}", self.paths.callback),
        }
    }

    /// A browser comes back from the provider.
    pub(super) async fn callback(&self, visit: &Visit<'_>, origin: &Origin) -> Answer {
        let headers = &visit.head.headers;
        if visit.head.method != Method::GET {
            return page(StatusCode::METHOD_NOT_ALLOWED, "logins come back by GET");
        }
        let told = Told::read(visit.head.uri.query().unwrap_or_default(), &self.issuer);
        let login = told
            .as_ref()
            .and_then(|told| self.login(headers, told.state(), now()));
        let (Some(told), Some(login)) = (told, login) else {
            return page(
                StatusCode::BAD_REQUEST,
                "this login was not begun in this browser, or took too long; open the page again",
            );
        };
        let cookies: Vec<_> = self
            .cookies
            .set(&self.cookies.login(&login.state), "", 0)
            .into_iter()
            .collect();
        let code = match told {
            Told::Code { code, .. } => code,
            Told::Error { error, .. } => {
                return with(
                    page(StatusCode::FORBIDDEN, &format!("the login was refused: {error}")),
                    cookies,
                );
            }
        };
        match self.redeem(code, &login, origin).await {
            Ok(tokens) => self.begin(tokens, &login, headers, origin, cookies),
            Err(Trouble::Refused(error)) => {
                tracing::warn!(issuer = %self.issuer, %error, "login refused");
                let told = page(
                    StatusCode::FORBIDDEN,
                    "the login is not valid; open the page again",
                );
                with(told, cookies)
            }
            Err(trouble) => self.cannot_tell(visit, &trouble),
        }
    }

    /// What the provider gives for `code`.
    async fn redeem(&self, code: String, login: &Login, origin: &Origin) -> Result<Tokens, Trouble> {
        let grant = Grant::Code {
            code,
            redirect: self.redirect(origin),
            verifier: login.verifier.clone(),
            nonce: login.nonce.clone(),
        };
        let secret = self.secrets.get().client.clone();
        self.provider.tokens(grant, secret).await
    }

    /// Begins a session, and sends the browser back to where it wanted to go.
    fn begin(
        &self,
        tokens: Tokens,
        login: &Login,
        headers: &HeaderMap,
        origin: &Origin,
        mut cookies: Vec<HeaderValue>,
    ) -> Answer {
        let now = now();
        let session = Session {
            id_token: tokens.id_token.unwrap_or_default(),
            more: tokens.more,
            access_token: tokens.access_token.filter(|_| self.terms.needs_access_token),
            refresh_token: tokens.refresh_token,
            expires: tokens.expires,
            since: now,
        };
        let Some(kept) = self.keep(&session, headers, now) else {
            tracing::warn!(issuer = %self.issuer, "session is too large for cookies: ask for fewer scopes or claims");
            let told = page(StatusCode::INTERNAL_SERVER_ERROR, "the session is too large");
            return with(told, cookies);
        };
        cookies.extend(kept);
        let back = Url::parse(&login.back)
            .ok()
            .filter(|_| self.returns.allow(origin, &login.back));
        match back.or_else(|| Url::parse(&format!("{origin}/")).ok()) {
            Some(back) => go(StatusCode::FOUND, &back, cookies),
            None => with(page(StatusCode::OK, "you are logged in"), cookies),
        }
    }

    /// The login with this state that has begun in this browser.
    fn login(&self, headers: &HeaderMap, state: &str, now: u64) -> Option<Login> {
        let value = cookies::find(headers, &self.cookies.login(state))?;
        let opened = self
            .secrets
            .get()
            .cookie
            .open(&format!("login {}", self.client), value)?;
        let login: Login = serde_json::from_slice(&opened.text).ok()?;
        login.is_answered_by(state, now).then_some(login)
    }

    /// Ends the session, at the provider as well.
    pub(super) async fn log_out(&self, visit: &Visit<'_>, origin: &Origin) -> Answer {
        let headers = &visit.head.headers;
        if !matches!(visit.head.method, Method::GET | Method::POST) {
            return page(StatusCode::METHOD_NOT_ALLOWED, "log out by GET or POST");
        }
        // Other sites do not log our users out.
        if headers
            .get("sec-fetch-site")
            .is_some_and(|site| site == "cross-site")
        {
            return page(StatusCode::FORBIDDEN, "log out from a page of this site");
        }
        let session = self.session(headers).map(|(session, _)| session);
        let cookies = self.cookies.forget(headers);
        let then = match self.logout.then.starts_with('/') {
            true => format!("{origin}{}", self.logout.then),
            false => self.logout.then.clone(),
        };
        let known = match (self.logout.at_provider, &session) {
            (true, Some(_)) => self.provider.known().await.ok(),
            _ => None,
        };
        let mut url = known.and_then(|known| known.logout.clone());
        if let (Some(url), Some(session)) = (&mut url, &session) {
            url.query_pairs_mut()
                .append_pair("id_token_hint", &session.id_token)
                .append_pair("client_id", &self.question.client_id)
                .append_pair("post_logout_redirect_uri", &then);
        }
        match url.or_else(|| Url::parse(&then).ok()) {
            Some(url) => go(StatusCode::SEE_OTHER, &url, cookies),
            None => with(page(StatusCode::OK, "you are logged out"), cookies),
        }
    }

    /// Nobody can log in, and no session can be judged.
    pub(super) fn cannot_tell(&self, visit: &Visit<'_>, trouble: &Trouble) -> Answer {
        tracing::debug!(issuer = %self.issuer, %trouble, "nobody can log in");
        let why = "the identity provider cannot be asked";
        let answer = visit.client.fail(Failure::Unavailable(why.into()));
        answer.counted(Outcome::Unavailable)
    }
}

/// A short text for a person, which nobody keeps.
pub(super) fn page(status: StatusCode, text: &str) -> Answer {
    let mut response = Response::new(Bytes::from(format!("{text}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.into()
}

/// Sends a browser to `url`.
fn go(status: StatusCode, url: &Url, cookies: Vec<HeaderValue>) -> Answer {
    let mut answer = page(status, "");
    match HeaderValue::try_from(url.as_str()) {
        Ok(location) => answer.head.headers.insert(header::LOCATION, location),
        Err(_) => return page(StatusCode::INTERNAL_SERVER_ERROR, "this leads nowhere"),
    };
    with(answer, cookies)
}

fn with(mut answer: Answer, cookies: Vec<HeaderValue>) -> Answer {
    for cookie in cookies {
        answer.head.headers.append(header::SET_COOKIE, cookie);
    }
    answer
}

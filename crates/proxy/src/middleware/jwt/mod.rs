//! `jwt`: lets requests pass that carry a signed token.

mod claims;
mod key_set;
mod keys;
#[cfg(test)]
mod tests;
mod token;
mod verified;

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use jsonwebtoken::Algorithm;
use mesh_config::{ProviderName, model};
use mesh_telemetry::metrics::Outcome;
use parking_lot::Mutex;

pub use self::key_set::{FetchInfo, Fetches};
pub(super) use self::{
    claims::{Terms, find, holds, tell},
    key_set::KeySets,
    keys::{Keys, Origin},
    token::{Claims, Refusal, Token},
};
use self::{
    key_set::KeySet,
    keys::Key,
    verified::{Asked, Verified},
};
use super::{
    Around, InvalidMiddleware, Next, Visit,
    cookie_pairs::{keep_pairs, pairs},
    identity::{Told, realm},
    plain,
    watched_file::{Watched, read},
};
use crate::{forward::Answer, respond::Failure};

/// Keys, and what they have to be used for.
#[derive(Debug)]
pub(super) struct Jwt {
    own: Watched<Keys>,
    fetched: Option<Arc<KeySet>>,
    verified: Verified,
    /// What was told of fetching.
    told: Mutex<Option<Arc<str>>>,
    algorithms: Vec<Algorithm>,
    terms: Terms,
    headers: Told,
    user_claim: String,
    place: Place,
    forwards: bool,
    realm: String,
}

/// Where a token is.
#[derive(Debug)]
struct Place {
    header: Option<HeaderName>,
    cookie: Option<String>,
}

impl Jwt {
    pub(super) fn new(
        settings: &model::Jwt,
        provider: &ProviderName,
        sets: &KeySets,
    ) -> Result<Self, String> {
        let algorithms = algorithms(settings)?;
        let place = Place::new(settings)?;
        let headers = Told::new("headers", &settings.headers)?;
        if let Some(rule) = settings.claims.iter().find(|rule| rule.name.is_empty()) {
            return Err(format!(
                "claims {:?} has no name; name a claim such as role",
                rule.values
            ));
        }
        let (definitions, allowed) = (settings.keys.clone(), algorithms.clone());
        let files = settings.keys.iter().filter_map(model::JwtKey::file).cloned();
        let own = Watched::new(files.collect(), move || own_keys(&definitions, &allowed))?;
        let realm = realm(&settings.realm)?;
        // Last: nobody is asked for what cannot be used.
        let fetched = settings.jwks.as_ref().map(|jwks| {
            check(jwks)?;
            let set = sets.of(jwks, provider);
            set.map_err(|error| format!("jwks: {error}"))
        });
        Ok(Self {
            own,
            fetched: fetched.transpose()?,
            verified: Verified::default(),
            told: Mutex::default(),
            algorithms,
            terms: Terms::new(settings),
            headers,
            user_claim: settings.user_claim.clone(),
            place,
            forwards: settings.forward_token,
            realm,
        })
    }

    /// What the token among `headers` says, if it counts.
    async fn admit(&self, headers: &HeaderMap) -> Result<Arc<Claims>, Refusal> {
        let text = self.place.find(headers)?;
        let claims = match self.verify(text) {
            Err(Refusal::UnknownKey | Refusal::NoKeys) if self.renew().await => self.verify(text)?,
            verified => verified?,
        };
        self.terms.check(&claims, SystemTime::now())?;
        Ok(claims)
    }

    /// What the token `text` says, if one of the keys that are known signed it.
    fn verify(&self, text: &str) -> Result<Arc<Claims>, Refusal> {
        let (own, fetched) = (self.own.get(), self.fetched.as_ref());
        let fetched = fetched.map(|set| set.keys(Instant::now()).ok_or(Refusal::NoKeys));
        let of_fetched = fetched.as_ref().and_then(|keys| keys.as_ref().ok());
        let editions = [Some(own.edition()), of_fetched.map(|keys| keys.edition())];
        let asked = Asked::new(text);
        if let Some(claims) = self.verified.find(&asked, &editions) {
            return Ok(claims);
        }
        let token = Token::parse(text, &self.algorithms)?;
        let (edition, claims) = match (token.verify(&own), fetched) {
            (Err(_), Some(keys)) => {
                let keys = keys?;
                (keys.edition(), token.verify(&keys)?)
            }
            (of_own, _) => (own.edition(), of_own?),
        };
        let claims = Arc::new(claims);
        self.verified.keep(asked, edition, claims.clone(), text.len());
        Ok(claims)
    }

    async fn renew(&self) -> bool {
        match &self.fetched {
            Some(set) => set.renew().await,
            None => false,
        }
    }

    fn refuse(&self, refusal: Refusal, visit: &Visit<'_>) -> Answer {
        let outcome = match refusal {
            Refusal::NoKeys => {
                let why = Arc::from("keys to verify tokens with could not be fetched");
                let answer = visit.client.fail(Failure::Unavailable(why));
                return answer.counted(Outcome::Unavailable);
            }
            Refusal::Missing => Outcome::Missing,
            Refusal::Claims => Outcome::Forbidden,
            _ => Outcome::Invalid,
        };
        Answer::from(self.response(refusal)).counted(outcome)
    }

    /// As RFC 6750 3 wants it.
    fn response(&self, refusal: Refusal) -> Response<Bytes> {
        let (status, error) = match refusal {
            Refusal::Claims => (StatusCode::FORBIDDEN, "insufficient_scope"),
            _ => (StatusCode::UNAUTHORIZED, "invalid_token"),
        };
        let challenge = match refusal {
            // Who sent none need not be told what is wrong with it.
            Refusal::Missing => format!("Bearer realm=\"{}\"", self.realm),
            _ => format!(
                "Bearer realm=\"{}\", error=\"{error}\", error_description=\"{}\"",
                self.realm,
                refusal.text()
            ),
        };
        let mut response = plain(status);
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl Around for Jwt {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            self.headers.remove_forged(&mut visit.head.headers);
            let admitted = self.admit(&visit.head.headers).await;
            let told = admitted.and_then(|claims| {
                tell(&self.headers, &claims, &mut visit.head.headers)?;
                Ok(claims)
            });
            match told {
                Err(refusal) => self.refuse(refusal, visit),
                Ok(claims) => {
                    visit.trail.note_known();
                    if let Some(user) = find(&claims, &self.user_claim).and_then(|user| user.as_str()) {
                        visit.trail.note_user(user.into());
                    }
                    if !self.forwards {
                        self.place.clear(&mut visit.head.headers);
                    }
                    next.run(visit).await
                }
            }
        })
    }

    fn refresh(&self) -> bool {
        let trouble = self.fetched.as_ref().and_then(|set| set.trouble());
        let mut told = self.told.lock();
        let is_news = *told != trouble;
        *told = trouble;
        self.own.refresh() || is_news
    }

    fn trouble(&self) -> Option<String> {
        let of_files = self.own.trouble();
        let of_files = of_files.map(|trouble| format!("{trouble}; what was read before serves on"));
        let of_fetching = self.fetched.as_ref().and_then(|set| set.trouble());
        of_files.or_else(|| of_fetching.map(|trouble| format!("jwks.url cannot be fetched: {trouble}")))
    }
}

impl Place {
    fn new(settings: &model::Jwt) -> Result<Self, InvalidMiddleware> {
        let invalid = |key, found: &str, reason| InvalidMiddleware {
            key,
            found: found.to_owned(),
            reason,
        };
        let cookie = match settings.cookie.as_str() {
            "" => None,
            name if name
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"=;,\"".contains(&byte)) =>
            {
                Some(name.to_owned())
            }
            name => return Err(invalid("cookie", name, "is no name of a cookie")),
        };
        let header = match (settings.header.as_str(), &cookie) {
            ("", None) => Some(header::AUTHORIZATION),
            ("", Some(_)) => None,
            (name, _) => Some(
                name.parse()
                    .map_err(|_| invalid("header", name, "is no header name"))?,
            ),
        };
        Ok(Self { header, cookie })
    }

    /// The only token; two could be two users.
    fn find<'h>(&self, headers: &'h HeaderMap) -> Result<&'h str, Refusal> {
        if let Some(name) = &self.header {
            let mut lines = headers.get_all(name).iter();
            match (lines.next(), lines.next()) {
                (None, _) => {}
                (Some(_), Some(_)) => return Err(Refusal::Malformed),
                (Some(line), None) => {
                    let line = line.to_str().map_err(|_| Refusal::Malformed)?.trim();
                    match bearer(line) {
                        Some(token) => return Ok(token),
                        // Another scheme is for somebody else.
                        None if *name == header::AUTHORIZATION => {}
                        None => return Ok(line),
                    }
                }
            }
        }
        let Some(name) = &self.cookie else {
            return Err(Refusal::Missing);
        };
        let mut found = pairs(headers).filter(|pair| pair.name() == Some(name.as_str()));
        match (found.next(), found.next()) {
            (None, _) => Err(Refusal::Missing),
            (Some(pair), None) => match pair.value() {
                Some(token) => Ok(token.trim_matches('"')),
                None => Err(Refusal::Malformed),
            },
            (Some(_), Some(_)) => Err(Refusal::Malformed),
        }
    }

    /// Takes the token away.
    fn clear(&self, headers: &mut HeaderMap) {
        if let Some(name) = &self.header {
            headers.remove(name);
        }
        let Some(name) = &self.cookie else { return };
        keep_pairs(headers, |known| known != name);
    }
}

/// What stands behind the scheme `Bearer`, in any case (RFC 9110 11.1).
fn bearer(line: &str) -> Option<&str> {
    let (scheme, token) = line.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}

/// The algorithms that count, all for secrets or all for public keys: what a public key verifies is never verified by
/// a secret.
fn algorithms(settings: &model::Jwt) -> Result<Vec<Algorithm>, String> {
    if settings.algorithms.is_empty() {
        return Err("algorithms is empty; list those that the issuer signs with, such as RS256".to_owned());
    }
    let algorithms: Vec<_> = settings.algorithms.iter().map(|it| algorithm(*it)).collect();
    let secret = |it: &Algorithm| matches!(it, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
    if algorithms.iter().any(secret) && !algorithms.iter().all(secret) {
        return Err(
            "algorithms mixes those of secrets (HS256) with those of public keys; \
            write a middleware for each"
                .to_owned(),
        );
    }
    if settings.jwks.is_some() && algorithms.iter().all(secret) {
        return Err(
            "jwks.url gives public keys, and algorithms lists those of secrets; \
            list those that the issuer signs with, such as RS256"
                .to_owned(),
        );
    }
    if settings.jwks.is_none() && settings.keys.is_empty() {
        return Err(
            "keys is empty, and there is no jwks.url; write where the issuer publishes its keys".to_owned(),
        );
    }
    Ok(algorithms)
}

pub(super) fn algorithm(model: model::JwtAlgorithm) -> Algorithm {
    use model::JwtAlgorithm as Written;
    match model {
        Written::HS256 => Algorithm::HS256,
        Written::HS384 => Algorithm::HS384,
        Written::HS512 => Algorithm::HS512,
        Written::RS256 => Algorithm::RS256,
        Written::RS384 => Algorithm::RS384,
        Written::RS512 => Algorithm::RS512,
        Written::PS256 => Algorithm::PS256,
        Written::PS384 => Algorithm::PS384,
        Written::PS512 => Algorithm::PS512,
        Written::ES256 => Algorithm::ES256,
        Written::ES384 => Algorithm::ES384,
        Written::EdDSA => Algorithm::EdDSA,
    }
}

fn check(jwks: &model::Jwks) -> Result<(), String> {
    let limits = [
        ("jwks.refreshInterval", jwks.refresh_interval),
        ("jwks.timeout", jwks.timeout),
    ];
    match limits.iter().find(|(_, limit)| limit.is_zero()) {
        Some((key, _)) => Err(format!(
            "{key} is 0; write a duration such as 5s, or leave it out"
        )),
        None => Ok(()),
    }
}

/// The keys that settings and files hold.
fn own_keys(definitions: &[model::JwtKey], allowed: &[Algorithm]) -> Result<Keys, String> {
    let mut all = Vec::new();
    for (at, definition) in definitions.iter().enumerate() {
        let at = |reason: &str| format!("keys[{at}] {reason}");
        let mut keys = written(definition).map_err(|reason| at(&reason))?;
        if !definition.id.is_empty() {
            for key in &mut keys {
                key.id = Some(definition.id.as_str().into());
            }
        }
        let keys = Keys::new(keys);
        if !keys.fit_any(allowed) {
            return Err(at("verifies none of the algorithms that are listed"));
        }
        all.push(keys);
    }
    Ok(Keys::of_all(all))
}

/// The keys that one definition names.
fn written(definition: &model::JwtKey) -> Result<Vec<Key>, String> {
    let model::JwtKey {
        id: _,
        pem,
        jwk,
        jwk_file,
        secret,
        secret_file,
    } = definition;
    let one = |name: &str, key: Result<Key, &'static str>| {
        key.map(|key| vec![key])
            .map_err(|reason| format!("{name} {reason}"))
    };
    let set = |name: &str, text: &str| {
        Keys::parse(text.as_bytes(), Origin::Own).map_err(|reason| format!("{name} {reason}"))
    };
    match (pem, jwk, jwk_file, secret, secret_file) {
        (Some(model::Pem::Inline(text)), None, None, None, None) => one("pem", Key::of_pem(text)),
        (Some(model::Pem::File(path)), None, None, None, None) => {
            one(&path.display().to_string(), Key::of_pem(&read(path)?))
        }
        (None, Some(text), None, None, None) => set("jwk", text.expose()),
        (None, None, Some(path), None, None) => set(&path.display().to_string(), &read(path)?),
        (None, None, None, Some(secret), None) => one("secret", Key::of_secret(secret.expose().as_bytes())),
        (None, None, None, None, Some(path)) => {
            // Editors and `echo` end a file with a line end that nobody means.
            let text = read(path)?;
            let secret = text.trim_end_matches(['\r', '\n']);
            one(&path.display().to_string(), Key::of_secret(secret.as_bytes()))
        }
        (None, None, None, None, None) => {
            Err("holds no key; write one of pem, jwk, jwkFile, secret and secretFile".to_owned())
        }
        _ => Err("holds more than one key; write one of pem, jwk, jwkFile, secret and secretFile".to_owned()),
    }
}

//! The options of `oidc`, checked.

use std::path::PathBuf;

use http::{HeaderName, Uri};
use mesh_config::{model, redact};
use reqwest::Url;

use super::{
    super::{
        InvalidMiddleware,
        watched_file::{Watched, read},
    },
    Secrets,
    cookies::CookieRules,
    flow::{OWN_PARAMETERS, is_within},
    seal::Keys,
};

/// The longest name of a cookie.
const MAX_NAME: usize = 64;

/// The options that are texts, as [`check`] left them.
#[derive(Debug)]
pub(super) struct Paths {
    /// Where the provider sends users back to.
    pub(super) callback: String,
    /// What ends a session.
    pub(super) logout: String,
    /// Where the provider tells that it ended sessions.
    pub(super) backchannel: Option<String>,
    /// The whole URL of the callback, where it is on one host for all.
    pub(super) redirect: Option<String>,
}

/// Refuses options that cannot be used.
///
/// # Errors
/// The first of them.
pub(super) fn check(settings: &model::Oidc) -> Result<Paths, InvalidMiddleware> {
    client(settings)?;
    question(settings)?;
    session(&settings.session)?;
    let redirect = redirect(settings)?;
    let callback = match &redirect {
        Some((_, path)) => path.clone(),
        None => settings.callback_path.clone(),
    };
    let (logout, then) = (&settings.logout_path, &settings.post_logout_url);
    for (key, path) in [("callbackPath", &callback), ("logoutPath", logout)] {
        if !is_path(path) {
            return Err(invalid(
                key,
                path,
                "is no path; write one such as /oauth2/callback",
            ));
        }
    }
    if callback == *logout {
        return Err(invalid("logoutPath", logout, "is that of the callback as well"));
    }
    let backchannel = Some(&settings.backchannel_logout_path).filter(|path| !path.is_empty());
    if let Some(path) = backchannel
        && (!is_path(path) || [&callback, logout].contains(&path))
    {
        let reason = "is no path of its own; write one such as /oauth2/backchannel-logout";
        return Err(invalid("backchannelLogoutPath", path, reason));
    }
    if !is_path(then) && !is_http(then) {
        return Err(invalid("postLogoutUrl", then, "is neither a path nor a URL"));
    }
    Ok(Paths {
        callback,
        logout: logout.clone(),
        backchannel: backchannel.cloned(),
        redirect: redirect.map(|(url, _)| url),
    })
}

fn invalid(key: &'static str, found: &str, reason: &'static str) -> InvalidMiddleware {
    InvalidMiddleware {
        key,
        found: redact::text(found).into_owned(),
        reason,
    }
}

/// Who we are, for whom.
fn client(settings: &model::Oidc) -> Result<(), InvalidMiddleware> {
    use model::JwtAlgorithm::{HS256, HS384, HS512};
    if settings.client_id.is_empty() {
        let reason = "is empty; write what the provider calls this client";
        return Err(invalid("clientId", "", reason));
    }
    if !is_http(&settings.issuer) {
        let reason = "is no URL; write https://id.example.com, as the provider calls itself";
        return Err(invalid("issuer", &settings.issuer, reason));
    }
    if settings.issuer.contains(['?', '#']) {
        return Err(invalid(
            "issuer",
            &settings.issuer,
            "has a query; write the issuer alone",
        ));
    }
    if settings.client_secret.is_some() && settings.client_secret_file.is_some() {
        let reason = "stands beside clientSecret; write one of them";
        return Err(invalid("clientSecretFile", "", reason));
    }
    if settings.algorithms.is_empty() {
        return Err(invalid("algorithms", "", "allows no signature; write [RS256]"));
    }
    let mut algorithms = settings.algorithms.iter();
    if let Some(found) = algorithms.find(|it| matches!(it, HS256 | HS384 | HS512)) {
        let reason = "is made with a secret; write one of public keys, such as RS256";
        return Err(invalid("algorithms", &format!("{found:?}"), reason));
    }
    if settings.timeout.is_zero() {
        return Err(invalid("timeout", "0s", "leaves the provider no time; write 5s"));
    }
    Ok(())
}

/// What is asked, and of the claims in the answer.
fn question(settings: &model::Oidc) -> Result<(), InvalidMiddleware> {
    let mut parameters = settings.login_parameters.keys();
    if let Some(name) = parameters.find(|name| OWN_PARAMETERS.contains(&name.as_str())) {
        return Err(invalid("loginParameters", name, "is set by Mesh; leave it out"));
    }
    let is_none = |scope: &&String| scope.is_empty() || scope.contains(char::is_whitespace);
    if let Some(scope) = settings.scopes.iter().find(is_none) {
        let reason = "is no scope; write each as an item of the list";
        return Err(invalid("scopes", scope, reason));
    }
    if let Some(rule) = settings.claims.iter().find(|rule| rule.name.is_empty()) {
        let reason = "has no name; name a claim such as groups";
        return Err(invalid("claims", &format!("{:?}", rule.values), reason));
    }
    Ok(())
}

fn session(session: &model::OidcSession) -> Result<(), InvalidMiddleware> {
    // The names of headers and of cookies have the same characters.
    let is_name = session.name.parse::<HeaderName>().is_ok() && session.name.len() <= MAX_NAME;
    if !is_name {
        let reason = "is no name for a cookie; write mesh_session";
        return Err(invalid("session.name", &session.name, reason));
    }
    if !session.domain.is_empty() && !is_domain(&session.domain) {
        let reason = "is no domain; write example.com, without a dot in front";
        return Err(invalid("session.domain", &session.domain, reason));
    }
    if session.lifetime.as_secs() == 0 {
        let reason = "ends each session at once; write 12h";
        return Err(invalid("session.lifetime", "0s", reason));
    }
    Ok(())
}

fn is_domain(text: &str) -> bool {
    let is_of_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let mut labels = text.split('.');
    labels.all(|label| !label.is_empty() && label.bytes().all(is_of_label))
}

/// The URL of the callback with its path, if it is written.
fn redirect(settings: &model::Oidc) -> Result<Option<(String, String)>, InvalidMiddleware> {
    let text = settings.redirect_url.as_str();
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = |reason| invalid("redirectUrl", text, reason);
    let url = Url::parse(text)
        .ok()
        .filter(|url| is_http(text) && url.query().is_none() && url.fragment().is_none());
    let url = url.ok_or_else(|| invalid("is no URL; write https://login.example.com/oauth2/callback"))?;
    let (host, domain) = (url.host_str().unwrap_or_default(), &settings.session.domain);
    if !domain.is_empty() && !is_within(host, domain) {
        return Err(invalid(
            "is not within session.domain: the callback would not see who began the login",
        ));
    }
    Ok(Some((text.to_owned(), url.path().to_owned())))
}

fn is_path(text: &str) -> bool {
    let parsed = text.parse::<Uri>();
    text.starts_with('/') && !text.starts_with("//") && parsed.is_ok_and(|uri| uri.path() == text)
}

fn is_http(text: &str) -> bool {
    let url = Url::parse(text);
    url.is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty()
    })
}

/// The cookies of `session`.
pub(super) fn cookies(session: &model::OidcSession) -> CookieRules {
    CookieRules::new(&session.name, &session.domain, session.secure)
}

/// The secrets of `settings`, read again when their files change.
///
/// # Errors
/// When there are none, or they are too short.
pub(super) fn secrets(settings: &model::Oidc) -> Result<Watched<Secrets>, String> {
    let files = [&settings.client_secret_file, &settings.session.secrets_file];
    let paths: Vec<PathBuf> = files.into_iter().flatten().cloned().collect();
    let settings = (
        settings.client_secret.clone(),
        settings.client_secret_file.clone(),
        settings.session.clone(),
    );
    Watched::new(paths, move || {
        let (secret, file, session) = &settings;
        Ok(Secrets {
            client: match (secret, file) {
                (Some(secret), _) => Some(secret.expose().into()),
                (None, Some(file)) => Some(read(file)?.trim().into()),
                (None, None) => None,
            },
            cookie: keys(session)?,
        })
    })
}

fn keys(session: &model::OidcSession) -> Result<Keys, String> {
    let file = session
        .secrets_file
        .as_deref()
        .map(read)
        .transpose()?
        .unwrap_or_default();
    let inline = session.secrets.iter().map(model::Hidden::expose);
    let lines = file.lines().map(str::trim).filter(|line| !line.is_empty());
    let keys = Keys::new(inline.chain(lines));
    keys.ok_or_else(|| {
        "session.secrets: 32 bytes or more are needed for each; make one with: openssl rand -base64 48"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn checked(options: Value) -> Result<Paths, String> {
        let mut settings = json!({"issuer": "https://idp.test", "clientId": "me"});
        for (name, value) in options.as_object().unwrap() {
            settings[name] = value.clone();
        }
        Ok(check(&serde_json::from_value(settings).unwrap())?)
    }

    #[test]
    fn options_that_cannot_be_used_are_named() {
        for (options, key) in [
            (json!({"clientId": ""}), "clientId"),
            (json!({"issuer": "https://idp.test?x"}), "issuer"),
            (json!({"issuer": "idp.test"}), "issuer"),
            (json!({"issuer": "https://me:s3cret@idp.test"}), "issuer"),
            (
                json!({"clientSecret": "a", "clientSecretFile": "/a"}),
                "clientSecretFile",
            ),
            (
                json!({"loginParameters": {"redirect_uri": "x"}}),
                "loginParameters",
            ),
            (json!({"scopes": ["openid email"]}), "scopes"),
            (json!({"algorithms": []}), "algorithms"),
            (json!({"algorithms": ["HS256"]}), "algorithms"),
            (json!({"timeout": "0s"}), "timeout"),
            (json!({"callbackPath": "callback"}), "callbackPath"),
            (json!({"callbackPath": "//evil.test"}), "callbackPath"),
            (json!({"callbackPath": "/a?b"}), "callbackPath"),
            (json!({"logoutPath": ""}), "logoutPath"),
            (json!({"logoutPath": "/oauth2/callback"}), "logoutPath"),
            (json!({"backchannelLogoutPath": "end"}), "backchannelLogoutPath"),
            (
                json!({"backchannelLogoutPath": "/oauth2/logout"}),
                "backchannelLogoutPath",
            ),
            (json!({"postLogoutUrl": "//evil.test"}), "postLogoutUrl"),
            (json!({"postLogoutUrl": "javascript:x"}), "postLogoutUrl"),
            (json!({"redirectUrl": "/callback"}), "redirectUrl"),
            (json!({"redirectUrl": "https://a.test/?x"}), "redirectUrl"),
            (
                json!({"redirectUrl": "https://b.test/c", "session": {"domain": "a.test"}}),
                "redirectUrl",
            ),
            (json!({"session": {"name": "a b"}}), "session.name"),
            (json!({"session": {"domain": ".a.test"}}), "session.domain"),
            (json!({"session": {"domain": "a.test; x"}}), "session.domain"),
            (json!({"session": {"lifetime": "0s"}}), "session.lifetime"),
        ] {
            let error = checked(options.clone()).unwrap_err();
            assert!(
                error.starts_with(key) && !error.contains("s3cret"),
                "{options}: {error}"
            );
        }
    }

    #[test]
    fn the_callback_is_a_path_of_every_host_or_one_url() {
        let paths = checked(json!({})).unwrap();
        assert_eq!(
            (paths.callback.as_str(), paths.redirect),
            ("/oauth2/callback", None)
        );
        let url = "https://login.a.test/back";
        let paths = checked(json!({"redirectUrl": url, "session": {"domain": "a.test"}})).unwrap();
        assert_eq!(
            (paths.callback.as_str(), paths.redirect.as_deref()),
            ("/back", Some(url))
        );
    }
}

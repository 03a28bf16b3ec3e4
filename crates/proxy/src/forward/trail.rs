//! What forwarding leaves behind for those who count and log.

use std::{sync::Arc, time::Instant};

use http::{HeaderValue, Response, StatusCode, Uri, header, response};
use mesh_config::redact::REDACTED;
use mesh_telemetry::access_log::{AccessLog, Headers, Origin};
use percent_encoding::percent_decode_str;

use crate::{
    middleware::{Chain, unwind},
    service::Server,
};

/// The way of one request to a server and back.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    asked: Option<Asked>,
    retries: u32,
    /// Chains of the services between the route's service and the last server, outermost first.
    chains: Vec<Chain>,
    /// How many of their middlewares let the request pass.
    passed: usize,
    /// What the choice of the last server tells the client to keep.
    cookies: Vec<HeaderValue>,
    /// Whom the client said it is.
    user: Option<Arc<str>>,
    /// Parameters of the query whose values nobody is to read.
    hidden: Vec<Arc<str>>,
    /// Nobody knows which of them those are.
    hides_query: bool,
    /// A middleware found out who the client is, and servers may go by that.
    is_known: bool,
}

/// The last server that was asked.
#[derive(Debug)]
struct Asked {
    server: Arc<Server>,
    began: Instant,
    ended: Option<Instant>,
    /// Its own, before anything of Mesh changed it; noted for the access log only.
    answer: Option<(StatusCode, Headers)>,
    bytes: u64,
}

impl Trail {
    /// The last server that was asked.
    pub(crate) fn server(&self) -> Option<&Arc<Server>> {
        self.asked.as_ref().map(|asked| &asked.server)
    }

    /// Servers asked beyond the first.
    pub(crate) fn retries(&self) -> u32 {
        self.retries
    }

    /// The parameter `name` of the query proves who asks: logs do not have it.
    pub(crate) fn hide_parameter(&mut self, name: Arc<str>) {
        self.hidden.push(name);
    }

    /// Any parameter of the query may prove who asks: logs have the value of none.
    pub(crate) fn hide_query(&mut self) {
        self.hides_query = true;
    }

    /// `uri` as logs may have it.
    pub(crate) fn shown(&self, uri: Uri) -> Uri {
        match self.hides_query {
            true => without_values(uri, |_| true),
            false => self.hidden.iter().fold(uri, |uri, name| {
                without_values(uri, |key| *percent_decode_str(key).decode_utf8_lossy() == **name)
            }),
        }
    }

    /// The client said that it is `user`.
    pub(crate) fn note_user(&mut self, user: Arc<str>) {
        self.user = Some(user);
    }

    /// A middleware found out who the client is: what servers answer may be for it alone, though nothing in the request
    /// that they see says so in a way that caches know.
    pub(crate) fn note_known(&mut self) {
        self.is_known = true;
    }

    /// True if a middleware found out who the client is.
    pub(crate) fn is_known(&self) -> bool {
        self.is_known
    }

    /// Whom the client said it is, if anybody asked.
    pub(crate) fn user(&self) -> Option<Arc<str>> {
        self.user.clone()
    }

    /// Of the middlewares in `chains`, `passed` let the request pass; the client gets `cookies`.
    pub(super) fn meet(&mut self, chains: Vec<Chain>, passed: usize, cookies: Vec<HeaderValue>) {
        (self.chains, self.passed, self.cookies) = (chains, passed, cookies);
    }

    /// The chains between the route's service and the last server.
    pub(super) fn chains(&self) -> &[Chain] {
        &self.chains
    }

    /// What the choice of the last server tells the client to keep.
    pub(super) fn cookies(&self) -> &[HeaderValue] {
        &self.cookies
    }

    /// Leads an answer back through inner services: their cookies, then their middlewares.
    pub(crate) fn unwind(&mut self, head: &mut response::Parts) {
        for cookie in self.cookies.drain(..) {
            head.headers.append(header::SET_COOKIE, cookie);
        }
        let middlewares = self.chains.iter().flat_map(|chain| chain.iter());
        unwind(middlewares, self.passed, head);
    }

    /// From `now` on it is up to `server`.
    pub(super) fn ask(&mut self, server: &Arc<Server>, now: Instant) {
        self.retries += u32::from(self.asked.is_some());
        self.asked = Some(Asked {
            server: server.clone(),
            began: now,
            ended: None,
            answer: None,
            bytes: 0,
        });
    }

    /// The head of the server's answer came.
    pub(super) fn answered<B>(&mut self, answer: &Response<B>, log: Option<&AccessLog>) {
        if let (Some(asked), Some(log)) = (&mut self.asked, log) {
            asked.answer = Some((answer.status(), log.picked(answer.headers())));
        }
    }

    /// Bytes of the server's answer came.
    pub(crate) fn received(&mut self, bytes: usize) {
        if let Some(asked) = &mut self.asked {
            asked.bytes += bytes as u64;
        }
    }

    /// Nothing more comes from the server.
    pub(crate) fn end(&mut self, now: Instant) {
        if let Some(asked) = &mut self.asked {
            asked.ended = Some(now);
        }
    }

    /// As the access log has it, for a request that is over `now`.
    pub(crate) fn origin(&mut self, now: Instant) -> Option<Origin> {
        let asked = self.asked.take()?;
        let (status, headers) = asked.answer.unzip();
        Some(Origin {
            url: asked.server.label.clone(),
            address: asked.server.authority.clone(),
            status: status.map(|status| status.as_u16()),
            duration: asked.ended.unwrap_or(now).duration_since(asked.began),
            bytes: asked.bytes,
            headers: headers.unwrap_or_default(),
        })
    }
}

/// What separates parameters for some reader or other.
const SEPARATORS: [char; 2] = ['&', ';'];

/// `uri` without the values of the parameters whose keys are secret.
fn without_values(uri: Uri, is_secret: impl Fn(&str) -> bool) -> Uri {
    let key = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let is_hidden = |pair: &str| !pair.trim_end_matches(SEPARATORS).is_empty() && is_secret(&key(pair));
    let query = uri.query().unwrap_or_default();
    if !query.split(SEPARATORS).any(is_hidden) {
        return uri;
    }
    let pairs = query.split_inclusive(SEPARATORS).map(|pair| {
        let bare = pair.trim_end_matches(SEPARATORS);
        match is_hidden(bare) {
            true => format!(
                "{}={REDACTED}{}",
                key(bare),
                pair.strip_prefix(bare).unwrap_or_default()
            ),
            false => pair.to_owned(),
        }
    });
    let shown = format!("{}?{}", uri.path(), pairs.collect::<String>());
    let mut parts = uri.into_parts();
    parts.path_and_query = shown.parse().ok();
    Uri::from_parts(parts).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_have_no_value_of_what_proves_who_asks() {
        let mut trail = Trail::default();
        trail.hide_parameter("key".into());
        for (uri, shown) in [
            ("/a?key=s3cret", "/a?key=REDACTED"),
            (
                "/a?b=1;key=s3cret;&%6bey=s3cret",
                "/a?b=1;key=REDACTED;&%6bey=REDACTED",
            ),
            (
                "/a?x=1&%6bey=s3cret&key&monkey=1",
                "/a?x=1&%6bey=REDACTED&key=REDACTED&monkey=1",
            ),
            ("http://a.test/?key=s=3&y", "http://a.test/?key=REDACTED&y"),
            ("/a?x=key", "/a?x=key"),
            ("/key=1", "/key=1"),
            ("*", "*"),
        ] {
            assert_eq!(trail.shown(uri.parse().unwrap()).to_string(), shown);
        }
        trail.hide_query();
        for (uri, shown) in [
            ("/a?b=s3cret;c=&", "/a?b=REDACTED;c=REDACTED&"),
            ("/a?", "/a?"),
            ("/a", "/a"),
        ] {
            assert_eq!(trail.shown(uri.parse().unwrap()).to_string(), shown);
        }
    }
}

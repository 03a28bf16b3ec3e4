//! What `forwardAuth` asks.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header, request};
use mesh_config::model;

use crate::{
    middleware::{InvalidMiddleware, credentials::own_header},
    sanitize::{Peer, append_peer, is_hop_by_hop, is_managed},
    settings::ForwardedHeaders,
};

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
static X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// Which parts of a request are passed on.
#[derive(Debug)]
pub(super) struct Question {
    /// None: all headers.
    headers: Option<Vec<HeaderName>>,
    trust: Option<bool>,
    preserve_method: bool,
}

impl Question {
    pub(super) fn new(settings: &model::ForwardAuth) -> Result<Self, InvalidMiddleware> {
        let names = settings.auth_request_headers.iter();
        let names = names.map(|name| own_header("authRequestHeaders", name));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            headers: (!names.is_empty()).then_some(names),
            trust: settings.trust_forward_header,
            preserve_method: settings.preserve_request_method,
        })
    }

    /// The head of the question that asks for `head`, a request of `peer`; `length` is that of the body that goes with
    /// it.
    pub(super) fn head(
        &self,
        head: &request::Parts,
        peer: &Peer,
        settings: &ForwardedHeaders,
        target: Uri,
        length: Option<u64>,
    ) -> Box<request::Parts> {
        let (mut question, ()) = Request::new(()).into_parts();
        question.uri = target;
        if self.preserve_method {
            question.method = head.method.clone();
        }
        question.headers = self.passed_on(&head.headers);
        if let Some(length) = length {
            question.headers.insert(header::CONTENT_LENGTH, length.into());
        }
        self.introduce(&mut question.headers, head, peer, settings);
        Box::new(question)
    }

    /// The headers of a request that are passed on as they are.
    fn passed_on(&self, headers: &HeaderMap) -> HeaderMap {
        let is_passed_on = |name: &HeaderName| {
            let is_own =
                is_hop_by_hop(name.as_str()) || [header::CONTENT_LENGTH, header::HOST].contains(name);
            let is_wanted = match &self.headers {
                None => true,
                Some(wanted) => {
                    wanted.contains(name) || self.trust == Some(true) && is_managed(name.as_str())
                }
            };
            let is_claim = self.trust == Some(false) && is_managed(name.as_str());
            is_wanted && !is_own && !is_claim
        };
        let passed_on = headers.iter().filter(|(name, _)| is_passed_on(name));
        passed_on
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Says who asks, and for what.
    fn introduce(
        &self,
        headers: &mut HeaderMap,
        head: &request::Parts,
        peer: &Peer,
        settings: &ForwardedHeaders,
    ) {
        let trusts = self.trust == Some(true);
        if trusts {
            append_peer(headers, peer, settings);
        } else if let Ok(ip) = HeaderValue::try_from(peer.ip.to_string()) {
            headers.insert(&X_FORWARDED_FOR, ip);
        }
        let host = head.headers.get(header::HOST).cloned();
        let port = host
            .as_ref()
            .and_then(|host| crate::sanitize::port(host.to_str().ok()?));
        let usual = if peer.is_secure() { "443" } else { "80" };
        let port = port.unwrap_or(usual).to_owned();
        let uri = head.uri.path_and_query().map_or("/", |uri| uri.as_str());
        let mut say = |name: &HeaderName, value: Option<HeaderValue>| {
            if let Some(value) = value
                && !(trusts && headers.contains_key(name))
            {
                headers.insert(name, value);
            }
        };
        say(&X_FORWARDED_METHOD, method(&head.method));
        say(&X_FORWARDED_PROTO, Some(HeaderValue::from_static(peer.scheme())));
        say(&X_FORWARDED_HOST, host);
        say(&X_FORWARDED_URI, HeaderValue::from_str(uri).ok());
        if self.trust.is_some() {
            say(&X_FORWARDED_PORT, HeaderValue::try_from(port).ok());
        }
    }
}

fn method(method: &Method) -> Option<HeaderValue> {
    HeaderValue::from_str(method.as_str()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::middleware::tests::peer;

    /// The headers of the question, in order of their names.
    fn asked(settings: &model::ForwardAuth, lines: &[(&str, &str)]) -> Vec<String> {
        let mut request = Request::builder().method("POST").uri("/a?b=c");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let question = Question::new(settings).unwrap();
        let head = question.head(
            &head,
            &peer(),
            &ForwardedHeaders::default(),
            "/verify".parse().unwrap(),
            None,
        );
        let expected = if settings.preserve_request_method {
            "POST"
        } else {
            "GET"
        };
        assert_eq!((head.method.as_str(), head.uri.path()), (expected, "/verify"));
        let lines = head.headers.iter();
        let mut lines: Vec<_> = lines
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    const REQUEST: [(&str, &str); 8] = [
        ("host", "a.test:81"),
        ("upgrade", "websocket"),
        ("content-length", "5"),
        ("cookie", "c=1"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-user", "root"),
        ("x-forwarded-uri", "/other"),
    ];

    #[test]
    fn by_default_what_mesh_says_replaces_what_is_said_of_the_same() {
        let settings = model::ForwardAuth {
            preserve_request_method: true,
            ..model::ForwardAuth::default()
        };
        assert_eq!(
            asked(&settings, &REQUEST),
            [
                "cookie: c=1",
                "x-forwarded-for: 10.0.0.9",
                "x-forwarded-host: a.test:81",
                "x-forwarded-method: POST",
                "x-forwarded-proto: http",
                "x-forwarded-uri: /a?b=c",
                "x-forwarded-user: root",
            ]
        );
    }

    #[test]
    fn without_trust_nothing_that_was_said_of_the_client_is_passed_on() {
        let settings = model::ForwardAuth {
            trust_forward_header: Some(false),
            ..model::ForwardAuth::default()
        };
        assert_eq!(
            asked(&settings, &REQUEST),
            [
                "cookie: c=1",
                "x-forwarded-for: 10.0.0.9",
                "x-forwarded-host: a.test:81",
                "x-forwarded-method: POST",
                "x-forwarded-port: 81",
                "x-forwarded-proto: http",
                "x-forwarded-uri: /a?b=c",
            ]
        );
    }

    #[test]
    fn with_trust_what_was_said_stays_whatever_headers_are_wanted() {
        let settings = model::ForwardAuth {
            trust_forward_header: Some(true),
            auth_request_headers: vec!["Accept".to_owned()],
            ..model::ForwardAuth::default()
        };
        assert_eq!(
            asked(&settings, &REQUEST),
            [
                "x-forwarded-for: 6.6.6.6, 10.0.0.9",
                "x-forwarded-host: a.test:81",
                "x-forwarded-method: POST",
                "x-forwarded-port: 81",
                "x-forwarded-proto: https",
                "x-forwarded-uri: /other",
                "x-forwarded-user: root",
            ]
        );
    }

    #[test]
    fn only_wanted_headers_are_passed_on() {
        let settings = model::ForwardAuth {
            auth_request_headers: vec!["Cookie".to_owned(), "X-None".to_owned()],
            ..model::ForwardAuth::default()
        };
        let lines = asked(&settings, &[("cookie", "a"), ("cookie", "b"), ("accept", "*/*")]);
        assert!(lines.contains(&"cookie: b".to_owned()) && !lines.contains(&"accept: */*".to_owned()));
        let bad = model::ForwardAuth {
            auth_request_headers: vec!["Connection".to_owned()],
            ..model::ForwardAuth::default()
        };
        assert!(Question::new(&bad).is_err());
    }
}

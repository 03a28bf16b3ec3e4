//! `redirectRegex`: sends the client to another URL.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, Uri, request};
use mesh_config::model;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{
    Head, InvalidMiddleware, answer,
    redirect::{authority, current_scheme, redirect, target},
    replacement::Replacement,
};
use crate::sanitize::Peer;

/// What no URL holds. Browsers take a backslash for a slash.
const NOT_IN_URLS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What to look for in URLs, and what takes its place.
#[derive(Debug)]
pub(super) struct RedirectRegex {
    replacement: Replacement,
    permanent: bool,
}

impl RedirectRegex {
    pub(super) fn new(settings: &model::RedirectRegex) -> Result<Self, String> {
        let template = settings.replacement.trim();
        if template.is_empty() {
            return Err(InvalidMiddleware {
                key: "replacement",
                found: String::new(),
                reason: "leads nowhere; write a URL such as https://example.com/$1",
            }
            .into());
        }
        Ok(Self {
            replacement: Replacement::new(&settings.regex, template)?,
            permanent: settings.permanent,
        })
    }

    /// Where a client goes that asks for `url`; `Ok(None)` when it stays.
    fn location(&self, url: &str) -> Result<Option<HeaderValue>, StatusCode> {
        let replaced = match self.replacement.of(url) {
            Ok(Some(replaced)) if replaced != url => replaced,
            Ok(_) => return Ok(None),
            Err(_) => return Err(StatusCode::URI_TOO_LONG),
        };
        let location = utf8_percent_encode(&replaced, NOT_IN_URLS).to_string();
        // Another host than the settings say, put together of slashes in the path.
        if location.starts_with("//") && !self.replacement.template().starts_with("//") {
            return Err(StatusCode::BAD_REQUEST);
        }
        if !location.starts_with('/') && !is_absolute(&location) {
            return Err(StatusCode::INTERNAL_SERVER_ERROR);
        }
        let location = HeaderValue::try_from(location).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        Ok(Some(location))
    }
}

impl Head for RedirectRegex {
    fn request(&self, head: &mut request::Parts, _: &Peer) -> ControlFlow<Response<Bytes>> {
        let authority = authority(head);
        let host = authority.as_ref().map_or("", |authority| authority.as_str());
        let url = format!("{}://{host}{}", current_scheme(head), target(head));
        match self.location(&url) {
            Ok(Some(location)) => redirect(&head.method, self.permanent, location),
            Ok(None) => ControlFlow::Continue(()),
            Err(status) => answer(status),
        }
    }
}

/// True for a URL with scheme and host.
fn is_absolute(url: &str) -> bool {
    let uri = url.parse::<Uri>();
    uri.is_ok_and(|uri| uri.scheme().is_some() && uri.authority().is_some_and(|it| !it.host().is_empty()))
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use mesh_config::model::{Middleware, RedirectRegex};

    use super::super::tests::{compile, peer, step};

    fn by(regex: &str, replacement: &str) -> Middleware {
        Middleware::RedirectRegex(RedirectRegex {
            regex: regex.parse().unwrap(),
            replacement: replacement.to_owned(),
            permanent: replacement.contains("permanent"),
        })
    }

    /// Status and location of what a request gets; `None` when it passes.
    fn answered(definition: &Middleware, method: &str, target: &str) -> Option<(u16, String)> {
        let request = http::Request::builder().method(method).uri(target);
        let request = request
            .header("host", "a.test:81")
            .header("x-forwarded-proto", "https");
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        match step(definition).request(&mut head, &peer()) {
            ControlFlow::Continue(()) => None,
            ControlFlow::Break(answer) => {
                let location = answer.headers().get("location");
                let location = location.map(|value| value.to_str().unwrap().to_owned());
                Some((answer.status().as_u16(), location.unwrap_or_default()))
            }
        }
    }

    fn at(status: u16, location: &str) -> Option<(u16, String)> {
        Some((status, location.to_owned()))
    }

    #[test]
    fn the_url_that_was_asked_for_leads_to_another() {
        let other = by("^https://a.test:81/(.*)", "https://b.test/${1}");
        assert_eq!(
            answered(&other, "GET", "/x%20y?q=1"),
            at(302, "https://b.test/x%20y?q=1")
        );
        assert_eq!(answered(&other, "HEAD", "/x"), at(307, "https://b.test/x"));
        let permanent = by("^.*/old/(.*)", "/permanent/$1");
        assert_eq!(answered(&permanent, "GET", "/old/x"), at(301, "/permanent/x"));
        assert_eq!(answered(&permanent, "POST", "/old/x"), at(308, "/permanent/x"));
    }

    #[test]
    fn other_urls_and_those_that_stay_the_same_pass() {
        for regex in ["^http:", "^https://b.test", "a.test"] {
            assert_eq!(answered(&by(regex, "a.test"), "GET", "/x"), None, "{regex}");
        }
    }

    #[test]
    fn a_client_cannot_name_the_host_it_is_sent_to() {
        let path = by("^https://[^/]+/(.*)", "/$1");
        assert_eq!(answered(&path, "GET", "/x"), at(302, "/x"));
        assert_eq!(answered(&path, "GET", "//evil.test"), at(400, ""));
        let backslash = answered(&path, "GET", "/\\evil.test");
        assert_eq!(backslash, at(302, "/%5Cevil.test"));
        let own = by("^https://[^/]+(/.*)", "//b.test$1");
        assert_eq!(answered(&own, "GET", "/x"), at(302, "//b.test/x"));
    }

    #[test]
    fn what_is_no_url_is_not_answered_with_one() {
        for (replacement, target) in [
            ("$1", "/nowhere"),
            ("https://$1", "/"),
            ("$1", "/javascript:alert(1)"),
        ] {
            let nowhere = by("^https://[^/]+/(.*)", replacement);
            assert_eq!(answered(&nowhere, "GET", target), at(500, ""), "{replacement}");
        }
    }

    #[test]
    fn a_group_that_the_expression_does_not_have_is_named_beside_those_it_has() {
        let error = compile(&by("^(a)(?P<rest>.*)", "https://b.test/$3")).unwrap_err();
        assert_eq!(
            error,
            "replacement \"https://b.test/$3\" names a group that regex does not have, \"3\": there are $0, $1, ${rest}"
        );
        let joined = compile(&by("^(a)", "https://b.test/$1x")).unwrap_err();
        assert!(
            joined.ends_with("for group 1 followed by \"x\" write ${1}x"),
            "{joined}"
        );
    }

    #[test]
    fn what_cannot_lead_anywhere_is_refused() {
        for replacement in ["", "https://b.test/\nX: y", &"$1".repeat(40)] {
            assert!(
                compile(&by("(a)", replacement)).is_err(),
                "{replacement:?} was taken"
            );
        }
    }
}

//! What comes of the answer that `forwardAuth` got.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, response};
use mesh_config::model;
use regex::{Regex, RegexBuilder};

use super::target::Target;
use crate::{
    middleware::{
        InvalidMiddleware, answer_text,
        credentials::own_header,
        identity::{reads_as, remove_all},
    },
    sanitize::is_hop_by_hop,
};

/// Bytes that a compiled pattern may take.
const MAX_PATTERN: usize = 1024 * 1024;

/// What is taken out of answers.
#[derive(Debug)]
pub(super) struct Taken {
    headers: Vec<HeaderName>,
    pattern: Option<Regex>,
    cookies: Vec<String>,
    user: Option<HeaderName>,
    keep_location: bool,
    sign_in: Option<HeaderValue>,
}

impl Taken {
    pub(super) fn new(settings: &model::ForwardAuth) -> Result<Self, InvalidMiddleware> {
        let invalid = |key, found: &str, reason| InvalidMiddleware {
            key,
            found: found.to_owned(),
            reason,
        };
        let names = settings.auth_response_headers.iter();
        let names = names.map(|name| own_header("authResponseHeaders", name));
        let pattern = match settings.auth_response_headers_regex.as_str() {
            "" => None,
            text => Some(
                RegexBuilder::new(text)
                    .case_insensitive(true)
                    .size_limit(MAX_PATTERN)
                    .build()
                    .map_err(|_| {
                        let reason = "is no regular expression, or too large a one; write ^X-Auth-";
                        invalid("authResponseHeadersRegex", text, reason)
                    })?,
            ),
        };
        let user = match settings.header_field.as_str() {
            "" => None,
            name => {
                let user = name.parse();
                Some(user.map_err(|_| invalid("headerField", name, "is no header name"))?)
            }
        };
        let sign_in = match settings.auth_signin_url.as_str() {
            "" => None,
            url => {
                let value = HeaderValue::from_str(url);
                Some(value.map_err(|_| invalid("authSigninURL", url, "is no URL"))?)
            }
        };
        Ok(Self {
            headers: names.collect::<Result<_, _>>()?,
            pattern,
            cookies: settings.add_auth_cookies_to_response.clone(),
            user,
            keep_location: settings.preserve_location_header,
            sign_in,
        })
    }

    /// Who the client is, in the words of the one that was asked.
    pub(super) fn user<'h>(&self, answer: &'h HeaderMap) -> Option<&'h str> {
        answer.get(self.user.as_ref()?)?.to_str().ok()
    }

    /// Gives a request the headers that the answer has for it. What it had under their names, in any spelling that some
    /// servers take for theirs, was not from there.
    pub(super) fn admit(&self, request: &mut HeaderMap, answer: &HeaderMap) {
        remove_all(request, |name| self.is_claim(name));
        for (name, value) in answer.iter().filter(|(name, _)| self.is_meant(name)) {
            request.append(name, value.clone());
        }
    }

    /// True for headers of an answer that requests get.
    fn is_meant(&self, name: &HeaderName) -> bool {
        self.headers.contains(name) || !is_framing(name) && self.matches(name.as_str())
    }

    fn is_claim(&self, name: &HeaderName) -> bool {
        let is_spelled =
            || name.as_str().contains(['_', '.']) && self.matches(&name.as_str().replace(['_', '.'], "-"));
        self.is_meant(name) || self.headers.iter().any(|own| reads_as(name, own)) || is_spelled()
    }

    fn matches(&self, name: &str) -> bool {
        self.pattern
            .as_ref()
            .is_some_and(|pattern| pattern.is_match(name))
    }

    /// True for headers that count in an answer which lets a request pass.
    pub(super) fn wants(&self, name: &HeaderName) -> bool {
        self.is_meant(name) || self.user.as_ref() == Some(name)
    }

    /// The cookies of an answer that the client gets.
    pub(super) fn cookies(&self, answer: &HeaderMap) -> Vec<HeaderValue> {
        let cookies = answer.get_all(header::SET_COOKIE).iter();
        let wanted = cookies.filter(|cookie| {
            self.cookies
                .iter()
                .any(|name| cookie_name(cookie) == name.as_bytes())
        });
        wanted.cloned().collect()
    }

    /// The answer to a client that may not pass.
    pub(super) fn refusal(
        &self,
        mut answer: response::Parts,
        body: Bytes,
        target: &Target,
    ) -> Response<Bytes> {
        if answer.status == StatusCode::UNAUTHORIZED
            && let Some(url) = &self.sign_in
        {
            let mut answer = answer_text(StatusCode::FOUND, "Found");
            answer.headers_mut().insert(header::LOCATION, url.clone());
            return answer;
        }
        let dropped: Vec<_> = answer
            .headers
            .keys()
            .filter(|name| is_framing(name))
            .cloned()
            .collect();
        for name in dropped {
            answer.headers.remove(name);
        }
        if !self.keep_location
            && let Some(location) = answer.headers.get_mut(header::LOCATION)
            && let Ok(text) = location.to_str()
            && let Ok(resolved) = HeaderValue::try_from(target.resolved(text))
        {
            *location = resolved;
        }
        Response::from_parts(answer, body)
    }
}

/// Puts `cookies` in the place of those of the same names.
pub(super) fn put_cookies(headers: &mut HeaderMap, cookies: Vec<HeaderValue>) {
    if cookies.is_empty() {
        return;
    }
    let others = headers.get_all(header::SET_COOKIE).iter();
    let others = others.filter(|other| {
        !cookies
            .iter()
            .any(|cookie| cookie_name(cookie) == cookie_name(other))
    });
    let kept: Vec<_> = others.cloned().collect();
    headers.remove(header::SET_COOKIE);
    for cookie in kept.into_iter().chain(cookies) {
        headers.append(header::SET_COOKIE, cookie);
    }
}

/// The name of the cookie that a `Set-Cookie` sets.
fn cookie_name(value: &HeaderValue) -> &[u8] {
    let name = value.as_bytes().split(|byte| *byte == b'=').next();
    name.unwrap_or_default().trim_ascii()
}

/// True for what says how one message is sent, and nothing about another one.
fn is_framing(name: &HeaderName) -> bool {
    // Of these one is for the client.
    let is_hop_by_hop = is_hop_by_hop(name.as_str()) && *name != header::PROXY_AUTHENTICATE;
    is_hop_by_hop || [header::CONTENT_LENGTH, header::HOST, header::TRAILER].contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::name_of;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        headers
    }

    fn lines(headers: &HeaderMap) -> Vec<String> {
        let lines = headers.iter();
        let mut lines: Vec<_> = lines
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    fn settings() -> model::ForwardAuth {
        model::ForwardAuth {
            address: "http://auth.test/verify".to_owned(),
            ..model::ForwardAuth::default()
        }
    }

    #[test]
    fn a_request_gets_the_headers_of_the_answer_and_keeps_none_of_its_own() {
        let taken = Taken::new(&model::ForwardAuth {
            auth_response_headers: vec!["X-User".to_owned(), "X-Mail".to_owned()],
            auth_response_headers_regex: "^X-Auth-|content".to_owned(),
            ..settings()
        })
        .unwrap();
        let mut request = headers(&[
            ("x-user", "root"),
            ("x-mail", "root@a.test"),
            ("x-auth-group", "admins"),
            ("content-length", "5"),
            ("accept", "*/*"),
        ]);
        let answer = headers(&[
            ("x-user", "ann"),
            ("x-auth-role", "a"),
            ("x-auth-role", "b"),
            ("content-length", "0"),
            ("set-cookie", "c=1"),
        ]);
        taken.admit(&mut request, &answer);
        let expected = [
            "accept: */*",
            "content-length: 5",
            "x-auth-role: a",
            "x-auth-role: b",
            "x-user: ann",
        ];
        assert_eq!(lines(&request), expected);
    }

    #[test]
    fn cookies_take_the_place_of_those_of_their_names() {
        let taken = Taken::new(&model::ForwardAuth {
            add_auth_cookies_to_response: vec!["session".to_owned()],
            ..settings()
        })
        .unwrap();
        let cookies = taken.cookies(&headers(&[
            ("set-cookie", "session=new; Path=/"),
            ("set-cookie", "other=1"),
        ]));
        let mut answer = headers(&[("set-cookie", "session=old"), ("set-cookie", "cart=2")]);
        put_cookies(&mut answer, cookies);
        assert_eq!(
            lines(&answer),
            ["set-cookie: cart=2", "set-cookie: session=new; Path=/"]
        );
    }

    #[test]
    fn a_refusal_is_that_of_the_one_that_was_asked() {
        let target = Target::new(&name_of("a@file"), &settings()).unwrap();
        let refused = |settings: &model::ForwardAuth, status: u16| {
            let answer = Response::builder()
                .status(status)
                .header("location", "/login")
                .header("connection", "close")
                .header("content-length", "9")
                .header("www-authenticate", "Bearer");
            let (head, ()) = answer.body(()).unwrap().into_parts();
            Taken::new(settings)
                .unwrap()
                .refusal(head, Bytes::from_static(b"no"), &target)
        };
        let answer = refused(&settings(), 302);
        assert_eq!(
            (answer.status().as_u16(), answer.body().as_ref()),
            (302, &b"no"[..])
        );
        let expected = ["location: http://auth.test/login", "www-authenticate: Bearer"];
        assert_eq!(lines(answer.headers()), expected);
        let kept = model::ForwardAuth {
            preserve_location_header: true,
            ..settings()
        };
        assert_eq!(refused(&kept, 302).headers()["location"], "/login");
        let sign_in = model::ForwardAuth {
            auth_signin_url: "https://sso.test/".to_owned(),
            ..settings()
        };
        let answer = refused(&sign_in, 401);
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["location"]),
            (302, &HeaderValue::from_static("https://sso.test/"))
        );
        assert_eq!(refused(&sign_in, 403).status(), 403);
    }

    #[test]
    fn what_cannot_be_taken_is_refused() {
        let bad = [
            model::ForwardAuth {
                auth_response_headers: vec!["Content-Length".to_owned()],
                ..settings()
            },
            model::ForwardAuth {
                auth_response_headers_regex: "(".to_owned(),
                ..settings()
            },
            model::ForwardAuth {
                auth_response_headers_regex: "a{1000}{1000}".to_owned(),
                ..settings()
            },
            model::ForwardAuth {
                header_field: "a b".to_owned(),
                ..settings()
            },
            model::ForwardAuth {
                auth_signin_url: "a\nb".to_owned(),
                ..settings()
            },
        ];
        for settings in bad {
            assert!(Taken::new(&settings).is_err(), "{settings:?}");
        }
    }
}

//! `grpcWeb`: lets browsers speak to gRPC servers.

mod base64;
mod body;

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header, request};
use mesh_config::model;

use self::body::{FromText, ToWeb};
use super::{Around, InvalidMiddleware, Next, Visit};
use crate::{
    forward::{Answer, Source},
    sanitize::tokens,
};

/// How long a browser may remember what it was allowed, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// What clients of gRPC-Web send, so that browsers ask first.
const X_GRPC_WEB: &str = "x-grpc-web";

/// Who may ask.
#[derive(Debug)]
pub(super) struct GrpcWeb {
    any: bool,
    origins: Vec<HeaderValue>,
}

/// How a request is written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Format {
    is_text: bool,
    /// What the messages are: `+proto`, or nothing.
    messages: String,
}

impl GrpcWeb {
    pub(super) fn new(settings: &model::GrpcWeb) -> Result<Self, InvalidMiddleware> {
        let mut origins = Vec::new();
        for origin in settings.allow_origins.iter().filter(|origin| *origin != "*") {
            let value = HeaderValue::from_str(origin).ok();
            let value = value.filter(|_| origin == "null" || is_origin(origin));
            origins.push(value.ok_or_else(|| InvalidMiddleware {
                key: "allowOrigins",
                found: origin.clone(),
                reason: "is no origin; write https://app.example, say, or *",
            })?);
        }
        Ok(Self {
            any: settings.allow_origins.iter().any(|origin| origin == "*"),
            origins,
        })
    }

    /// Lets a page of `origin` read what `headers` belong to, if it may; `exposes` says that it reads headers, too.
    fn allow(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap, exposes: bool) {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let is_allowed = |origin: &&HeaderValue| self.any || self.origins.contains(origin);
        let Some(origin) = origin.filter(is_allowed) else {
            return;
        };
        if exposes {
            let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
            names.extend(["grpc-status", "grpc-message", "grpc-status-details-bin"]);
            names.sort_unstable();
            names.dedup();
            if let Ok(names) = HeaderValue::from_str(&names.join(", ")) {
                headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, names);
            }
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
    }

    /// The answer to a browser that asks whether it may ask; `None` to all others.
    fn preflight(&self, head: &request::Parts) -> Option<Response<Bytes>> {
        let asked = &head.headers;
        let is_meant = head.method == Method::OPTIONS
            && asked
                .get(header::ACCESS_CONTROL_REQUEST_METHOD)
                .is_some_and(|method| method == "POST")
            && tokens(asked, header::ACCESS_CONTROL_REQUEST_HEADERS)
                .any(|name| name.eq_ignore_ascii_case(X_GRPC_WEB));
        if !is_meant {
            return None;
        }
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        self.allow(asked.get(header::ORIGIN), headers, false);
        if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            let names: Vec<_> = tokens(asked, header::ACCESS_CONTROL_REQUEST_HEADERS).collect();
            if let Ok(names) = HeaderValue::from_str(&names.join(", ")) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
            }
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("POST"),
            );
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        Some(response)
    }
}

impl Format {
    /// How this request is written, if it is one of gRPC-Web.
    fn of(head: &request::Parts) -> Option<Self> {
        let written = head.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        if head.method != Method::POST {
            return None;
        }
        let name = written.split(';').next()?.trim().to_ascii_lowercase();
        let rest = name.strip_prefix("application/grpc-web")?;
        let (is_text, messages) = match rest.strip_prefix("-text") {
            Some(messages) => (true, messages),
            None => (false, rest),
        };
        let is_whole = messages.is_empty() || messages.starts_with('+');
        is_whole.then(|| Self {
            is_text,
            messages: messages.to_owned(),
        })
    }

    /// Makes of the request one of gRPC.
    fn request(&self, visit: &mut Visit<'_>) {
        let headers = &mut visit.head.headers;
        headers.remove(header::CONTENT_LENGTH);
        // Servers of gRPC want to hear it.
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        if let Ok(value) = HeaderValue::from_str(&format!("application/grpc{}", self.messages)) {
            headers.insert(header::CONTENT_TYPE, value);
        }
        if self.is_text {
            visit.body.change(FromText::default());
        }
    }

    /// Makes of an answer of gRPC one of gRPC-Web. What is none stays as it is, as an error that Mesh answers with.
    fn answer(&self, answer: &mut Answer) {
        let headers = &mut answer.head.headers;
        let found = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let messages = found.and_then(|found| found.strip_prefix("application/grpc"));
        let Some(messages) = messages.filter(|rest| rest.is_empty() || rest.starts_with(['+', ';'])) else {
            return;
        };
        let kind = if self.is_text { "-text" } else { "" };
        if let Ok(value) = HeaderValue::from_str(&format!("application/grpc-web{kind}{messages}")) {
            headers.insert(header::CONTENT_TYPE, value);
        }
        headers.remove(header::TRAILER);
        if !answer.body.is_over() {
            answer.change(ToWeb::new(self.is_text));
        }
    }
}

impl Around for GrpcWeb {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            if let Some(answer) = self.preflight(&visit.head) {
                return answer.into();
            }
            let Some(format) = Format::of(&visit.head) else {
                return next.run(visit).await;
            };
            let origin = visit.head.headers.get(header::ORIGIN).cloned();
            format.request(visit);
            let mut answer = next.run(visit).await;
            if !matches!(answer.body, Source::Tunnel(_)) {
                format.answer(&mut answer);
                if origin.is_some() {
                    self.allow(origin.as_ref(), &mut answer.head.headers, true);
                }
            }
            answer
        })
    }
}

/// True for a scheme and an authority, and nothing beside them.
fn is_origin(text: &str) -> bool {
    let uri = text.parse::<Uri>().ok();
    uri.is_some_and(|uri| {
        let is_whole = uri.scheme().is_some() && uri.authority().is_some() && uri.path() == "/";
        is_whole && uri.query().is_none() && !text.ends_with('/')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grpc_web(origins: &[&str]) -> Result<GrpcWeb, InvalidMiddleware> {
        GrpcWeb::new(&model::GrpcWeb {
            allow_origins: origins.iter().map(ToString::to_string).collect(),
        })
    }

    fn head(method: &str, headers: &[(&str, &str)]) -> request::Parts {
        let mut request = http::Request::builder().method(method).uri("/a.B/C");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_requests_of_grpc_web_are_changed() {
        for (method, content_type, format) in [
            ("POST", "application/grpc-web", Some((false, ""))),
            ("POST", "Application/gRPC-Web+proto; x=1", Some((false, "+proto"))),
            ("POST", "application/grpc-web-text", Some((true, ""))),
            ("POST", "application/grpc-web-text+proto", Some((true, "+proto"))),
            ("GET", "application/grpc-web", None),
            ("POST", "application/grpc", None),
            ("POST", "application/grpc-website", None),
            ("POST", "application/json", None),
        ] {
            let found = Format::of(&head(method, &[("content-type", content_type)]));
            let expected = format.map(|(is_text, messages)| Format {
                is_text,
                messages: messages.to_owned(),
            });
            assert_eq!(found, expected, "{method} {content_type}");
        }
    }

    #[test]
    fn browsers_that_ask_first_hear_what_they_may() {
        let ask = |origins: &[&str], origin, method, names| {
            let asks = [
                ("origin", origin),
                ("access-control-request-method", method),
                ("access-control-request-headers", names),
            ];
            let answer = grpc_web(origins).unwrap().preflight(&head("OPTIONS", &asks))?;
            let allowed = answer.headers().get("access-control-allow-origin");
            Some(allowed.map(|origin| origin.to_str().unwrap().to_owned()))
        };
        let page = "https://a.example";
        let allowed = Some(Some(page.to_owned()));
        assert_eq!(ask(&[page], page, "POST", "content-type, X-Grpc-Web"), allowed);
        assert_eq!(ask(&["*"], page, "POST", "x-grpc-web"), allowed);
        assert_eq!(
            ask(&[page], "https://b.example", "POST", "x-grpc-web"),
            Some(None)
        );
        assert_eq!(ask(&[], page, "POST", "x-grpc-web"), Some(None));
        assert_eq!(ask(&["*"], page, "POST", "content-type"), None);
        assert_eq!(ask(&["*"], page, "GET", "x-grpc-web"), None);
        assert!(
            grpc_web(&["*"])
                .unwrap()
                .preflight(&head("OPTIONS", &[]))
                .is_none()
        );
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        assert!(grpc_web(&["*", "https://a.example", "http://localhost:3000", "null"]).is_ok());
        for wrong in [
            "a.example",
            "https://a.example/",
            "https://a.example/x",
            "https://a.example?x",
            "",
            "*.example",
        ] {
            let error = grpc_web(&[wrong]).unwrap_err().to_string();
            assert!(error.contains("is no origin"), "{wrong}: {error}");
        }
    }
}

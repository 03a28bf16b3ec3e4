//! `redirectScheme`: sends the client to another scheme.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request};
use mesh_config::model;

use super::{Head, InvalidMiddleware, answer};
use crate::sanitize::Peer;

/// Where clients are sent.
#[derive(Debug)]
pub(super) struct RedirectScheme {
    scheme: String,
    /// The port, unless it is the scheme's own; `None` when none was written.
    port: Option<u16>,
    permanent: bool,
}

impl RedirectScheme {
    pub(super) fn new(settings: &model::RedirectScheme) -> Result<Self, InvalidMiddleware> {
        let scheme = settings.scheme.trim().to_ascii_lowercase();
        if scheme.is_empty() || scheme.parse::<http::uri::Scheme>().is_err() {
            return Err(InvalidMiddleware {
                key: "scheme",
                found: settings.scheme.clone(),
                reason: "is no scheme; write https",
            });
        }
        let port = match settings.port.trim() {
            "" => None,
            port => Some(port.parse().map_err(|_| InvalidMiddleware {
                key: "port",
                found: settings.port.clone(),
                reason: "is no port; write a number from 1 to 65535",
            })?),
        };
        Ok(Self {
            scheme,
            port,
            permanent: settings.permanent,
        })
    }
}

impl Head for RedirectScheme {
    fn request(&self, head: &mut request::Parts, _: &Peer) -> ControlFlow<Response<Bytes>> {
        let Some((host, port)) = host_and_port(head) else {
            return answer(StatusCode::BAD_REQUEST);
        };
        let scheme = current_scheme(head);
        let right_port = |wanted| port.or_else(|| default_port(scheme)) == Some(wanted);
        if scheme == self.scheme && self.port.is_none_or(right_port) {
            return ControlFlow::Continue(());
        }
        let port = match self.port {
            Some(port) if default_port(&self.scheme) != Some(port) => format!(":{port}"),
            _ => String::new(),
        };
        let rest = head.uri.path_and_query().map_or("/", |rest| rest.as_str());
        let location = format!("{}://{host}{port}{rest}", self.scheme);
        let Ok(location) = HeaderValue::try_from(location) else {
            return answer(StatusCode::BAD_REQUEST);
        };
        let answer = answer(match (self.permanent, head.method == Method::GET) {
            (true, true) => StatusCode::MOVED_PERMANENTLY,
            (false, true) => StatusCode::FOUND,
            (true, false) => StatusCode::PERMANENT_REDIRECT,
            (false, false) => StatusCode::TEMPORARY_REDIRECT,
        });
        answer.map_break(|mut response| {
            response.headers_mut().insert(header::LOCATION, location);
            response
        })
    }
}

/// The scheme the client used: what a trusted proxy or our own entrypoint wrote down, else plain HTTP.
fn current_scheme(head: &request::Parts) -> &str {
    let proto = head
        .headers
        .get("x-forwarded-proto")
        .and_then(|value| value.to_str().ok());
    match proto {
        Some("https" | "wss") => "https",
        Some("http" | "ws") | None => "http",
        Some(other) => other,
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// The host a client asked for, an IPv6 address in brackets, and the port where one was written.
fn host_and_port(head: &request::Parts) -> Option<(String, Option<u16>)> {
    let authority = match head.headers.get(header::HOST) {
        Some(host) => host.to_str().ok()?.parse().ok()?,
        None => head.uri.authority()?.clone(),
    };
    Some((authority.host().to_owned(), authority.port_u16()))
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use mesh_config::model::{self, Middleware};

    use super::super::tests::{compile, peer, step};

    /// Status and location of the redirect; `None` when the request passes.
    fn redirect(
        settings: &model::RedirectScheme,
        method: &str,
        host: &str,
        proto: &str,
    ) -> Option<(u16, String)> {
        let request = http::Request::builder().method(method).uri("/a?b=c");
        let request = request.header("host", host).header("x-forwarded-proto", proto);
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        match step(&Middleware::RedirectScheme(settings.clone())).request(&mut head, &peer()) {
            ControlFlow::Continue(()) => None,
            ControlFlow::Break(answer) => Some((
                answer.status().as_u16(),
                answer.headers()["location"].to_str().unwrap().to_owned(),
            )),
        }
    }

    #[test]
    fn plain_requests_go_to_https_at_its_own_port() {
        let settings = model::RedirectScheme::default();
        let found = redirect(&settings, "GET", "a.example:8080", "http");
        assert_eq!(found, Some((302, "https://a.example/a?b=c".to_owned())));
        let found = redirect(&settings, "POST", "[::1]:80", "ws");
        assert_eq!(found, Some((307, "https://[::1]/a?b=c".to_owned())));
    }

    #[test]
    fn requests_of_the_right_scheme_pass() {
        let settings = model::RedirectScheme::default();
        assert_eq!(redirect(&settings, "GET", "a.example:8443", "https"), None);
    }

    #[test]
    fn a_written_port_is_part_of_the_target() {
        let settings = model::RedirectScheme {
            port: "8443".to_owned(),
            permanent: true,
            ..model::RedirectScheme::default()
        };
        let target = || "https://a.example:8443/a?b=c".to_owned();
        assert_eq!(
            redirect(&settings, "GET", "a.example", "http"),
            Some((301, target()))
        );
        assert_eq!(
            redirect(&settings, "PUT", "a.example", "https"),
            Some((308, target()))
        );
        assert_eq!(redirect(&settings, "GET", "a.example:8443", "https"), None);
    }

    #[test]
    fn what_is_no_scheme_or_port_is_refused() {
        for (scheme, port) in [("", ""), ("ht tp", ""), ("https", "x"), ("https", "70000")] {
            let settings = model::RedirectScheme {
                scheme: scheme.to_owned(),
                port: port.to_owned(),
                permanent: false,
            };
            assert!(
                compile(&Middleware::RedirectScheme(settings)).is_err(),
                "{scheme:?} {port:?}"
            );
        }
    }
}

//! `redirectScheme`: sends the client to another scheme.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, request};
use mesh_config::model;

use super::{
    Head, InvalidMiddleware, answer,
    redirect::{authority, current_scheme, default_port, redirect, target},
};
use crate::sanitize::Peer;

/// Where clients are sent.
#[derive(Debug)]
pub(super) struct RedirectScheme {
    scheme: String,
    /// The port, unless it is the scheme's own.
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
        let invalid_port = || InvalidMiddleware {
            key: "port",
            found: settings.port.clone(),
            reason: "is no port; write a number from 1 to 65535",
        };
        let port = match settings.port.trim() {
            "" => None,
            port => Some(
                port.parse()
                    .ok()
                    .filter(|port| *port > 0)
                    .ok_or_else(invalid_port)?,
            ),
        };
        let port = port.filter(|port| default_port(&scheme) != Some(*port));
        Ok(Self {
            scheme,
            port,
            permanent: settings.permanent,
        })
    }
}

impl Head for RedirectScheme {
    fn request(&self, head: &mut request::Parts, _: &Peer) -> ControlFlow<Response<Bytes>> {
        let Some(authority) = authority(head) else {
            return answer(StatusCode::BAD_REQUEST);
        };
        let scheme = current_scheme(head);
        let port = authority
            .port_u16()
            .filter(|port| default_port(scheme) != Some(*port));
        if scheme == self.scheme && port == self.port {
            return ControlFlow::Continue(());
        }
        let port = self.port.map_or_else(String::new, |port| format!(":{port}"));
        let location = format!("{}://{}{port}{}", self.scheme, authority.host(), target(head));
        match HeaderValue::try_from(location) {
            Ok(location) => redirect(&head.method, self.permanent, location),
            Err(_) => answer(StatusCode::BAD_REQUEST),
        }
    }
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
    fn the_server_as_a_whole_has_no_path() {
        let settings = Middleware::RedirectScheme(model::RedirectScheme::default());
        let request = http::Request::builder().method("OPTIONS").uri("*");
        let (mut head, ()) = request.header("host", "a.test").body(()).unwrap().into_parts();
        let ControlFlow::Break(answer) = step(&settings).request(&mut head, &peer()) else {
            panic!("it passed");
        };
        assert_eq!(answer.headers()["location"], "https://a.test");
    }

    #[test]
    fn requests_of_the_right_url_pass() {
        let settings = model::RedirectScheme::default();
        for (host, proto) in [("a.example", "https"), ("a.example:443", "wss")] {
            assert_eq!(redirect(&settings, "GET", host, proto), None, "{host}");
        }
        // The port is part of it.
        let found = redirect(&settings, "HEAD", "a.example:8443", "https");
        assert_eq!(found, Some((307, "https://a.example/a?b=c".to_owned())));
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
        for (scheme, port) in [
            ("", ""),
            ("ht tp", ""),
            ("https", "x"),
            ("https", "0"),
            ("https", "70000"),
        ] {
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

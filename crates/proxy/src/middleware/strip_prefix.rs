//! `stripPrefix`: takes a prefix off the path.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::HeaderName, request};
use mesh_config::model;

use super::{Head, InvalidMiddleware, answer, path};
use crate::sanitize::Peer;
use crate::table::{routing_path, strip_routing_prefix};

/// Tells servers what was taken off.
static X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Prefixes as routing paths.
#[derive(Debug)]
pub(super) struct StripPrefix {
    prefixes: Vec<String>,
}

impl StripPrefix {
    pub(super) fn new(settings: &model::StripPrefix) -> Result<Self, InvalidMiddleware> {
        let invalid = |found: &str, reason| InvalidMiddleware {
            key: "prefixes",
            found: found.to_owned(),
            reason,
        };
        if settings.prefixes.is_empty() {
            return Err(invalid("", "strips nothing; list a path such as /api"));
        }
        let prefixes = settings.prefixes.iter().map(|written| {
            let written = written.trim();
            if !written.starts_with('/') {
                return Err(invalid(written, "is no prefix of a path; start it with /"));
            }
            if written.contains(char::is_control) {
                return Err(invalid(written, "holds characters that no path has; escape them"));
            }
            Ok(routing_path(written).into_owned())
        });
        Ok(Self {
            prefixes: prefixes.collect::<Result<_, _>>()?,
        })
    }
}

impl Head for StripPrefix {
    fn request(&self, head: &mut request::Parts, _: &Peer) -> ControlFlow<Response<Bytes>> {
        let whole = head.uri.path();
        for prefix in &self.prefixes {
            let Some(rest) = strip_routing_prefix(whole, prefix) else {
                continue;
            };
            let on_boundary = rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/');
            let stripped = with_slash(rest);
            if !on_boundary && path::is_normal(&stripped) {
                continue;
            }
            let taken = whole.strip_suffix(rest).unwrap_or_default().to_owned();
            return strip(head, &stripped, taken);
        }
        ControlFlow::Continue(())
    }
}

/// What is left of a path, as one.
pub(super) fn with_slash(rest: &str) -> String {
    match rest.starts_with('/') {
        true => rest.to_owned(),
        false => format!("/{rest}"),
    }
}

/// Leaves `stripped` of the path, and tells servers what was `taken` off, as escaped as it came.
pub(super) fn strip(
    head: &mut request::Parts,
    stripped: &str,
    taken: String,
) -> ControlFlow<Response<Bytes>> {
    // `/api../admin` less `/api` would leave the place that the prefix stands for.
    let uri = path::with_path(&head.uri, stripped).filter(|_| path::is_normal(stripped));
    let Some((uri, taken)) = uri.zip(HeaderValue::try_from(taken).ok()) else {
        return answer(StatusCode::BAD_REQUEST);
    };
    head.uri = uri;
    head.headers.append(&X_FORWARDED_PREFIX, taken);
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use mesh_config::model::{Middleware, StripPrefix};

    use super::super::tests::{compile, path_after, peer, step};

    fn strip(prefixes: &[&str]) -> Middleware {
        Middleware::StripPrefix(StripPrefix {
            prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
            force_slash: None,
        })
    }

    #[test]
    fn the_first_prefix_on_a_segment_boundary_is_taken_off() {
        let step = step(&strip(&["/api", "/apis", "/a b", "/v1/"]));
        for (path, stripped) in [
            ("/api", "/"),
            ("/api/x%2Fy?q=1", "/x%2Fy?q=1"),
            ("/%61pi/x", "/x"),
            ("/apis/x", "/x"),
            ("/apix/y", "/apix/y"),
            ("/a%20b/c", "/c"),
            ("/v1/x", "/x"),
            ("/other", "/other"),
            ("/api%2Fx", "/api%2Fx"),
        ] {
            assert_eq!(path_after(&*step, path).as_deref(), Ok(stripped), "{path}");
        }
    }

    #[test]
    fn a_path_that_would_leave_the_prefix_is_refused() {
        let step = step(&strip(&["/api", "/v1/"]));
        for path in [
            "/api../admin",
            "/api%2e%2e/admin",
            "/api/../admin",
            "/api//admin",
            "/api./x",
            "/api/..%2Fadmin",
        ] {
            assert_eq!(path_after(&*step, path), Err(StatusCode::BAD_REQUEST), "{path}");
        }
    }

    #[test]
    fn servers_learn_what_was_taken_off() {
        let (mut head, ()) = http::Request::builder()
            .uri("/a%20p%C3%BC/x")
            .body(())
            .unwrap()
            .into_parts();
        let step = step(&strip(&["/a p\u{fc}"]));
        assert!(step.request(&mut head, &peer()).is_continue());
        assert_eq!(head.headers["x-forwarded-prefix"], "/a%20p%C3%BC");
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for prefixes in [&[][..], &[""], &["api"], &["/a\nb"]] {
            assert!(compile(&strip(prefixes)).is_err(), "{prefixes:?} was taken");
        }
    }
}

//! `replacePathRegex`: puts something else in the place of what is found in the path.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::{Response, StatusCode, request};
use mesh_config::model;

use super::{Head, InvalidMiddleware, answer, path, replacement::Replacement};
use crate::sanitize::Peer;

/// What to look for, and what takes its place.
#[derive(Debug)]
pub(super) struct ReplacePathRegex {
    replacement: Replacement,
}

impl ReplacePathRegex {
    pub(super) fn new(settings: &model::ReplacePathRegex) -> Result<Self, String> {
        let template = settings.replacement.trim();
        if template.contains(['?', '#', ' ']) {
            return Err(InvalidMiddleware {
                key: "replacement",
                found: template.to_owned(),
                reason: "is for the path alone; escape special characters, the query stays as it was",
            }
            .into());
        }
        Ok(Self {
            replacement: Replacement::new(&settings.regex, template)?,
        })
    }
}

impl Head for ReplacePathRegex {
    fn request(&self, head: &mut request::Parts, _: &Peer) -> ControlFlow<Response<Bytes>> {
        let path = head.uri.path();
        if !path.starts_with('/') {
            return ControlFlow::Continue(());
        }
        let replaced = match self.replacement.of(path) {
            Ok(Some(replaced)) => replaced,
            Ok(None) => return ControlFlow::Continue(()),
            Err(_) => return answer(StatusCode::URI_TOO_LONG),
        };
        if !path::has_whole_escapes(&replaced) {
            return answer(StatusCode::INTERNAL_SERVER_ERROR);
        }
        // What servers would read as another path than it looks like leads where no rule has looked.
        if !path::is_normal(&replaced) || path::replace(head, &replaced).is_none() {
            return answer(StatusCode::BAD_REQUEST);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use mesh_config::model::{Middleware, ReplacePathRegex};
    use proptest::{prelude::*, sample::select};

    use super::super::{
        Head,
        tests::{compile, path_after, peer, step},
    };

    fn replace(regex: &str, replacement: &str) -> Middleware {
        Middleware::ReplacePathRegex(ReplacePathRegex {
            regex: regex.parse().unwrap(),
            replacement: replacement.to_owned(),
        })
    }

    fn by(regex: &str, replacement: &str) -> Box<dyn Head> {
        step(&replace(regex, replacement))
    }

    #[test]
    fn what_is_found_is_replaced_and_the_query_stays() {
        for (regex, replacement, path, replaced) in [
            ("^/api/(.*)", " /$1 ", "/api/a%20b?q=1", "/a%20b?q=1"),
            ("(?P<id>[0-9]+)", "n${id}", "/1/2", "/n1/n2"),
            ("^/api", "", "/api/x", "/x"),
            ("^/nope", "/", "/api//x", "/api//x"),
            ("a", "b", "*", "*"),
        ] {
            let found = path_after(&*by(regex, replacement), path);
            assert_eq!(found.as_deref(), Ok(replaced), "{regex}");
        }
    }

    #[test]
    fn a_path_that_means_something_else_than_it_says_is_refused() {
        let strip = by("^/api/?", "/");
        for path in ["/api/../admin", "/api//x", "/api/%2e%2e/x", "/api/..%2Fx"] {
            assert_eq!(path_after(&*strip, path), Err(StatusCode::BAD_REQUEST), "{path}");
        }
        // What was an escaped percent sign would become an escape.
        assert_eq!(
            path_after(&*by("25", ""), "/%252e%252e/x"),
            Err(StatusCode::BAD_REQUEST)
        );
        assert_eq!(path_after(&*by("^/", ""), "/x"), Err(StatusCode::BAD_REQUEST));
        let broken = path_after(&*by("20", ""), "/a%20b");
        assert_eq!(
            broken,
            Ok("/a%b".to_owned()).and(Err(StatusCode::INTERNAL_SERVER_ERROR))
        );
    }

    #[test]
    fn a_path_that_grows_without_bound_is_refused() {
        let long = format!("/{}", "a".repeat(30_000));
        assert_eq!(path_after(&*by("a", "aaa"), &long), Err(StatusCode::URI_TOO_LONG));
    }

    #[test]
    fn servers_learn_which_path_there_was() {
        let (mut head, ()) = http::Request::builder()
            .uri("/api/x")
            .body(())
            .unwrap()
            .into_parts();
        assert!(by("^/api", "").request(&mut head, &peer()).is_continue());
        assert_eq!(head.headers["x-replaced-path"], "/api/x");
    }

    #[test]
    fn what_is_no_replacement_of_a_path_is_refused() {
        for replacement in [
            "/a?b=$1",
            "/a#b",
            "/a b",
            "/a\nb",
            "/$1",
            "/${nope}",
            &"$0".repeat(33),
            &"a".repeat(2049),
        ] {
            assert!(
                compile(&replace("a", replacement)).is_err(),
                "{replacement:?} was taken"
            );
        }
    }

    proptest! {
        #[test]
        fn no_path_leads_a_careless_server_out_of_its_place(
            path in r"/([ab./;\\]|%2e|%2E|%2F|%5C|%25|25|2e){0,16}",
            regex in select(vec!["^/a", "25", "a", r"[/\\]", "^/", "b|2e", "%2F"]),
            replacement in select(vec!["", "/", ".", "/b", "%2F", "%"]),
        ) {
            let Ok(replaced) = path_after(&*by(regex, replacement), &path) else { return Ok(()) };
            if replaced != path {
                let careless = replaced.replace("%2e", ".").replace("%2E", ".");
                let careless = careless.replace("%2F", "/").replace("%5C", "/").replace('\\', "/");
                let mut segments = careless.split('/').map(|segment| segment.split(';').next().unwrap());
                prop_assert!(!segments.any(|segment| matches!(segment, "." | "..")), "{path} became {replaced}");
                prop_assert!(!replaced.contains("//") && replaced.starts_with('/'), "{path} became {replaced}");
            }
        }
    }
}

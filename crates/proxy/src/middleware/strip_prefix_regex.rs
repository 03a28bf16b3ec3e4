//! `stripPrefixRegex`: takes off the path what matches at its beginning.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::{Response, request};
use mesh_config::{model, rule::Pattern};

use super::{
    Head, InvalidMiddleware,
    strip_prefix::{strip, with_slash},
};
use crate::sanitize::Peer;
use crate::table::{routing_path, strip_routing_prefix};

/// Expressions that see paths as rules do.
#[derive(Debug)]
pub(super) struct StripPrefixRegex {
    patterns: Vec<Pattern>,
}

impl StripPrefixRegex {
    pub(super) fn new(settings: &model::StripPrefixRegex) -> Result<Self, InvalidMiddleware> {
        if settings.regex.is_empty() {
            return Err(InvalidMiddleware {
                key: "regex",
                found: String::new(),
                reason: "strips nothing; list an expression such as ^/v[0-9]+",
            });
        }
        Ok(Self {
            patterns: settings.regex.clone(),
        })
    }

    /// What is left of a path, when something is to be taken off.
    fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        let plain = routing_path(path);
        let mut rests = self.patterns.iter().filter_map(|pattern| {
            let found = pattern.find(&plain)?;
            let prefix = plain.get(found).filter(|text| !text.is_empty())?;
            // A match elsewhere is no prefix, and one that ends within an escape none either.
            strip_routing_prefix(path, prefix).filter(|_| plain.starts_with(prefix))
        });
        rests.next()
    }
}

impl Head for StripPrefixRegex {
    fn request(&self, head: &mut request::Parts, _: &Peer) -> ControlFlow<Response<Bytes>> {
        let path = head.uri.path();
        let Some(rest) = self.rest(path) else {
            return ControlFlow::Continue(());
        };
        let taken = path.strip_suffix(rest).unwrap_or_default().to_owned();
        let stripped = with_slash(rest);
        strip(head, &stripped, taken)
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use mesh_config::model::{Middleware, StripPrefixRegex};

    use super::super::tests::{compile, path_after, peer, step};

    fn strip(regex: &[&str]) -> Middleware {
        Middleware::StripPrefixRegex(StripPrefixRegex {
            regex: regex.iter().map(|regex| regex.parse().unwrap()).collect(),
        })
    }

    #[test]
    fn the_first_expression_that_matches_at_the_beginning_takes_its_match_off() {
        let step = step(&strip(&["/v[0-9]+", "^/shop/[^/]+/", "x*", "é/", "%2"]));
        for (path, stripped) in [
            ("/v12/x?q=1", "/x?q=1"),
            ("/v1", "/"),
            ("/v1x", "/x"),
            ("/a/v1", "/a/v1"),
            ("/shop/a%20b/c%2Fd", "/c%2Fd"),
            ("/shop/a%2Fb/c", "/c"),
            ("/shop", "/shop"),
            ("/", "/"),
        ] {
            assert_eq!(path_after(&*step, path).as_deref(), Ok(stripped), "{path}");
        }
    }

    #[test]
    fn a_match_is_looked_for_in_the_path_that_rules_see() {
        let (slash, letter) = (step(&strip(&["^/a%2"])), step(&strip(&["^/é+"])));
        assert_eq!(path_after(&*slash, "/a%2Fb").as_deref(), Ok("/a%2Fb"));
        assert_eq!(path_after(&*letter, "/%C3%A9%C3%A9/x").as_deref(), Ok("/x"));
    }

    #[test]
    fn a_path_that_would_leave_its_place_is_refused() {
        let step = step(&strip(&["^/v[0-9]+"]));
        for path in ["/v1../admin", "/v1%2e%2e/admin", "/v1//x", "/v1/..%2Fx"] {
            assert_eq!(path_after(&*step, path), Err(StatusCode::BAD_REQUEST), "{path}");
        }
    }

    #[test]
    fn servers_learn_what_was_taken_off() {
        let request = http::Request::builder().uri("/shop/a%20b/c");
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        let step = step(&strip(&["^/shop/[^/]+/"]));
        assert!(step.request(&mut head, &peer()).is_continue());
        assert_eq!(head.headers["x-forwarded-prefix"], "/shop/a%20b/");
    }

    #[test]
    fn an_empty_list_is_refused() {
        assert!(compile(&strip(&[])).is_err());
    }
}

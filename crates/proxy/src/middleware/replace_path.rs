//! `replacePath`: puts another path in the place of the path.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::{Response, StatusCode, request};
use mesh_config::model;

use super::{Head, InvalidMiddleware, answer, path};
use crate::sanitize::Peer;

/// A path that is fit for servers.
#[derive(Debug)]
pub(super) struct ReplacePath {
    path: String,
}

impl ReplacePath {
    pub(super) fn new(settings: &model::ReplacePath) -> Result<Self, InvalidMiddleware> {
        let written = settings.path.trim();
        if written.is_empty() {
            return Err(InvalidMiddleware {
                key: "path",
                found: String::new(),
                reason: "is no path; write one such as /api",
            });
        }
        Ok(Self {
            path: path::written("path", written)?,
        })
    }
}

impl Head for ReplacePath {
    fn request(&self, head: &mut request::Parts, _: &Peer) -> ControlFlow<Response<Bytes>> {
        // `OPTIONS *` has no path to replace.
        if !head.uri.path().starts_with('/') {
            return ControlFlow::Continue(());
        }
        match path::replace(head, &self.path) {
            Some(()) => ControlFlow::Continue(()),
            None => answer(StatusCode::URI_TOO_LONG),
        }
    }
}

#[cfg(test)]
mod tests {
    use mesh_config::model::{Middleware, ReplacePath};

    use super::super::tests::{compile, path_after, peer, step};

    fn replace(path: &str) -> Middleware {
        Middleware::ReplacePath(ReplacePath {
            path: path.to_owned(),
        })
    }

    #[test]
    fn the_path_is_another_one_and_the_query_stays() {
        for path in ["/a%20b/", "a%20b/"] {
            let step = step(&replace(path));
            assert_eq!(path_after(&*step, "/x/y?q=%2F").as_deref(), Ok("/a%20b/?q=%2F"));
            assert_eq!(path_after(&*step, "*").as_deref(), Ok("*"));
        }
    }

    #[test]
    fn servers_learn_which_path_there_was() {
        let (mut head, ()) = http::Request::builder()
            .uri("/a%2Fb?x")
            .body(())
            .unwrap()
            .into_parts();
        assert!(step(&replace("/c")).request(&mut head, &peer()).is_continue());
        assert!(step(&replace("/d")).request(&mut head, &peer()).is_continue());
        let told: Vec<_> = head.headers.get_all("x-replaced-path").iter().collect();
        assert_eq!(told, ["/a%2Fb", "/c"]);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in ["", " ", "/a b", "/a?b", "/a#b", "/../a", "//a", "/a%", "/a%zz"] {
            assert!(compile(&replace(path)).is_err(), "{path:?} was taken");
        }
    }
}

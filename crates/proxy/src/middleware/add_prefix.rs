//! `addPrefix`: puts a prefix in front of the path.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::{Response, StatusCode, request};
use mesh_config::model;

use super::{Head, InvalidMiddleware, answer, path};
use crate::sanitize::Peer;

/// A prefix that starts with a slash, ends without one, and is fit for a path.
#[derive(Debug)]
pub(super) struct AddPrefix {
    prefix: String,
}

impl AddPrefix {
    pub(super) fn new(settings: &model::AddPrefix) -> Result<Self, InvalidMiddleware> {
        let written = settings.prefix.trim_end_matches('/');
        if written.is_empty() {
            return Err(InvalidMiddleware {
                key: "prefix",
                found: settings.prefix.clone(),
                reason: "adds nothing; write a path such as /api",
            });
        }
        Ok(Self {
            prefix: path::written("prefix", written)?,
        })
    }
}

impl Head for AddPrefix {
    fn request(&self, head: &mut request::Parts, _: &Peer) -> ControlFlow<Response<Bytes>> {
        // `OPTIONS *` and `CONNECT host:port` have no path to prefix.
        if !head.uri.path().starts_with('/') {
            return ControlFlow::Continue(());
        }
        let Some(uri) = path::with_path(&head.uri, &format!("{}{}", self.prefix, head.uri.path())) else {
            return answer(StatusCode::URI_TOO_LONG);
        };
        head.uri = uri;
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use mesh_config::model::{AddPrefix, Middleware};

    use super::super::tests::{compile, path_after, step};

    fn add(prefix: &str) -> Middleware {
        Middleware::AddPrefix(AddPrefix {
            prefix: prefix.to_owned(),
        })
    }

    #[test]
    fn the_prefix_comes_first_and_the_query_stays() {
        for prefix in ["/api", "api", "/api/"] {
            let prefixed = path_after(&*step(&add(prefix)), "/a%20b?x=1");
            assert_eq!(prefixed.as_deref(), Ok("/api/a%20b?x=1"));
        }
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for prefix in ["", "/", "/a/../b", "/a?b", "/a b", "/a%zz", "/a%2F.."] {
            assert!(compile(&add(prefix)).is_err(), "{prefix:?} was taken");
        }
    }
}

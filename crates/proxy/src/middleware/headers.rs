//! `headers`: sets or removes headers of requests and answers.

use std::{collections::BTreeMap, ops::ControlFlow};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header, request, response};
use mesh_config::model;

use super::{Head, InvalidMiddleware};
use crate::sanitize::Peer;

/// What to do with each header: a value sets it, nothing removes it.
#[derive(Debug)]
pub(super) struct Headers {
    request: Vec<(HeaderName, Option<HeaderValue>)>,
    response: Vec<(HeaderName, Option<HeaderValue>)>,
}

impl Headers {
    pub(super) fn new(settings: &model::Headers) -> Result<Self, InvalidMiddleware> {
        let model::Headers {
            custom_request_headers: request,
            custom_response_headers: response,
        } = settings;
        if request.is_empty() && response.is_empty() {
            return Err(InvalidMiddleware {
                key: "headers",
                found: String::new(),
                reason: "sets nothing; add customRequestHeaders or customResponseHeaders",
            });
        }
        Ok(Self {
            request: compile("customRequestHeaders", request)?,
            response: compile("customResponseHeaders", response)?,
        })
    }
}

impl Head for Headers {
    fn request(&self, head: &mut request::Parts, _: &Peer) -> ControlFlow<Response<Bytes>> {
        apply(&self.request, &mut head.headers);
        ControlFlow::Continue(())
    }

    fn response(&self, head: &mut response::Parts) {
        apply(&self.response, &mut head.headers);
    }
}

fn compile(
    key: &'static str,
    headers: &BTreeMap<String, String>,
) -> Result<Vec<(HeaderName, Option<HeaderValue>)>, InvalidMiddleware> {
    let headers = headers.iter().map(|(name, value)| {
        // The value may be a secret: an error names the header only.
        let invalid = |reason| InvalidMiddleware {
            key,
            found: name.clone(),
            reason,
        };
        let header = name
            .parse::<HeaderName>()
            .map_err(|_| invalid("is no header name"))?;
        // Whoever frames a message must also be the one to say how.
        if matches!(header, header::CONTENT_LENGTH | header::TRANSFER_ENCODING) {
            return Err(invalid("says how a body is framed; leave it to Mesh"));
        }
        let value = match value.as_str() {
            "" => None,
            value => Some(
                value
                    .parse()
                    .map_err(|_| invalid("has a value with control characters"))?,
            ),
        };
        Ok((header, value))
    });
    headers.collect()
}

fn apply(changes: &[(HeaderName, Option<HeaderValue>)], headers: &mut HeaderMap) {
    for (name, value) in changes {
        match value {
            Some(value) => {
                headers.insert(name, value.clone());
            }
            None => {
                headers.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mesh_config::model::{Headers, Middleware};

    use super::super::tests::{compile, peer, step};

    fn headers(request: &[(&str, &str)], response: &[(&str, &str)]) -> Middleware {
        let map = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            pairs.collect()
        };
        Middleware::Headers(Headers {
            custom_request_headers: map(request),
            custom_response_headers: map(response),
        })
    }

    #[test]
    fn a_value_replaces_all_lines_and_an_empty_one_removes_them() {
        let step = step(&headers(&[("X-A", "new"), ("x-b", "")], &[("Server", "")]));
        let request = http::Request::builder()
            .header("x-a", "1")
            .header("x-a", "2")
            .header("x-b", "3");
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        assert!(step.request(&mut head, &peer()).is_continue());
        assert_eq!(head.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["new"]);
        assert!(!head.headers.contains_key("x-b"));

        let (mut head, ()) = http::Response::builder()
            .header("server", "x")
            .body(())
            .unwrap()
            .into_parts();
        step.response(&mut head);
        assert!(head.headers.is_empty());
    }

    #[test]
    fn what_no_header_can_carry_is_refused_without_telling_the_value() {
        let error = compile(&headers(&[("Authorization", "hunter2\n")], &[])).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        for name in ["a b", "Content-Length", "transfer-encoding"] {
            assert!(
                compile(&headers(&[(name, "1")], &[])).is_err(),
                "{name} was taken"
            );
        }
        assert!(compile(&headers(&[], &[])).is_err());
    }
}

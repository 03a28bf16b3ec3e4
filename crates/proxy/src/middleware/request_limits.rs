//! `requestLimits`: refuses requests that are larger than a service wants.

use std::{cell::Cell, rc::Rc};

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame};
use mesh_config::model;
use mesh_telemetry::metrics::Outcome;

use super::{Around, Change, InvalidMiddleware, Next, Parts, Unreadable, Visit, plain};
use crate::{forward::Answer, sanitize::is_managed};

/// The limits; `u64::MAX` and the like where there is none.
#[derive(Debug)]
pub(super) struct RequestLimits {
    body: u64,
    header_count: usize,
    header_bytes: u64,
}

impl RequestLimits {
    pub(super) fn new(settings: &model::RequestLimits) -> Result<Self, InvalidMiddleware> {
        let model::RequestLimits {
            max_body_bytes,
            max_header_count,
            max_header_bytes,
        } = *settings;
        if (max_body_bytes, max_header_count, max_header_bytes) == (0, 0, 0) {
            return Err(InvalidMiddleware {
                key: "requestLimits",
                found: String::new(),
                reason: "limits nothing; add maxBodyBytes, maxHeaderCount or maxHeaderBytes",
            });
        }
        let limit = |limit: u64| if limit == 0 { u64::MAX } else { limit };
        Ok(Self {
            body: limit(max_body_bytes),
            header_count: usize::try_from(limit(max_header_count.into())).unwrap_or(usize::MAX),
            header_bytes: limit(max_header_bytes),
        })
    }

    /// True if the client sends no more headers than it may. What Mesh says of the client is not the client's.
    fn allows(&self, headers: &HeaderMap) -> bool {
        let own = headers.iter().filter(|(name, _)| !is_managed(name.as_str()));
        let (mut count, mut bytes) = (0, 0);
        for (name, value) in own {
            count += 1;
            bytes += (name.as_str().len() + value.len()) as u64;
        }
        count <= self.header_count && bytes <= self.header_bytes
    }
}

impl Around for RequestLimits {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            if !self.allows(&visit.head.headers) {
                let refusal = plain(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
                return Answer::from(refusal).counted(Outcome::Headers);
            }
            let length = visit.body.size_hint();
            if length.lower() > self.body {
                return Answer::from(plain(StatusCode::PAYLOAD_TOO_LARGE)).counted(Outcome::Body);
            }
            // A length that is told is kept to: nothing is to be counted.
            if self.body == u64::MAX || length.exact().is_some() {
                return next.run(visit).await;
            }
            let exceeded = Rc::new(Cell::new(false));
            visit.body.change(Counted {
                left: self.body,
                exceeded: exceeded.clone(),
            });
            let mut answer = next.run(visit).await;
            if exceeded.get() && answer.failure().is_some() {
                let failure = answer.take_failure();
                answer = plain(StatusCode::PAYLOAD_TOO_LARGE).into();
                answer.because(failure);
            }
            if exceeded.get() {
                answer.count(Outcome::Body);
            }
            answer
        })
    }
}

/// Cuts a body that becomes too long.
#[derive(Debug)]
struct Counted {
    left: u64,
    exceeded: Rc<Cell<bool>>,
}

impl Change for Counted {
    fn part(&mut self, part: Frame<Bytes>, out: &mut Parts) -> Result<(), Unreadable> {
        let length = part.data_ref().map_or(0, Bytes::len) as u64;
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                out.push_back(part);
                Ok(())
            }
            None => {
                self.exceeded.set(true);
                Err(Unreadable("it is longer than maxBodyBytes of requestLimits"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn limits(settings: serde_json::Value) -> RequestLimits {
        RequestLimits::new(&serde_json::from_value(settings).unwrap()).unwrap()
    }

    #[test]
    fn headers_are_counted_by_line_and_by_byte_without_those_of_mesh() {
        let mut headers = HeaderMap::new();
        for name in ["a", "a", "b", "x-forwarded-for", "x-real-ip"] {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static("12345678"),
            );
        }
        for (settings, passes) in [
            (serde_json::json!({"maxHeaderCount": 3}), true),
            (serde_json::json!({"maxHeaderCount": 2}), false),
            (serde_json::json!({"maxHeaderBytes": 27}), true),
            (serde_json::json!({"maxHeaderBytes": 26}), false),
            (serde_json::json!({"maxBodyBytes": 1}), true),
        ] {
            assert_eq!(limits(settings.clone()).allows(&headers), passes, "{settings}");
        }
    }

    #[test]
    fn a_body_is_cut_with_the_part_that_is_too_much() {
        let exceeded = Rc::new(Cell::new(false));
        let mut counted = Counted {
            left: 4,
            exceeded: exceeded.clone(),
        };
        let mut out = Parts::new();
        let mut part =
            |text: &'static str| counted.part(Frame::data(Bytes::from_static(text.as_bytes())), &mut out);
        assert!(part("ab").is_ok() && part("cd").is_ok() && part("").is_ok());
        assert!(!exceeded.get());
        assert!(part("e").is_err());
        assert!(exceeded.get() && out.len() == 3);
    }

    #[test]
    fn no_limit_at_all_is_a_mistake() {
        assert!(RequestLimits::new(&model::RequestLimits::default()).is_err());
    }
}

//! `compress`: compresses answers for clients that take them so.

mod accepted;
mod encoder;
mod media_type;

use std::time::Duration;

use futures::future::LocalBoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, response};
use mesh_config::model::{self, Encoding};
use tokio::time::{Instant, timeout_at};

use self::{accepted::choose, encoder::Encoder, media_type::MediaType};
use super::{Around, InvalidMiddleware, Next, Parts, Visit};
use crate::{
    forward::{Answer, ForwardError, Source},
    sanitize::tokens,
    upstream::BodyError,
};

/// How long a body whose length nobody told is waited for until it is long enough to be compressed.
const MAX_WAIT: Duration = Duration::from_millis(10);

/// Headers that tell of the very bytes which the server sent.
const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
];

/// Which answers are compressed, and how.
#[derive(Debug)]
pub(super) struct Compress {
    encodings: Vec<Encoding>,
    usual: Option<Encoding>,
    least: u64,
    excluded: Vec<MediaType>,
    included: Vec<MediaType>,
}

impl Compress {
    pub(super) fn new(settings: &model::Compress) -> Result<Self, InvalidMiddleware> {
        let invalid = |key, found: &str, reason| InvalidMiddleware {
            key,
            found: found.to_owned(),
            reason,
        };
        if settings.encodings.is_empty() {
            return Err(invalid(
                "encodings",
                "",
                "compresses nothing; list gzip, br or zstd",
            ));
        }
        if let Some(usual) = settings.default_encoding
            && !settings.encodings.contains(&usual)
        {
            let reason = "is not among `encodings`; list it there, too";
            return Err(invalid("defaultEncoding", usual.name(), reason));
        }
        if let (Some(excluded), false) = (
            settings.excluded_content_types.first(),
            settings.included_content_types.is_empty(),
        ) {
            let reason = "and `includedContentTypes` exclude each other; write one of them";
            return Err(invalid("excludedContentTypes", excluded, reason));
        }
        let types = |key, list: &[String]| -> Result<Vec<_>, InvalidMiddleware> {
            let parse = |text: &String| {
                let reason = "is no media type; write text/html, say";
                MediaType::parse(text).ok_or_else(|| invalid(key, text, reason))
            };
            list.iter().map(parse).collect()
        };
        Ok(Self {
            encodings: settings.encodings.clone(),
            usual: settings.default_encoding,
            least: match settings.min_response_body_bytes {
                0 => model::Compress::default().min_response_body_bytes,
                least => least,
            },
            excluded: types("excludedContentTypes", &settings.excluded_content_types)?,
            included: types("includedContentTypes", &settings.included_content_types)?,
        })
    }

    /// True if answers to this request may be compressed at all.
    fn takes(&self, method: &Method, headers: &HeaderMap) -> bool {
        let is_excluded =
            |found: &MediaType| found.is_grpc() || self.excluded.iter().any(|excluded| excluded.means(found));
        let is_plain = MediaType::of(headers)
            .ok()
            .flatten()
            .is_none_or(|found| !is_excluded(&found));
        is_plain && method != Method::CONNECT
    }

    /// What the body of an answer is, if it may be compressed.
    fn body(&self, head: &response::Parts) -> Option<Body> {
        let has_none = [
            StatusCode::NO_CONTENT,
            StatusCode::RESET_CONTENT,
            StatusCode::PARTIAL_CONTENT,
        ]
        .contains(&head.status);
        let headers = &head.headers;
        let must_stay = headers.contains_key(header::CONTENT_ENCODING)
            || headers.contains_key(header::CONTENT_RANGE)
            || DIGESTS.iter().any(|name| headers.contains_key(name))
            || tokens(headers, header::CACHE_CONTROL).any(|token| token.eq_ignore_ascii_case("no-transform"));
        if has_none || must_stay || head.status.is_informational() {
            return None;
        }
        let Some(found) = MediaType::of(headers).ok()? else {
            return self.included.is_empty().then_some(Body::Usual);
        };
        let is_meant = |list: &[MediaType]| list.iter().any(|meant| meant.means(&found));
        let stays = found.is_grpc()
            || is_meant(&self.excluded)
            || !(self.included.is_empty() || is_meant(&self.included));
        match (stays, found.is_live()) {
            (true, _) => None,
            (false, true) => Some(Body::Live),
            (false, false) => Some(Body::Usual),
        }
    }

    /// True if a body is as long as it has to be. Who does not tell has a moment to send enough; what came until then
    /// is at its beginning again.
    async fn is_long_enough(&self, answer: &mut Answer, body: Body) -> Result<bool, BodyError> {
        if let Some(length) = answer.body.size_hint().exact() {
            return Ok(length >= self.least);
        }
        if body == Body::Live {
            return Ok(true);
        }
        let deadline = Instant::now() + MAX_WAIT;
        let (mut parts, mut length) = (Parts::new(), 0);
        let mut is_long = false;
        while !is_long && !answer.body.is_over() {
            match timeout_at(deadline, answer.body.next()).await {
                Ok(Some(part)) => {
                    let part = part?;
                    length += part.data_ref().map_or(0, |data| data.len() as u64);
                    parts.push_back(part);
                    is_long = length >= self.least;
                }
                Ok(None) => break,
                Err(_) => is_long = true,
            }
        }
        answer.put_back(parts);
        Ok(is_long)
    }
}

/// What kind of body may be compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Usual,
    /// It is read as it comes: nobody waits for it to be long enough.
    Live,
}

impl Around for Compress {
    fn call<'a>(&'a self, visit: &'a mut Visit<'_>, mut next: Next<'a>) -> LocalBoxFuture<'a, Answer> {
        Box::pin(async move {
            let takes = self.takes(&visit.head.method, &visit.head.headers);
            let is_head = visit.head.method == Method::HEAD;
            let coding = choose(&visit.head.headers, &self.encodings, self.usual);
            let mut answer = next.run(visit).await;
            if !takes || matches!(answer.body, Source::Tunnel(_)) {
                return answer;
            }
            let Some(body) = self.body(&answer.head) else {
                return answer;
            };
            // Another client, or request, might get it compressed.
            vary(&mut answer.head.headers);
            let has_no_body = is_head || answer.head.status == StatusCode::NOT_MODIFIED;
            let Some(coding) = coding.filter(|_| !has_no_body) else {
                return answer;
            };
            match self.is_long_enough(&mut answer, body).await {
                Ok(true) => {}
                Ok(false) => return answer,
                Err(error) => {
                    let mut failed = visit.client.fail(ForwardError::Body(error).into());
                    failed.stands_for(&mut answer);
                    return failed;
                }
            }
            if let Some(encoder) = Encoder::new(coding) {
                mark(&mut answer.head.headers, coding);
                answer.change(encoder);
            }
            answer
        })
    }
}

/// Says that the answer depends on what the client takes.
fn vary(headers: &mut HeaderMap) {
    let is_said = tokens(headers, header::VARY)
        .any(|token| token == "*" || token.eq_ignore_ascii_case("accept-encoding"));
    if !is_said {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// Says that the body is compressed. Parts of it cannot be asked for, and its bytes are not those that its entity tag is of.
fn mark(headers: &mut HeaderMap, coding: Encoding) {
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    headers.remove(header::ACCEPT_RANGES);
    let tag = headers.get(header::ETAG).map(HeaderValue::as_bytes);
    if let Some(tag) = tag.filter(|tag| !tag.starts_with(b"W/"))
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag].concat())
    {
        headers.insert(header::ETAG, weak);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compress(settings: serde_json::Value) -> Result<Compress, String> {
        let settings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
        Compress::new(&settings).map_err(String::from)
    }

    fn head(status: u16, headers: &[(&str, &str)]) -> response::Parts {
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(()).unwrap().into_parts().0
    }

    #[test]
    fn what_must_stay_as_it_is_stays() {
        let compress = compress(serde_json::json!({})).unwrap();
        for (status, headers, body) in [
            (200, &[][..], Some(Body::Usual)),
            (
                404,
                &[("content-type", "text/html; charset=utf-8")],
                Some(Body::Usual),
            ),
            (200, &[("content-type", "text/event-stream")], Some(Body::Live)),
            (200, &[("cache-control", "public, no-store")], Some(Body::Usual)),
            (204, &[], None),
            (206, &[], None),
            // It has none, and tells caches about the one that has.
            (304, &[], Some(Body::Usual)),
            (200, &[("content-encoding", "br")], None),
            (200, &[("content-range", "bytes 0-1/2")], None),
            (200, &[("cache-control", "public, No-Transform")], None),
            (200, &[("content-digest", "sha-256=:x:")], None),
            (200, &[("content-type", "nothing")], None),
            (200, &[("content-type", "application/grpc+proto")], None),
        ] {
            assert_eq!(
                compress.body(&head(status, headers)),
                body,
                "{status} {headers:?}"
            );
        }
    }

    #[test]
    fn types_are_excluded_or_included() {
        let settings = serde_json::json!({"excludedContentTypes": ["image/png", "text/css; charset=utf-8"]});
        let excluding = compress(settings).unwrap();
        let including = compress(serde_json::json!({"includedContentTypes": ["text/html"]})).unwrap();
        for (found, by_exclusion, by_inclusion) in [
            (Some("image/png"), false, false),
            (Some("text/html;charset=x"), true, true),
            (Some("text/css"), true, false),
            (Some("text/css;charset=utf-8"), false, false),
            (None, true, false),
        ] {
            let headers: Vec<_> = found.map(|found| ("content-type", found)).into_iter().collect();
            let head = head(200, &headers);
            assert_eq!(excluding.body(&head).is_some(), by_exclusion, "{found:?}");
            assert_eq!(including.body(&head).is_some(), by_inclusion, "{found:?}");
        }
        let png = head(200, &[("content-type", "image/png")]).headers;
        assert!(!excluding.takes(&Method::POST, &png) && including.takes(&Method::POST, &png));
        assert!(!including.takes(&Method::CONNECT, &HeaderMap::new()));
    }

    #[test]
    fn a_compressed_answer_says_so_once() {
        let mut headers = head(
            200,
            &[("etag", "\"a\""), ("accept-ranges", "bytes"), ("vary", "Origin")],
        )
        .headers;
        vary(&mut headers);
        vary(&mut headers);
        mark(&mut headers, Encoding::Br);
        let said: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert!(said.contains(&("etag", "W/\"a\"")) && said.contains(&("content-encoding", "br")));
        assert_eq!(
            headers.get_all("vary").iter().collect::<Vec<_>>(),
            ["Origin", "Accept-Encoding"]
        );
        assert_eq!(said.len(), 4, "{said:?}");
        mark(&mut headers, Encoding::Br);
        assert_eq!(headers["etag"], "W/\"a\"");
    }

    #[test]
    fn settings_that_compress_nothing_or_contradict_are_refused() {
        for (settings, reason) in [
            (serde_json::json!({"encodings": []}), "list gzip, br or zstd"),
            (serde_json::json!({"encodings": ["deflate"]}), "gzip"),
            (
                serde_json::json!({"encodings": ["br"], "defaultEncoding": "gzip"}),
                "list it there",
            ),
            (
                serde_json::json!({"excludedContentTypes": ["png"]}),
                "no media type",
            ),
            (
                serde_json::json!({"excludedContentTypes": ["a/b"], "includedContentTypes": ["a/c"]}),
                "exclude each other",
            ),
        ] {
            let error = compress(settings).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}

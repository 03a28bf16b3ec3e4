//! Answers of views, with the headers that all of them carry.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::redact;

/// Sent with every answer: nothing here is a page, to be framed, sniffed or kept.
const ALWAYS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
];

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// An answer of a view.
pub(crate) type Answer = Response<Bytes>;

/// An answer with `body`.
pub(crate) fn with(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// A line of text.
pub(crate) fn text(status: StatusCode, body: &'static str) -> Answer {
    with(status, TEXT, body)
}

/// `body` without secrets.
pub(crate) fn json(status: StatusCode, mut body: Value) -> Answer {
    redact::texts(&mut body);
    with(status, JSON, body.to_string())
}

/// `{"message": …}`
pub(crate) fn message(status: StatusCode, message: impl Into<String>) -> Answer {
    json(status, json!({"message": message.into()}))
}

/// Refuses everything but reading.
pub(crate) fn refuse_writing(method: &Method) -> Result<(), Box<Answer>> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let mut answer = message(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{method} is not allowed here: use GET"),
    );
    answer
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    Err(Box::new(answer))
}

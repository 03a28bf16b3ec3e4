//! Answers that send a client elsewhere.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request, uri::Authority};

use super::answer;

/// Sends a client to `location`. Methods other than GET are kept.
pub(super) fn redirect(
    method: &Method,
    permanent: bool,
    location: HeaderValue,
) -> ControlFlow<Response<Bytes>> {
    let answer = answer(match (permanent, method == Method::GET) {
        (true, true) => StatusCode::MOVED_PERMANENTLY,
        (false, true) => StatusCode::FOUND,
        (true, false) => StatusCode::PERMANENT_REDIRECT,
        (false, false) => StatusCode::TEMPORARY_REDIRECT,
    });
    answer.map_break(|mut response| {
        response.headers_mut().insert(header::LOCATION, location);
        response
    })
}

/// The scheme the client used: what a trusted proxy or our own entrypoint wrote down, else plain HTTP.
pub(super) fn current_scheme(head: &request::Parts) -> &str {
    let proto = head
        .headers
        .get("x-forwarded-proto")
        .and_then(|value| value.to_str().ok());
    match proto {
        Some("https" | "wss") => "https",
        Some("http" | "ws") | None => "http",
        Some(other) => other,
    }
}

/// The host that a client asked for, with the port where one was written.
pub(super) fn authority(head: &request::Parts) -> Option<Authority> {
    match head.headers.get(header::HOST) {
        Some(host) => host.to_str().ok()?.parse().ok(),
        None => head.uri.authority().cloned(),
    }
}

/// Path and query of a URL that was asked for; nothing for the server as a whole (`OPTIONS *`).
pub(super) fn target(head: &request::Parts) -> &str {
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    if target == "*" { "" } else { target }
}

/// The port that a scheme has by itself.
pub(super) fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

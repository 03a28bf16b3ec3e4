//! Sanitizing, for fuzz targets.

use http::{HeaderMap, HeaderValue, request};

use super::{Peer, append_peer, host, path, sanitize};
use crate::settings::EntryPoint;

/// Those of an entrypoint of which nothing is said.
fn settings() -> Option<EntryPoint> {
    Some(EntryPoint::new("127.0.0.1:0".parse().ok()?))
}

/// A path in its one spelling; `None` if it is refused.
pub fn normalise(path: &str) -> Option<String> {
    path::normalise(path, &settings()?).ok().map(Into::into)
}

/// What a lenient server would make of encoded slashes.
pub fn resolve_encoded_slashes(path: &str) -> Option<String> {
    path::resolve_encoded_slashes(path)
}

/// True for one host with an optional port.
pub fn host_is_valid(text: &[u8]) -> bool {
    host::is_valid(text)
}

/// The port of a valid host.
pub fn host_port(host: &str) -> Option<&str> {
    host::port(host)
}

/// The headers that servers get of a request of 192.0.2.7; `None` if it is refused.
pub fn forwarded(mut head: request::Parts, trusted: bool) -> Option<HeaderMap> {
    let mut settings = settings()?;
    settings.forwarded_headers.insecure = trusted;
    let of = &settings.forwarded_headers;
    let peer = Peer::new([192, 0, 2, 7].into(), HeaderValue::from_static("edge-1"), of);
    sanitize(&mut head, &peer, &settings).ok()?;
    append_peer(&mut head.headers, &peer, of);
    Some(head.headers)
}

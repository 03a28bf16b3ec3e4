//! Makes a request mean one thing only, before anything is decided by it.
//!
//! The codec has parsed it; what the codec lets through although it could be read in two ways is refused here,
//! or rewritten to its one meaning. Routing, middlewares and servers all see the result and nothing else.

mod forwarded;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod headers;
mod host;
mod http2;
mod owned;
mod path;
mod query;
mod trailers;
mod websocket;

use std::{borrow::Cow, rc::Rc};

use http::{
    HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header, request,
    uri::{PathAndQuery, Scheme},
};
use mesh_telemetry::metrics::Refusal;

pub(crate) use forwarded::{Introduction, Peer, append_peer};
pub(crate) use headers::{is_hop_by_hop, tokens};
pub(crate) use host::is_valid as is_valid_host;
pub(crate) use host::port;
pub(crate) use owned::is_managed;
pub(crate) use path::resolve_encoded_slashes;
pub(crate) use trailers::strip_trailers;
#[cfg(test)]
pub(crate) use websocket::accept_of;
pub(crate) use websocket::{Handshake, is_websocket_stream};

use crate::settings::EntryPoint;

/// Why a request is refused before it is routed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    /// A method that makes no sense here.
    #[error("method is not served")]
    Method,
    /// A protocol within HTTP/2 that is none of ours (RFC 8441).
    #[error("protocol of CONNECT is not served")]
    Protocol,
    /// None, several, or no valid one.
    #[error("host is missing, repeated or invalid")]
    Host,
    /// A request target of another form than the method has.
    #[error("request target is invalid")]
    Target,
    /// A broken escape in the path.
    #[error("path has an invalid escape")]
    Escape,
    /// An escape that the settings do not allow.
    #[error("path has an encoded character that is not allowed")]
    EncodedCharacter,
    /// An encoded slash that would lead to another router if it were a slash.
    #[error("path is ambiguous: its encoded slash would change the route")]
    Ambiguous,
    /// A header value that HTTP/2 forbids.
    #[error("header value is invalid")]
    Value,
    /// A header name with `_`, where the settings refuse those.
    #[error("header name has an underscore")]
    Underscore,
}

impl Rejection {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Protocol => StatusCode::NOT_IMPLEMENTED,
            Self::Host
            | Self::Target
            | Self::Escape
            | Self::EncodedCharacter
            | Self::Ambiguous
            | Self::Value
            | Self::Underscore => StatusCode::BAD_REQUEST,
        }
    }

    /// As metrics count it.
    pub(crate) fn refusal(self) -> Refusal {
        match self {
            Self::Method | Self::Protocol => Refusal::Method,
            Self::Host => Refusal::Host,
            Self::Target => Refusal::Target,
            Self::Escape | Self::EncodedCharacter | Self::Ambiguous => Refusal::Path,
            Self::Value | Self::Underscore => Refusal::Header,
        }
    }
}

/// What a sanitized request is, beside its head.
#[derive(Debug, Default)]
pub(crate) struct Sanitized {
    /// The one protocol that the client asks to go on with. Whether it may is for the service to say.
    pub(crate) upgrade: Option<HeaderValue>,
    /// It asks within HTTP/2: this is how the server has to agree.
    pub(crate) handshake: Option<Rc<Handshake>>,
    /// The client takes trailers (`TE: trailers`).
    pub(crate) trailers: bool,
    /// Headers of this connection only that middlewares may see and servers not.
    pub(crate) hop_by_hop: Vec<HeaderName>,
    /// Nothing is said of the client yet.
    pub(crate) is_silent: bool,
}

impl Sanitized {
    /// Says what there is to say of the client among the headers, where somebody may look at it.
    pub(crate) fn introduce(&mut self, head: &mut request::Parts, peer: &Peer, settings: &EntryPoint) {
        if std::mem::take(&mut self.is_silent) {
            forwarded::set(head, peer, false, false, &settings.forwarded_headers);
        }
    }

    /// The client asks for a WebSocket.
    fn is_websocket(&self) -> bool {
        let is_websocket = |asked: &HeaderValue| asked.as_bytes().eq_ignore_ascii_case(b"websocket");
        self.upgrade.as_ref().is_some_and(is_websocket)
    }
}

/// Checks and rewrites the head of a request. What is said of the client is among its headers.
pub(crate) fn sanitize(
    head: &mut request::Parts,
    peer: &Peer,
    settings: &EntryPoint,
) -> Result<Sanitized, Rejection> {
    let mut sanitized = sanitize_silently(head, peer, settings)?;
    sanitized.introduce(head, peer, settings);
    Ok(sanitized)
}

/// Checks and rewrites the head of a request. What is said of the client is not added, if it can be as well when the
/// request is written.
pub(crate) fn sanitize_silently(
    head: &mut request::Parts,
    peer: &Peer,
    settings: &EntryPoint,
) -> Result<Sanitized, Rejection> {
    let handshake = websocket::open(head)?;
    if head.method == Method::TRACE {
        return Err(Rejection::Method);
    }
    http2::flatten(head)?;
    let seen = headers::Seen::in_head(head, settings.http.underscore_headers_strategy)?;
    check_host(head, seen.hosts)?;
    take_authority(head)?;
    rewrite_target(head, settings)?;
    let mut sanitized = headers::strip(head, &seen, &settings.forwarded_headers);
    if let Some(handshake) = handshake {
        sanitized.upgrade = Some(HeaderValue::from_static("websocket"));
        sanitized.handshake = Some(Rc::new(handshake));
    }
    let known = forwarded::trust(head, peer, &seen);
    let is_websocket = sanitized.is_websocket();
    sanitized.is_silent =
        !known && !is_websocket && !settings.forwarded_headers.add_x_forwarded_scheme_headers;
    if !sanitized.is_silent {
        forwarded::set(head, peer, is_websocket, known, &settings.forwarded_headers);
    }
    head.version = Version::HTTP_11;
    Ok(sanitized)
}

/// Brings the target to origin form. An authority in the target wins over the Host header.
fn take_authority(head: &mut request::Parts) -> Result<(), Rejection> {
    if head.uri.authority().is_none() {
        let path = head.uri.path();
        let fits = path.starts_with('/') || (path == "*" && head.method == Method::OPTIONS);
        return if fits { Ok(()) } else { Err(Rejection::Target) };
    }
    let uri = std::mem::take(&mut head.uri).into_parts();
    let (Some(authority), true) = (uri.authority, uri.scheme.as_ref().is_some_and(is_web)) else {
        return Err(Rejection::Target);
    };
    if !head.headers.contains_key(header::HOST) {
        return Err(Rejection::Host);
    }
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Rejection::Host)?;
    if !host::is_valid(host.as_bytes()) {
        return Err(Rejection::Host);
    }
    head.headers.insert(header::HOST, host);
    head.uri = uri
        .path_and_query
        .map_or_else(|| Uri::from_static("/"), Uri::from);
    Ok(())
}

fn is_web(scheme: &Scheme) -> bool {
    *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS
}

/// Exactly one valid Host. HTTP/1.0 may have none.
fn check_host(head: &request::Parts, hosts: usize) -> Result<(), Rejection> {
    match (hosts, head.headers.get(header::HOST)) {
        (0, _) if head.version == Version::HTTP_10 => Ok(()),
        (1, Some(value)) if host::is_valid(value.as_bytes()) => Ok(()),
        _ => Err(Rejection::Host),
    }
}

/// Normalises path and query; leaves the target alone when it is in order.
fn rewrite_target(head: &mut request::Parts, settings: &EntryPoint) -> Result<(), Rejection> {
    if head.uri.path() == "*" {
        return Ok(());
    }
    let path = path::normalise(head.uri.path(), settings)?;
    let query = head
        .uri
        .query()
        .map(|query| query::normalise(query, settings.http.encode_query_semicolons));
    if matches!(path, Cow::Borrowed(_)) && !matches!(query, Some(Cow::Owned(_))) {
        return Ok(());
    }
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.into_owned(),
    };
    head.uri = PathAndQuery::try_from(target)
        .map(Uri::from)
        .map_err(|_| Rejection::Target)?;
    Ok(())
}

#[cfg(test)]
mod tests;

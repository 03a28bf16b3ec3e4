//! Headers that belong to one connection, or could be read in two ways.

use http::{HeaderMap, HeaderName, HeaderValue, Version, header, request};
use smallvec::SmallVec;

use super::{Rejection, Sanitized, owned};
use crate::settings::{ForwardedHeaders, UnderscoreHeaders};

/// What one pass over the names found, so that the map is touched only where something is there.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) hosts: usize,
    /// Some header of [`owned::is_managed`].
    pub(super) managed: bool,
    connection: bool,
    upgrade: bool,
    te: bool,
    /// Some other hop-by-hop header.
    hop_by_hop: bool,
    /// Names to drop.
    dropped: SmallVec<[HeaderName; 2]>,
}

impl Seen {
    /// Looks at every name once; refuses what no rewriting could make clear.
    pub(super) fn in_head(head: &request::Parts, underscores: UnderscoreHeaders) -> Result<Self, Rejection> {
        let mut seen = Self::default();
        for name in head.headers.keys() {
            match name.as_str() {
                "host" => seen.hosts = head.headers.get_all(header::HOST).iter().count(),
                "connection" => seen.connection = true,
                "upgrade" => seen.upgrade = true,
                "te" => seen.te = true,
                "transfer-encoding" => seen.hop_by_hop = true,
                "expect" => seen.hop_by_hop = true,
                text if is_hop_by_hop(text) => seen.hop_by_hop = true,
                "x-mesh-reason" => seen.dropped.push(name.clone()),
                text if owned::is_managed(text) => seen.managed = true,
                text if owned::is_alias(text) => seen.dropped.push(name.clone()),
                text if text.contains('_') => match underscores {
                    UnderscoreHeaders::Keep => {}
                    UnderscoreHeaders::Delete => seen.dropped.push(name.clone()),
                    UnderscoreHeaders::Reject => return Err(Rejection::Underscore),
                },
                _ => {}
            }
        }
        Ok(seen)
    }
}

/// True for headers that are about one connection whatever `Connection` says. `Connection`, `Upgrade`, `TE`
/// and `Transfer-Encoding` are among them; `Trailer` is not: trailers are passed on.
pub(crate) fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// The comma-separated tokens of all lines of a header.
pub(crate) fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers
        .get_all(name)
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

/// Removes what is about the client's connection.
pub(super) fn strip(head: &mut request::Parts, seen: &Seen, settings: &ForwardedHeaders) -> Sanitized {
    let mut sanitized = Sanitized {
        upgrade: match seen.upgrade && seen.connection {
            true => asked_upgrade(head),
            false => None,
        },
        handshake: None,
        trailers: seen.te && tokens(&head.headers, header::TE).any(|te| te.eq_ignore_ascii_case("trailers")),
        hop_by_hop: Vec::new(),
        is_silent: false,
    };
    if seen.connection {
        strip_named(head, settings, &mut sanitized);
        head.headers.remove(header::CONNECTION);
    }
    if seen.upgrade {
        head.headers.remove(header::UPGRADE);
    }
    if seen.te {
        head.headers.remove(header::TE);
    }
    if seen.hop_by_hop {
        let listed = [
            "keep-alive",
            "proxy-connection",
            "proxy-authenticate",
            "proxy-authorization",
            "http2-settings",
            // The body is framed anew by the codec that sends it.
            "transfer-encoding",
        ];
        for name in listed {
            head.headers.remove(name);
        }
        // The codec answers `100-continue` itself, and nobody knows another expectation.
        head.headers.remove(header::EXPECT);
    }
    for name in &seen.dropped {
        head.headers.remove(name);
    }
    sanitized
}

/// Removes the headers that `Connection` names. It cannot name what Mesh owns (RFC 9110 7.6.1 means headers
/// of the sender, and clients would strip the proxy's word).
fn strip_named(head: &mut request::Parts, settings: &ForwardedHeaders, sanitized: &mut Sanitized) {
    let named: SmallVec<[HeaderName; 4]> = tokens(&head.headers, header::CONNECTION)
        .filter(|token| {
            !["close", "keep-alive", "upgrade"]
                .iter()
                .any(|it| token.eq_ignore_ascii_case(it))
        })
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .filter(|name| !owned::is_protected(name.as_str()))
        .collect();
    for name in named {
        if settings
            .connection
            .iter()
            .any(|kept| kept.eq_ignore_ascii_case(name.as_str()))
        {
            sanitized.hop_by_hop.push(name);
        } else {
            head.headers.remove(name);
        }
    }
}

/// The protocol that the client asks for. Of several ones nobody could tell which it goes on with.
fn asked_upgrade(head: &request::Parts) -> Option<HeaderValue> {
    let mut upgrades = tokens(&head.headers, header::UPGRADE);
    let (Some(asked), None) = (upgrades.next(), upgrades.next()) else {
        return None;
    };
    let in_earnest = head.version == Version::HTTP_11
        && tokens(&head.headers, header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    let asked = HeaderValue::from_str(asked).ok();
    asked.filter(|_| in_earnest)
}

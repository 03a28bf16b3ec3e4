//! Trailers of requests: they come when everything has been decided by the headers.

use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;

use super::{Rejection, is_hop_by_hop, owned};
use crate::settings::UnderscoreHeaders;

/// Takes off trailers that would not have passed as headers from anybody, and those that say who asks or how to
/// read the request: it is too late for them (RFC 9110 6.5.1). The codec that sends the rest refuses framing.
pub(crate) fn strip_trailers(
    trailers: &mut HeaderMap,
    underscores: UnderscoreHeaders,
) -> Result<(), Rejection> {
    let mut dropped: SmallVec<[HeaderName; 2]> = SmallVec::new();
    for name in trailers.keys() {
        let text = name.as_str();
        let drop =
            if is_late(text) || is_hop_by_hop(text) || owned::is_protected(text) || owned::is_alias(text) {
                true
            } else if text.contains('_') {
                match underscores {
                    UnderscoreHeaders::Keep => false,
                    UnderscoreHeaders::Delete => true,
                    UnderscoreHeaders::Reject => return Err(Rejection::Underscore),
                }
            } else {
                false
            };
        if drop {
            dropped.push(name.clone());
        }
    }
    for name in dropped {
        trailers.remove(name);
    }
    Ok(())
}

/// True for what decides how a request is taken.
fn is_late(name: &str) -> bool {
    matches!(name, "authorization" | "cookie" | "expect" | "range") || name.starts_with("if-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(names: &[&str], underscores: UnderscoreHeaders) -> Result<Vec<String>, Rejection> {
        let mut trailers = HeaderMap::new();
        for name in names {
            trailers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                "1".parse().unwrap(),
            );
        }
        strip_trailers(&mut trailers, underscores)?;
        Ok(trailers.keys().map(ToString::to_string).collect())
    }

    #[test]
    fn what_would_not_pass_as_a_header_does_not_pass_as_a_trailer() {
        let names = [
            "x-forwarded-for",
            "x_forwarded_for",
            "x.real.ip",
            "forwarded",
            "x-mesh-reason",
            "host",
            "content_length",
            "connection",
            "proxy-authorization",
            "authorization",
            "cookie",
            "if-match",
        ];
        assert!(stripped(&names, UnderscoreHeaders::Keep).unwrap().is_empty());
    }

    #[test]
    fn what_means_nothing_to_anybody_on_the_way_passes() {
        let names = ["x-checksum", "grpc-status", "server-timing"];
        assert_eq!(stripped(&names, UnderscoreHeaders::Keep).unwrap(), names);
    }

    #[test]
    fn underscores_are_treated_as_in_headers() {
        let of = |strategy| stripped(&["my_sum"], strategy);
        assert_eq!(of(UnderscoreHeaders::Keep).unwrap(), ["my_sum"]);
        assert!(of(UnderscoreHeaders::Delete).unwrap().is_empty());
        assert_eq!(of(UnderscoreHeaders::Reject), Err(Rejection::Underscore));
    }
}

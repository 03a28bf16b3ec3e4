//! WebSocket over HTTP/2 (RFC 8441), told as HTTP/1.1 would tell it.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Extensions, HeaderMap, HeaderValue, Method, header, request};
use hyper::ext::Protocol;
use sha1::{Digest, Sha1};

use super::Rejection;

/// What a server mixes with the key of a client, to prove that it has understood (RFC 6455 1.3).
const MIXED_IN: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The opening handshake with a server, which HTTP/2 has none of: Mesh makes it in the client's place.
#[derive(Debug)]
pub(crate) struct Handshake {
    /// What the server has to answer.
    accept: String,
}

impl Handshake {
    /// A handshake by `key`.
    fn new(key: &str) -> Self {
        let digest = Sha1::new().chain_update(key).chain_update(MIXED_IN).finalize();
        Self {
            accept: BASE64_STANDARD.encode(digest),
        }
    }

    /// True if `headers` are those of a server that has understood.
    pub(crate) fn is_accepted(&self, headers: &HeaderMap) -> bool {
        let mut answers = headers.get_all(header::SEC_WEBSOCKET_ACCEPT).iter();
        let is_right = |answer: &HeaderValue| answer.as_bytes() == self.accept.as_bytes();
        answers.next().is_some_and(is_right) && answers.next().is_none()
    }
}

/// True for a request that asks for a WebSocket within HTTP/2.
pub(crate) fn is_websocket_stream(extensions: &Extensions) -> bool {
    let protocol = extensions.get::<Protocol>();
    protocol.is_some_and(|protocol| protocol.as_str().eq_ignore_ascii_case("websocket"))
}

/// Makes of an extended CONNECT the GET that a client of HTTP/1.1 would send. Leaves other requests alone.
///
/// # Errors
/// CONNECT of any other kind.
pub(super) fn open(head: &mut request::Parts) -> Result<Option<Handshake>, Rejection> {
    if head.method != Method::CONNECT {
        return Ok(None);
    }
    if head.extensions.get::<Protocol>().is_none() {
        return Err(Rejection::Method);
    }
    if !is_websocket_stream(&head.extensions) {
        return Err(Rejection::Protocol);
    }
    let key = BASE64_STANDARD.encode(rand::random::<[u8; 16]>());
    let handshake = Handshake::new(&key);
    head.method = Method::GET;
    let headers = &mut head.headers;
    headers.remove(header::CONTENT_LENGTH);
    headers
        .entry(header::SEC_WEBSOCKET_VERSION)
        .or_insert(HeaderValue::from_static("13"));
    headers.insert(
        header::SEC_WEBSOCKET_KEY,
        HeaderValue::try_from(key).map_err(|_| Rejection::Value)?,
    );
    Ok(Some(handshake))
}

/// What a server answers to `key`.
#[cfg(test)]
pub(crate) fn accept_of(key: &str) -> String {
    Handshake::new(key).accept
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn connect(protocol: Option<&'static str>) -> request::Parts {
        let mut request = Request::connect("http://a.example/chat").header("content-length", "0");
        if let Some(protocol) = protocol {
            request = request.extension(Protocol::from_static(protocol));
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_answer_to_a_key_is_that_of_the_standard() {
        assert_eq!(
            accept_of("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn an_extended_connect_becomes_a_get_with_a_key_of_its_own() {
        let keys: Vec<_> = (0..2)
            .map(|_| {
                let mut head = connect(Some("websocket"));
                let handshake = open(&mut head).unwrap().unwrap();
                assert_eq!((&head.method, head.uri.path()), (&Method::GET, "/chat"));
                assert_eq!(head.headers["sec-websocket-version"], "13");
                assert!(!head.headers.contains_key("content-length"));
                let key = head.headers["sec-websocket-key"].to_str().unwrap().to_owned();
                let mut answer = HeaderMap::new();
                assert!(!handshake.is_accepted(&answer));
                answer.insert("sec-websocket-accept", accept_of(&key).parse().unwrap());
                assert!(handshake.is_accepted(&answer));
                answer.append("sec-websocket-accept", "x".parse().unwrap());
                assert!(!handshake.is_accepted(&answer));
                key
            })
            .collect();
        assert_ne!(keys[0], keys[1]);
    }

    #[test]
    fn any_other_connect_is_refused() {
        assert_eq!(open(&mut connect(None)).unwrap_err(), Rejection::Method);
        let other = open(&mut connect(Some("connect-udp"))).unwrap_err();
        assert_eq!((other, other.status().as_u16()), (Rejection::Protocol, 501));
    }
}

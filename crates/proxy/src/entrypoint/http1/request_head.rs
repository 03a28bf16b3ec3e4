//! The head of a request, and how long what follows it is.

use std::mem::MaybeUninit;

use bytes::{Buf, BytesMut};
use http::{HeaderName, Method, Request, StatusCode, Uri, Version};
use httparse::{ParserConfig, Status};
use mesh_telemetry::metrics::Refusal as Reason;

use crate::http1::{Framing, Head, MAX_LINES, Said, Unclear, has_bare_line_end};

/// Why something is no request, or none that is served. Nothing on its connection is taken for a request after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// No head of HTTP/1.1.
    #[error("request is malformed: {0}")]
    Head(#[from] httparse::Error),
    /// A line that does not end in CR LF.
    #[error("request has a line that does not end in CR LF")]
    LineEnd,
    /// A target that is none, or has a fragment.
    #[error("request target is invalid")]
    Target,
    /// A target longer than is read.
    #[error("request target is too long")]
    LongTarget,
    /// A header that cannot be passed on.
    #[error("request has an invalid header")]
    Header,
    /// More than is read.
    #[error("request head is too large")]
    Large,
    /// Framing that can be read in two ways.
    #[error(transparent)]
    Length(#[from] Unclear),
}

impl Refusal {
    /// What the client gets.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Head(httparse::Error::TooManyHeaders) | Self::Large => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::LongTarget => StatusCode::URI_TOO_LONG,
            Self::Head(_) | Self::LineEnd | Self::Target | Self::Header | Self::Length(_) => {
                StatusCode::BAD_REQUEST
            }
        }
    }
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Head(httparse::Error::TooManyHeaders) | Refusal::Large | Refusal::LongTarget => {
                Self::Large
            }
            Refusal::Head(_) | Refusal::LineEnd | Refusal::Header => Self::Malformed,
            Refusal::Target => Self::Target,
            Refusal::Length(_) => Self::Framing,
        }
    }
}

/// The head of a request.
#[derive(Debug)]
pub(super) struct RequestHead {
    pub(super) request: Request<()>,
    pub(super) framing: Framing,
    /// The client keeps the connection open for another request.
    pub(super) keep_alive: bool,
    /// The client waits for a go-ahead before it sends the body.
    pub(super) wants_go_ahead: bool,
    /// The client takes trailers behind the answer.
    pub(super) takes_trailers: bool,
}

/// Takes the head of a request out of `buffer`, once it is there; `limit` bytes at most.
pub(super) fn parse(buffer: &mut BytesMut, limit: usize) -> Result<Option<RequestHead>, Refusal> {
    let mut lines = [const { MaybeUninit::uninit() }; MAX_LINES];
    let mut parsed = httparse::Request::new(&mut []);
    let config = ParserConfig::default();
    let length = match config.parse_request_with_uninit_headers(&mut parsed, buffer, &mut lines) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if buffer.len() < limit => return Ok(None),
        Ok(Status::Partial) if !buffer.contains(&b'\n') => return Err(Refusal::LongTarget),
        Ok(Status::Partial) => return Err(Refusal::Large),
        Err(error) => return Err(error.into()),
    };
    if length > limit {
        return Err(Refusal::Large);
    }
    let head = buffer.get(..length).unwrap_or_default();
    if has_bare_line_end(head) {
        return Err(Refusal::LineEnd);
    }
    let head = Head::new(head);
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(parsed.method.unwrap_or_default().as_bytes())
        .map_err(|_| Refusal::Head(httparse::Error::Token))?;
    *request.version_mut() = match parsed.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    *request.uri_mut() = target(&head, parsed.path.unwrap_or_default())?;
    let mut said = Said::default();
    let takes = |name: &HeaderName, value: &[u8]| {
        said.note(name, value);
        true
    };
    *request.headers_mut() = head.headers(parsed.headers, takes).map_err(|_| Refusal::Header)?;
    let version = request.version();
    let framing = said.framing(version)?.unwrap_or(Framing::Length(0));
    buffer.advance(length);
    let has_body = !matches!(framing, Framing::Length(0));
    Ok(Some(RequestHead {
        keep_alive: said.is_followed(version),
        wants_go_ahead: said.go_ahead && has_body && version == Version::HTTP_11,
        takes_trailers: said.trailers,
        framing,
        request,
    }))
}

/// The target as it was sent. A fragment is never sent (RFC 9112 3.2), and would be cut off without a word.
fn target<'a>(head: &Head<'a>, text: &'a str) -> Result<Uri, Refusal> {
    if text.len() >= usize::from(u16::MAX) {
        return Err(Refusal::LongTarget);
    }
    if text.as_bytes().contains(&b'#') {
        return Err(Refusal::Target);
    }
    Uri::from_maybe_shared(head.keep(text.as_bytes())).map_err(|_| Refusal::Target)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 4096;

    fn parsed(head: impl AsRef<[u8]>) -> Result<RequestHead, Refusal> {
        let mut buffer = BytesMut::from(head.as_ref());
        Ok(parse(&mut buffer, LIMIT)?.unwrap())
    }

    #[test]
    fn a_head_is_taken_and_nothing_after_it() {
        let mut buffer = BytesMut::from(
            &b"POST /a?b=%2F HTTP/1.1\r\nHost: h\r\nA: 1\r\na: 2\r\nContent-Length: 3\r\n\r\nabcGET"[..],
        );
        let head = parse(&mut buffer, LIMIT).unwrap().unwrap();
        assert_eq!(head.request.method(), Method::POST);
        assert_eq!(head.request.uri(), "/a?b=%2F");
        let values: Vec<_> = head.request.headers().get_all("a").iter().collect();
        assert_eq!(values, ["1", "2"]);
        assert!(matches!(head.framing, Framing::Length(3)) && head.keep_alive && !head.wants_go_ahead);
        assert_eq!(&buffer[..], b"abcGET");
    }

    #[test]
    fn a_part_of_a_head_waits_for_the_rest() {
        let whole = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        for length in 0..whole.len() {
            let mut buffer = BytesMut::from(&whole[..length]);
            assert!(parse(&mut buffer, LIMIT).unwrap().is_none(), "{length}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for (head, status) in [
            ("GET / HTTP/1.1\nHost: h\n\n", 400),
            ("GET / HTTP/1.1\r\nHost: h\n\r\n", 400),
            ("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            ("GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            ("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: h\r\n x\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nX: a\0\r\n\r\n", 400),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", 400),
        ] {
            assert_eq!(parsed(head).unwrap_err().status(), status, "{head:?}");
        }
    }

    #[test]
    fn heads_have_an_end() {
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MAX_LINES + 1));
        let large = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(LIMIT));
        let endless = format!("GET / HTTP/1.1\r\na: {}", "b".repeat(LIMIT));
        for (head, status) in [
            (many, 431),
            (large, 431),
            (endless, 431),
            (format!("GET /{}", "a".repeat(LIMIT)), 414),
        ] {
            assert_eq!(parsed(head).unwrap_err().status(), status);
        }
        let target = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(70_000));
        let refused = parse(&mut BytesMut::from(target.as_bytes()), 1 << 20);
        assert_eq!(refused.unwrap_err().status(), 414);
    }

    #[test]
    fn a_go_ahead_is_wanted_only_for_a_body() {
        for (head, wanted) in [
            (
                "POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n",
                true,
            ),
            (
                "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
                false,
            ),
            (
                "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
                false,
            ),
            ("POST / HTTP/1.1\r\nExpect: x\r\nContent-Length: 1\r\n\r\n", false),
        ] {
            assert_eq!(parsed(head).unwrap().wants_go_ahead, wanted, "{head:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _parsed = parse(&mut BytesMut::from(&bytes[..]), 200);
        }

        #[test]
        fn nothing_is_taken_of_what_is_no_whole_head(text in "(GET|POST) /[a-z#]{0,3} HTTP/1\\.[0-2]\r?\n([A-Ba-b]: [ab]{0,2}\r?\n){0,3}(\r?\n)?") {
            let mut buffer = BytesMut::from(text.as_bytes());
            if !matches!(parse(&mut buffer, LIMIT), Ok(Some(_))) {
                prop_assert_eq!(&buffer[..], text.as_bytes());
            }
        }
    }
}

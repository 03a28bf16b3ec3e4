//! The head of an answer, and how long what follows it is.

use std::mem::MaybeUninit;

use bytes::{Buf, BytesMut};
use http::{HeaderName, HeaderValue, Response, StatusCode, Version, header};
use httparse::{ParserConfig, Status};
use smallvec::SmallVec;

use super::AnswerError;
use crate::{
    http1::{Framing, Head, MAX_LINES, Said},
    respond::X_MESH_REASON,
    sanitize::is_hop_by_hop,
};

/// Longest head of an answer, in bytes.
pub(super) const MAX_HEAD: usize = 256 * 1024;

/// The head of an answer.
#[derive(Debug)]
pub(super) struct AnswerHead {
    /// Without what is only about the connection, but for what it switches to, and without what only Mesh says.
    pub(super) response: Response<()>,
    pub(super) framing: Framing,
    /// The connection may take another request after this answer.
    pub(super) keep_alive: bool,
}

/// Takes the head of an answer out of `buffer`, once it is there; `to_head` if the request was a HEAD.
pub(super) fn parse(buffer: &mut BytesMut, to_head: bool) -> Result<Option<AnswerHead>, AnswerError> {
    let mut lines = [const { MaybeUninit::uninit() }; MAX_LINES];
    let mut parsed = httparse::Response::new(&mut []);
    let config = ParserConfig::default();
    let length = match config.parse_response_with_uninit_headers(&mut parsed, buffer, &mut lines) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if buffer.len() < MAX_HEAD => return Ok(None),
        Ok(Status::Partial) => return Err(AnswerError::TooLong),
        Err(error) => return Err(AnswerError::Head(error)),
    };
    let code = parsed.code.unwrap_or_default();
    let status = StatusCode::from_u16(code).map_err(|_| AnswerError::Head(httparse::Error::Status))?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = match parsed.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let head = Head::new(buffer.get(..length).unwrap_or_default());
    let mut said = Said::with_lists();
    let mut named = SmallVec::<[HeaderName; 2]>::new();
    let takes = |name: &HeaderName, value: &[u8]| {
        said.note(name, value);
        if *name == header::CONNECTION {
            named.extend(named_by(value));
        }
        let tells_of_switch = *name == header::UPGRADE && status == StatusCode::SWITCHING_PROTOCOLS;
        tells_of_switch || !(is_hop_by_hop(name.as_str()) || *name == X_MESH_REASON)
    };
    *response.headers_mut() = head.headers(parsed.headers, takes).map_err(AnswerError::Header)?;
    buffer.advance(length);
    for name in named {
        response.headers_mut().remove(name);
    }
    let framing = framing(&response, &said, to_head)?;
    if said.is_chunked() {
        response.headers_mut().remove(header::CONTENT_LENGTH);
    } else if let Some(length) = said.repeated_length() {
        let once = HeaderValue::from(length);
        response.headers_mut().insert(header::CONTENT_LENGTH, once);
    }
    let ends_connection = matches!(framing, Framing::UntilClose);
    Ok(Some(AnswerHead {
        keep_alive: !ends_connection && said.is_followed(response.version()),
        framing,
        response,
    }))
}

/// The headers that a line of `Connection` takes for its own. The length is nobody's own.
fn named_by(line: &[u8]) -> impl Iterator<Item = HeaderName> {
    let tokens = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    tokens
        .filter(|token| !is_about_connection(token))
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .filter(|name| *name != header::CONTENT_LENGTH && *name != header::UPGRADE)
}

fn is_about_connection(token: &[u8]) -> bool {
    token.eq_ignore_ascii_case(b"close") || token.eq_ignore_ascii_case(b"keep-alive")
}

/// The length of the body (RFC 9112 6.3).
fn framing(response: &Response<()>, said: &Said, to_head: bool) -> Result<Framing, AnswerError> {
    let status = response.status();
    let has_none = to_head
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let framing = said.framing(response.version())?;
    Ok(match has_none {
        true => Framing::Length(0),
        false => framing.unwrap_or(Framing::UntilClose),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(head: &str) -> Result<AnswerHead, AnswerError> {
        let mut buffer = BytesMut::from(head.as_bytes());
        Ok(parse(&mut buffer, false)?.unwrap())
    }

    #[test]
    fn a_head_is_taken_and_nothing_after_it() {
        let mut buffer =
            BytesMut::from(&b"HTTP/1.1 200 OK\r\na: 1\r\nA: 2\r\nContent-Length: 3\r\n\r\nabc"[..]);
        let head = parse(&mut buffer, false).unwrap().unwrap();
        let values: Vec<_> = head.response.headers().get_all("a").iter().collect();
        assert_eq!(values, ["1", "2"]);
        assert!(matches!(head.framing, Framing::Length(3)) && head.keep_alive);
        assert_eq!(&buffer[..], b"abc");
    }

    #[test]
    fn a_part_of_a_head_waits_for_the_rest() {
        let whole = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        for length in 0..whole.len() {
            let mut buffer = BytesMut::from(&whole.as_bytes()[..length]);
            assert!(parse(&mut buffer, false).unwrap().is_none());
            assert_eq!(buffer.len(), length);
        }
    }

    #[test]
    fn the_length_of_a_body_is_said_in_one_way_only() {
        for lines in [
            "content-length: 1\r\ncontent-length: 2",
            "content-length: 1, 2",
            "content-length: +1",
            "content-length: -1",
            "content-length:",
            "content-length: 99999999999999999999",
            "transfer-encoding: gzip",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
            "transfer-encoding: chunked, chunked",
        ] {
            let head = format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n");
            assert!(matches!(parsed(&head), Err(AnswerError::Length(_))), "{lines}");
        }
        let old = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert!(matches!(parsed(old), Err(AnswerError::Length(_))));
        let same = parsed("HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\n").unwrap();
        assert!(matches!(same.framing, Framing::Length(1)));
    }

    #[test]
    fn what_is_about_the_connection_is_left_out() {
        let lines = "connection: Close, x-hop\r\nx-hop: 1\r\nkeep-alive: 5\r\nproxy-authenticate: x\r\n\
                     content-length: 0\r\ntrailer: x-sum\r\nx-kept: 1\r\nupgrade: h2c";
        for (status, kept) in [
            ("200 OK", &["content-length", "trailer", "x-kept"][..]),
            ("101 x", &["content-length", "trailer", "upgrade", "x-kept"]),
        ] {
            let head = parsed(&format!("HTTP/1.1 {status}\r\n{lines}\r\n\r\n")).unwrap();
            let mut names: Vec<_> = head.response.headers().keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, kept);
        }
    }

    #[test]
    fn chunks_win_over_a_length_and_end_the_connection() {
        let head =
            parsed("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
        assert!(matches!(head.framing, Framing::Chunked(_)) && !head.keep_alive);
    }

    #[test]
    fn answers_that_have_no_body_have_none_whatever_they_say() {
        for status in ["204 No Content", "304 Not Modified", "103 Early Hints"] {
            let head = parsed(&format!("HTTP/1.1 {status}\r\ncontent-length: 9\r\n\r\n")).unwrap();
            assert!(matches!(head.framing, Framing::Length(0)), "{status}");
        }
        let mut buffer = BytesMut::from(&b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"[..]);
        let head = parse(&mut buffer, true).unwrap().unwrap();
        assert!(matches!(head.framing, Framing::Length(0)));
    }

    #[test]
    fn connections_are_kept_as_versions_and_words_say() {
        let keeps = |head: &str| parsed(head).unwrap().keep_alive;
        assert!(keeps("HTTP/1.1 204 x\r\n\r\n"));
        assert!(!keeps("HTTP/1.1 204 x\r\nconnection: x, Close\r\n\r\n"));
        assert!(!keeps("HTTP/1.0 204 x\r\n\r\n"));
        assert!(keeps("HTTP/1.0 204 x\r\nconnection: Keep-Alive\r\n\r\n"));
        assert!(
            !keeps("HTTP/1.1 200 x\r\n\r\n"),
            "its body ends with the connection"
        );
    }

    #[test]
    fn a_head_without_end_is_given_up() {
        let mut buffer = BytesMut::from(&b"HTTP/1.1 200 OK\r\na: "[..]);
        buffer.resize(MAX_HEAD, b'a');
        assert!(matches!(parse(&mut buffer, false), Err(AnswerError::TooLong)));
    }

    proptest! {
        #[test]
        fn a_head_is_the_same_whatever_follows_and_none_before_its_end(
            lines in prop::collection::vec(prop::sample::select(&[
                "x: y\r\n", "x:\r\n", "x: y\n", "content-length: 5\r\n", "content-length: 5, 5\r\n", "content-length: 6\r\n",
                "transfer-encoding: chunked\r\n", "transfer-encoding: gzip\r\n", "connection: close\r\n", " x\r\n", "x y: z\r\n",
            ][..]), 0..5),
            start in prop::sample::select(&["HTTP/1.1 200 OK\r\n", "HTTP/1.0 200\r\n", "HTTP/1.1 204 x\r\n", "HTTP/2 200\r\n"][..]),
            more in prop::collection::vec(any::<u8>(), 0..20),
            to_head: bool,
        ) {
            let head = format!("{start}{}\r\n", lines.concat());
            let bytes = [head.as_bytes(), &more].concat();
            let mut buffer = BytesMut::from(&bytes[..]);
            if let Ok(Some(parsed)) = parse(&mut buffer, to_head) {
                prop_assert_eq!(&buffer[..], &more[..]);
                let headers = parsed.response.headers();
                let lengths = headers.get_all(header::CONTENT_LENGTH).iter().count();
                let codings = headers.get_all(header::TRANSFER_ENCODING).iter().count();
                prop_assert!(lengths <= 1 && codings <= 1);
                prop_assert!(!parsed.keep_alive || lengths + codings <= 1);
                for cut in 0..head.len() {
                    let mut part = BytesMut::from(&head.as_bytes()[..cut]);
                    prop_assert!(matches!(parse(&mut part, to_head), Ok(None)), "cut at {}", cut);
                }
            }
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200), to_head: bool) {
            let _parsed = parse(&mut BytesMut::from(&bytes[..]), to_head);
        }
    }
}

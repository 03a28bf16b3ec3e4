//! The head of an answer, and how long what follows it is.

use bytes::{Buf, BytesMut};
use http::{HeaderName, HeaderValue, Response, StatusCode, Version, header};
use httparse::Status;
use smallvec::SmallVec;

use super::{AnswerError, chunked::Chunked};
use crate::sanitize::tokens;

/// Header lines of one answer.
const MAX_LINES: usize = 128;

/// Longest head of an answer, in bytes.
const MAX_HEAD: usize = 256 * 1024;

/// How long a body is.
#[derive(Debug)]
pub(super) enum Framing {
    /// So many bytes more.
    Length(u64),
    /// In chunks.
    Chunked(Chunked),
    /// Until the connection ends.
    UntilClose,
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct AnswerHead {
    pub(super) response: Response<()>,
    pub(super) framing: Framing,
    /// The connection may take another request after this answer.
    pub(super) keep_alive: bool,
}

/// Takes the head of an answer out of `buffer`, once it is there; `to_head` if the request was a HEAD.
pub(super) fn parse(buffer: &mut BytesMut, to_head: bool) -> Result<Option<AnswerHead>, AnswerError> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_LINES];
    let mut parsed = httparse::Response::new(&mut lines);
    let length = match parsed.parse(buffer) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if buffer.len() < MAX_HEAD => return Ok(None),
        Ok(Status::Partial) => return Err(AnswerError::TooLong),
        Err(error) => return Err(AnswerError::Head(error)),
    };
    let code = parsed.code.unwrap_or_default();
    let status = StatusCode::from_u16(code).map_err(|_| AnswerError::Head(httparse::Error::Status))?;
    let version = match parsed.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    // Where the values are, so that they can share the memory of the head.
    let start = buffer.as_ptr() as usize;
    let mut found: SmallVec<[(HeaderName, usize, usize); 16]> = SmallVec::new();
    for line in parsed.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes())
            .map_err(|_| AnswerError::Header(line.name.to_owned()))?;
        found.push((name, line.value.as_ptr() as usize - start, line.value.len()));
    }
    let head = buffer.split_to(length).freeze();
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = version;
    response.headers_mut().reserve(found.len());
    for (name, at, length) in found {
        let mut value = head.clone();
        value.advance(at);
        value.truncate(length);
        let value = HeaderValue::from_maybe_shared(value)
            .map_err(|_| AnswerError::Header(name.as_str().to_owned()))?;
        response.headers_mut().append(name, value);
    }
    let framing = framing(&mut response, to_head)?;
    let has = |name| response.headers().contains_key(name);
    let is_doubtful = has(header::TRANSFER_ENCODING) && has(header::CONTENT_LENGTH);
    let ends_connection = matches!(framing, Framing::UntilClose);
    Ok(Some(AnswerHead {
        keep_alive: !is_doubtful && !ends_connection && keeps_alive(&response),
        framing,
        response,
    }))
}

/// The length of the body (RFC 9112 6.3). One that is said several times alike is said once from here on.
fn framing(response: &mut Response<()>, to_head: bool) -> Result<Framing, AnswerError> {
    let headers = response.headers();
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let (mut length, mut said) = (None, 0);
    for line in &mut lengths {
        let text = line.to_str().map_err(|_| AnswerError::Length)?;
        for part in text.split(',') {
            let part = part.trim();
            let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let number = part.parse::<u64>().ok().filter(|_| is_number);
            let number = number.ok_or(AnswerError::Length)?;
            if length.is_some_and(|other| other != number) {
                return Err(AnswerError::Length);
            }
            length = Some(number);
            said += 1;
        }
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let coding = codings.next();
    let is_chunked = coding.is_some();
    if let Some(coding) = coding {
        let is_chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
        if !is_chunked || response.version() == Version::HTTP_10 {
            return Err(AnswerError::Length);
        }
    }
    if let (Some(length), 2..) = (length, said) {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let status = response.status();
    let has_none = to_head
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    Ok(match (is_chunked, length) {
        _ if has_none => Framing::Length(0),
        (true, _) => Framing::Chunked(Chunked::default()),
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::UntilClose,
    })
}

fn keeps_alive(response: &Response<()>) -> bool {
    let says = |word: &str| {
        tokens(response.headers(), header::CONNECTION).any(|token| token.eq_ignore_ascii_case(word))
    };
    match response.version() {
        Version::HTTP_10 => says("keep-alive"),
        _ => !says("close"),
    }
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
            assert!(matches!(parsed(&head), Err(AnswerError::Length)), "{lines}");
        }
        let old = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert!(matches!(parsed(old), Err(AnswerError::Length)));
        for lines in ["content-length: 1, 1", "content-length: 1\r\ncontent-length: 1"] {
            let same = parsed(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n")).unwrap();
            assert!(matches!(same.framing, Framing::Length(1)));
            let lengths: Vec<_> = same.response.headers().get_all("content-length").iter().collect();
            assert_eq!(lengths, ["1"], "one that no client can read in two ways");
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

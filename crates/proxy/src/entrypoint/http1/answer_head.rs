//! The head of an answer, as it is written.

use std::{
    cell::RefCell,
    time::{Duration, SystemTime},
};

use bytes::{BufMut, BytesMut};
use http::{HeaderValue, StatusCode, Version, header, response};
use http_body::SizeHint;

use crate::http1::{line, number_line};

/// Most heads are not longer, in bytes.
const USUAL_LENGTH: usize = 512;

/// How an answer says how long its body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    /// There is none, whatever its headers say.
    Nothing,
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
    /// The connection ends with it.
    UntilClose,
}

/// What of a request decides how its answer is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) version: Version,
    /// By the method HEAD.
    pub(super) head: bool,
    /// The client takes trailers.
    pub(super) trailers: bool,
    /// Another request may follow.
    pub(super) keep_alive: bool,
}

impl Asked {
    /// How long the answer with `head` and a body of this size is.
    pub(super) fn announce(&self, head: &response::Parts, size: &SizeHint) -> Announced {
        let has_none = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || head.status.is_informational();
        match size.exact() {
            _ if self.head || has_none => Announced::Nothing,
            Some(length) => Announced::Length(length),
            None if self.version == Version::HTTP_10 => Announced::UntilClose,
            None => Announced::Chunked,
        }
    }

    /// Writes the head of an answer.
    pub(super) fn write(
        &self,
        head: &response::Parts,
        announced: Announced,
        size: &SizeHint,
        out: &mut BytesMut,
    ) {
        out.reserve(USUAL_LENGTH);
        self.status(head.status, out);
        let mut dated = false;
        for (name, value) in &head.headers {
            match *name {
                header::CONTENT_LENGTH | header::TRANSFER_ENCODING => continue,
                header::DATE => dated = true,
                _ => {}
            }
            line(name, value.as_bytes(), out);
        }
        match announced {
            Announced::Length(length) => number_line(&header::CONTENT_LENGTH, length, out),
            Announced::Chunked => line(&header::TRANSFER_ENCODING, b"chunked", out),
            Announced::Nothing => self.would_be_length(head, size, out),
            Announced::UntilClose => {}
        }
        if !self.keep_alive && head.status != StatusCode::SWITCHING_PROTOCOLS {
            line(&header::CONNECTION, b"close", out);
        } else if self.version == Version::HTTP_10 {
            line(&header::CONNECTION, b"keep-alive", out);
        }
        if !dated {
            date(out);
        }
        out.put_slice(b"\r\n");
    }

    fn status(&self, status: StatusCode, out: &mut BytesMut) {
        out.put_slice(match self.version {
            Version::HTTP_10 => b"HTTP/1.0 ",
            _ => b"HTTP/1.1 ",
        });
        out.put_slice(status.as_str().as_bytes());
        out.put_u8(b' ');
        out.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        out.put_slice(b"\r\n");
    }

    /// What the length of a body would have been that is left out (RFC 9110 8.6).
    fn would_be_length(&self, head: &response::Parts, size: &SizeHint, out: &mut BytesMut) {
        if head.status == StatusCode::NO_CONTENT || head.status.is_informational() {
            return;
        }
        let said = head
            .headers
            .get(header::CONTENT_LENGTH)
            .map(HeaderValue::as_bytes);
        match (said, size.exact()) {
            (Some(said), _) => line(&header::CONTENT_LENGTH, said, out),
            (None, Some(length)) if length > 0 => number_line(&header::CONTENT_LENGTH, length, out),
            (None, _) => {}
        }
    }
}

/// A date as it was written in one second.
type Written = (u64, String);

thread_local! {
    static DATE: RefCell<Written> = const { RefCell::new((u64::MAX, String::new())) };
}

/// Says when the answer came from here, for servers that do not (RFC 9110 6.6.1).
fn date(out: &mut BytesMut) {
    let now = SystemTime::now();
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let second = since.as_ref().map_or(0, Duration::as_secs);
    DATE.with_borrow_mut(|(written, text)| {
        if *written != second {
            *written = second;
            *text = httpdate::fmt_http_date(now);
        }
        line(&header::DATE, text.as_bytes(), out);
    });
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    const ASKED: Asked = Asked {
        version: Version::HTTP_11,
        head: false,
        trailers: false,
        keep_alive: true,
    };

    /// The head of an answer, without its date.
    fn written(asked: Asked, status: u16, headers: &[(&str, &str)], size: &SizeHint) -> String {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let (head, ()) = response.body(()).unwrap().into_parts();
        let mut out = BytesMut::new();
        asked.write(&head, asked.announce(&head, size), size, &mut out);
        let text = String::from_utf8(out.to_vec()).unwrap();
        let dates = text.lines().filter(|line| line.starts_with("date: ")).count();
        assert_eq!(dates, 1, "{text}");
        let kept = text
            .split_inclusive("\r\n")
            .filter(|line| !line.starts_with("date: "));
        kept.collect()
    }

    #[test]
    fn the_length_is_that_of_the_body_and_said_once() {
        let lengths = [("content-length", "9"), ("content-length", "9"), ("x", "1")];
        assert_eq!(
            written(ASKED, 200, &lengths, &SizeHint::with_exact(3)),
            "HTTP/1.1 200 OK\r\nx: 1\r\ncontent-length: 3\r\n\r\n"
        );
        assert_eq!(
            written(ASKED, 200, &lengths, &SizeHint::default()),
            "HTTP/1.1 200 OK\r\nx: 1\r\ntransfer-encoding: chunked\r\n\r\n"
        );
    }

    #[test]
    fn answers_without_a_body_say_what_it_would_have_been_if_they_may() {
        let length = [("content-length", "9")];
        let head = Asked { head: true, ..ASKED };
        let nothing = SizeHint::with_exact(0);
        for (asked, status, lines) in [
            (head, 200, "content-length: 9\r\n"),
            (ASKED, 304, "content-length: 9\r\n"),
            (ASKED, 204, ""),
        ] {
            let text = written(asked, status, &length, &nothing);
            assert!(text.ends_with(&format!("\r\n{lines}\r\n")), "{status}: {text}");
            assert_eq!(text.contains("length"), !lines.is_empty(), "{status}: {text}");
        }
        let local = written(head, 404, &[], &SizeHint::with_exact(5));
        assert!(local.contains("content-length: 5\r\n"), "{local}");
        assert!(!written(head, 200, &[], &nothing).contains("length"));
    }

    #[test]
    fn an_older_client_gets_its_own_version_and_no_chunks() {
        let old = Asked {
            version: Version::HTTP_10,
            keep_alive: false,
            ..ASKED
        };
        let closed = "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\n";
        assert_eq!(written(old, 200, &[], &SizeHint::default()), closed);
        let kept = Asked {
            keep_alive: true,
            ..old
        };
        assert_eq!(
            written(kept, 200, &[], &SizeHint::with_exact(1)),
            "HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\n"
        );
    }

    #[test]
    fn a_date_of_the_server_is_kept_and_the_end_is_said_once() {
        let last = Asked {
            keep_alive: false,
            ..ASKED
        };
        let response = Response::builder().header("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let (head, ()) = response.body(()).unwrap().into_parts();
        let mut out = BytesMut::new();
        last.write(&head, Announced::Length(0), &SizeHint::with_exact(0), &mut out);
        let text = String::from_utf8(out.to_vec()).unwrap();
        assert_eq!(text.matches("date: ").count(), 1, "{text}");
        assert_eq!(text.matches("connection: close").count(), 1, "{text}");
    }
}

//! The head of a request, as it is written.

use bytes::{BufMut, BytesMut};
use http::{HeaderMap, Method, header};

use crate::{
    http1::{line, number_line},
    sanitize::Introduction,
};

/// Most heads are not longer, in bytes.
const USUAL_LENGTH: usize = 1024;

/// A request for one server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestHead<'a> {
    /// Its method.
    pub(crate) method: &'a Method,
    /// Its target: path and query, or `*`.
    pub(crate) target: &'a str,
    /// Who is asked.
    pub(crate) host: &'a [u8],
    /// Its headers. What they say of the host and of the length of the body is not written.
    pub(crate) headers: &'a HeaderMap,
    /// What is said of the client, if it is not among the headers.
    pub(crate) introduction: Option<&'a Introduction>,
}

/// How a request says how long its body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    /// There is none, and nothing is said.
    Nothing,
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
}

impl RequestHead<'_> {
    /// Writes it into `out`.
    pub(super) fn write(&self, announced: Announced, out: &mut BytesMut) {
        out.reserve(USUAL_LENGTH);
        out.put_slice(self.method.as_str().as_bytes());
        out.put_u8(b' ');
        out.put_slice(self.target.as_bytes());
        out.put_slice(b" HTTP/1.1\r\n");
        line(&header::HOST, self.host, out);
        let (mut host, mut has_length) = (None, false);
        for (name, value) in self.headers {
            match *name {
                header::HOST => host = host.or(Some(value)),
                header::CONTENT_LENGTH => has_length = true,
                header::TRANSFER_ENCODING => {}
                _ => line(name, value.as_bytes(), out),
            }
        }
        if let Some(introduction) = self.introduction {
            introduction.write(host, out);
        }
        match announced {
            Announced::Nothing if has_length => line(&header::CONTENT_LENGTH, b"0", out),
            Announced::Nothing => {}
            Announced::Length(length) => number_line(&header::CONTENT_LENGTH, length, out),
            Announced::Chunked => line(&header::TRANSFER_ENCODING, b"chunked", out),
        }
        out.put_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn written(headers: &[(&'static str, &'static str)], announced: Announced) -> String {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        let head = RequestHead {
            method: &Method::POST,
            target: "/a?b",
            host: b"a.test",
            headers: &headers,
            introduction: None,
        };
        let mut out = BytesMut::new();
        head.write(announced, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn the_length_of_a_body_is_said_once_and_by_mesh() {
        let headers = [("host", "other"), ("content-length", "7"), ("x", "1")];
        let begin = "POST /a?b HTTP/1.1\r\nhost: a.test\r\nx: 1\r\n";
        for (announced, rest) in [
            (Announced::Nothing, "content-length: 0\r\n\r\n"),
            (Announced::Length(9), "content-length: 9\r\n\r\n"),
            (Announced::Chunked, "transfer-encoding: chunked\r\n\r\n"),
        ] {
            assert_eq!(written(&headers, announced), format!("{begin}{rest}"));
        }
        assert_eq!(
            written(&[], Announced::Nothing),
            "POST /a?b HTTP/1.1\r\nhost: a.test\r\n\r\n"
        );
    }
}

//! Requests of clients, for fuzz targets.

use bytes::BytesMut;
use http::Request;

use super::request_head::parse;
use crate::{http1::Framing, upstream::fuzzing::Malformed};

/// The head of a request.
#[derive(Debug)]
pub struct RequestStart {
    /// Method, target and headers.
    pub head: Request<()>,
    /// Bytes of its body; `None` when it comes in chunks.
    pub body: Option<u64>,
    /// Another request may follow.
    pub keep_alive: bool,
    /// Bytes of the head.
    pub length: usize,
}

/// The head of a request at the beginning of `bytes`, `limit` bytes long at most: `Ok(None)` when it has no end yet.
///
/// # Errors
/// When it is none.
pub fn request_start(bytes: &[u8], limit: usize) -> Result<Option<RequestStart>, Malformed> {
    let mut buffer = BytesMut::from(bytes);
    let parsed = parse(&mut buffer, limit).map_err(|_| Malformed)?;
    Ok(parsed.map(|head| RequestStart {
        body: match head.framing {
            Framing::Length(length) => Some(length),
            Framing::Chunked(_) | Framing::UntilClose => None,
        },
        keep_alive: head.keep_alive,
        head: head.request,
        length: bytes.len() - buffer.len(),
    }))
}

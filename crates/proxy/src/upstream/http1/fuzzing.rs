//! Answers of servers, for fuzz targets.

use bytes::BytesMut;
use http::{HeaderMap, Response};

use super::answer_head::parse;
use crate::http1::{Chunked, Framing, Part};

/// It is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// A body that came in chunks.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded {
    /// All data.
    pub body: Vec<u8>,
    /// What followed it.
    pub trailers: Option<HeaderMap>,
    /// Bytes that belong to something else.
    pub left: usize,
}

/// Decodes chunks that come in pieces: `Ok(None)` when they have no end, `Err` when they are none.
///
/// # Errors
/// When it is no body in chunks.
pub fn decode_chunks<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Result<Option<Decoded>, Malformed> {
    let mut pieces = pieces.into_iter();
    let (mut body, mut chunked, mut buffer) = (Vec::new(), Chunked::default(), BytesMut::new());
    loop {
        match chunked.decode(&mut buffer).map_err(|_| Malformed)? {
            Part::Data(data) => body.extend_from_slice(&data),
            Part::End(trailers) => {
                let left = buffer.len() + pieces.map(<[u8]>::len).sum::<usize>();
                return Ok(Some(Decoded { body, trailers, left }));
            }
            Part::Partial => match pieces.next() {
                Some(piece) => buffer.extend_from_slice(piece),
                None => return Ok(None),
            },
        }
    }
}

/// How the body of an answer ends.
#[derive(Debug, PartialEq, Eq)]
pub enum AnswerBody {
    /// After so many bytes.
    Length(u64),
    /// With its last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// The head of an answer.
#[derive(Debug)]
pub struct AnswerStart {
    /// Status and headers.
    pub head: Response<()>,
    /// What follows.
    pub body: AnswerBody,
    /// The connection takes another request.
    pub keep_alive: bool,
    /// Bytes of the head.
    pub length: usize,
}

/// The head of an answer at the beginning of `bytes`: `Ok(None)` when it has no end yet.
///
/// # Errors
/// When it is none.
pub fn answer_start(bytes: &[u8], to_head: bool) -> Result<Option<AnswerStart>, Malformed> {
    let mut buffer = BytesMut::from(bytes);
    let parsed = parse(&mut buffer, to_head).map_err(|_| Malformed)?;
    Ok(parsed.map(|head| AnswerStart {
        body: match head.framing {
            Framing::Length(length) => AnswerBody::Length(length),
            Framing::Chunked(_) => AnswerBody::Chunked,
            Framing::UntilClose => AnswerBody::UntilClose,
        },
        keep_alive: head.keep_alive,
        head: head.response,
        length: bytes.len() - buffer.len(),
    }))
}

//! A body in chunks (RFC 9112 7.1), read as it is meant and in no other way.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{BodyError, find, has_bare_line_end};

/// Longest line with the size of a chunk, in bytes.
const MAX_LINE: usize = 4096;

/// Digits of the size of a chunk: as many as the largest number has.
const MAX_DIGITS: usize = 16;

/// Blanks behind the size of a chunk.
const MAX_PADDING: usize = 16;

/// Extensions of all chunks of one body, in bytes. Nobody reads them.
const MAX_EXTENSIONS: usize = 16 * 1024;

/// All trailers of one body, in bytes.
const MAX_TRAILERS: usize = 16 * 1024;

/// Trailers of one body.
const MAX_TRAILER_LINES: usize = 64;

const CRLF: &[u8] = b"\r\n";

/// How far a body has come.
#[derive(Debug, Default)]
pub(crate) struct Chunked {
    next: Next,
    extensions: usize,
}

/// What comes next.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The size of a chunk.
    #[default]
    Size,
    /// So many bytes of it.
    Data(u64),
    /// The end of its line.
    DataEnd,
    /// What follows the last one.
    Trailers,
    /// Nothing.
    Nothing,
    /// What was no chunk: nothing that follows can be told from anything else.
    Broken,
}

/// What was in the bytes that there are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Bytes of the body.
    Data(Bytes),
    /// All is there.
    End(Option<HeaderMap>),
    /// Not enough yet.
    Partial,
}

impl Chunked {
    /// The next part of the body in `buffer`.
    ///
    /// # Errors
    /// When what is there is no body in chunks.
    pub(crate) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Part, BodyError> {
        let decoded = self.decode_next(buffer);
        if decoded.is_err() {
            self.next = Next::Broken;
        }
        decoded
    }

    fn decode_next(&mut self, buffer: &mut BytesMut) -> Result<Part, BodyError> {
        loop {
            self.next = match self.next {
                Next::Size => match self.size(buffer)? {
                    None => return Ok(Part::Partial),
                    Some(0) => Next::Trailers,
                    Some(size) => Next::Data(size),
                },
                Next::Data(_) if buffer.is_empty() => return Ok(Part::Partial),
                Next::Data(left) => {
                    let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
                    let data = buffer.split_to(length).freeze();
                    let left = left - length as u64;
                    self.next = if left == 0 {
                        Next::DataEnd
                    } else {
                        Next::Data(left)
                    };
                    self.end_early(buffer);
                    return Ok(Part::Data(data));
                }
                Next::DataEnd => match buffer.get(..CRLF.len()) {
                    Some(CRLF) => {
                        buffer.advance(CRLF.len());
                        Next::Size
                    }
                    Some(_) => return Err(BodyError::Chunk),
                    None => return Ok(Part::Partial),
                },
                Next::Trailers => {
                    let Some(trailers) = trailers(buffer)? else {
                        return Ok(Part::Partial);
                    };
                    self.next = Next::Nothing;
                    return Ok(Part::End(Some(trailers).filter(|trailers| !trailers.is_empty())));
                }
                Next::Nothing => return Ok(Part::End(None)),
                Next::Broken => return Err(BodyError::Chunk),
            };
        }
    }

    /// True when nothing more belongs to the body.
    pub(super) fn is_over(&self) -> bool {
        self.next == Next::Nothing
    }

    /// Notices an end without trailers as soon as it is there, so that nobody has to ask for it.
    fn end_early(&mut self, buffer: &mut BytesMut) {
        const END: &[u8] = b"\r\n0\r\n\r\n";
        if self.next == Next::DataEnd && buffer.starts_with(END) {
            buffer.advance(END.len());
            self.next = Next::Nothing;
        }
    }

    /// The size of a chunk, once its line is there.
    fn size(&mut self, buffer: &mut BytesMut) -> Result<Option<u64>, BodyError> {
        let window = buffer.get(..MAX_LINE.min(buffer.len())).unwrap_or_default();
        let Some(end) = find(window, CRLF) else {
            return match buffer.len() < MAX_LINE {
                true => Ok(None),
                false => Err(BodyError::Chunk),
            };
        };
        let line = buffer.split_to(end);
        buffer.advance(CRLF.len());
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (digits, extension) = line.split_at(digits);
        // Some servers pad the size with blanks.
        let is_padding = extension.iter().all(|byte| matches!(byte, b' ' | b'\t'));
        let ends = match is_padding {
            true => extension.len() <= MAX_PADDING,
            false => extension.trim_ascii_start().starts_with(b";"),
        };
        let is_plain = extension
            .iter()
            .all(|byte| !byte.is_ascii_control() || *byte == b'\t');
        self.extensions += if is_padding { 0 } else { extension.len() };
        if !is_plain || !ends || digits.len() > MAX_DIGITS || self.extensions > MAX_EXTENSIONS {
            return Err(BodyError::Chunk);
        }
        let digits = std::str::from_utf8(digits).map_err(|_| BodyError::Chunk)?;
        u64::from_str_radix(digits, 16)
            .map(Some)
            .map_err(|_| BodyError::Chunk)
    }
}

/// The trailers, once all of them are there.
fn trailers(buffer: &mut BytesMut) -> Result<Option<HeaderMap>, BodyError> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_TRAILER_LINES];
    let mut trailers = HeaderMap::new();
    let length = match httparse::parse_headers(buffer, &mut lines) {
        Ok(httparse::Status::Complete((length, lines))) => {
            for line in lines {
                let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| BodyError::Chunk)?;
                let value = HeaderValue::from_bytes(line.value).map_err(|_| BodyError::Chunk)?;
                trailers.append(name, value);
            }
            length
        }
        Ok(httparse::Status::Partial) if buffer.len() < MAX_TRAILERS => return Ok(None),
        Ok(httparse::Status::Partial) | Err(_) => return Err(BodyError::Chunk),
    };
    if length > MAX_TRAILERS || has_bare_line_end(buffer.get(..length).unwrap_or_default()) {
        return Err(BodyError::Chunk);
    }
    buffer.advance(length);
    Ok(Some(trailers))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decodes what comes in pieces of `size` bytes: the body, the trailers, and what is left over.
    fn decode(wire: &[u8], size: usize) -> Result<(Vec<u8>, Option<HeaderMap>, usize), BodyError> {
        let (mut body, mut chunked, mut buffer) = (Vec::new(), Chunked::default(), BytesMut::new());
        let mut pieces = wire.chunks(size);
        loop {
            match chunked.decode(&mut buffer)? {
                Part::Data(data) => body.extend_from_slice(&data),
                Part::End(trailers) => {
                    let left = buffer.len() + pieces.map(<[u8]>::len).sum::<usize>();
                    return Ok((body, trailers, left));
                }
                Part::Partial => match pieces.next() {
                    Some(piece) => buffer.extend_from_slice(piece),
                    None => return Err(BodyError::Truncated),
                },
            }
        }
    }

    #[test]
    fn chunks_make_the_body_however_they_are_cut() {
        let wire = b"5\r\nhello\r\n6;ext=\"1\"\r\n world\r\n0\r\nx-sum: 1\r\n\r\nNEXT";
        for size in 1..wire.len() {
            let (body, trailers, left) = decode(wire, size).unwrap();
            assert_eq!(body, b"hello world");
            assert_eq!(trailers.unwrap()["x-sum"], "1");
            assert_eq!(left, 4);
        }
    }

    #[test]
    fn padded_sizes_are_read_however_many_there_are() {
        let wire = [b"1     \r\nx\r\n".repeat(5000), b"0\r\n\r\n".to_vec()].concat();
        assert_eq!(decode(&wire, 512).unwrap().0.len(), 5000);
    }

    #[test]
    fn an_end_is_noticed_with_the_last_data() {
        let mut buffer = BytesMut::from(&b"2\r\nok\r\n0\r\n\r\n"[..]);
        let mut chunked = Chunked::default();
        assert_eq!(chunked.decode(&mut buffer).unwrap(), Part::Data("ok".into()));
        assert!(chunked.is_over() && buffer.is_empty());
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_chunk() {
        for wire in [
            &b"\r\n"[..],
            b"5\nhello\r\n0\r\n\r\n",
            b"+5\r\nhello\r\n0\r\n\r\n",
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b" 5\r\nhello\r\n0\r\n\r\n",
            b"5 5\r\nhello\r\n0\r\n\r\n",
            b"5                 \r\nhello\r\n0\r\n\r\n",
            b"00000000000000005\r\nhello\r\n0\r\n\r\n",
            b"5\r\r\nhello\r\n0\r\n\r\n",
            b"5;a\rb\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhelloX\r\n0\r\n\r\n",
            b"11111111111111111\r\nhello",
            b"0\r\nbad name: 1\r\n\r\n",
            b"0\r\na: 1\nb: 2\r\n\r\n",
            b"0\r\n\n",
        ] {
            assert!(
                matches!(decode(wire, 3), Err(BodyError::Chunk)),
                "{}",
                wire.escape_ascii()
            );
        }
    }

    #[test]
    fn nothing_is_understood_after_what_is_no_chunk() {
        let mut buffer = BytesMut::from(&b"zz\r\n0\r\n\r\n"[..]);
        let mut chunked = Chunked::default();
        for _ in 0..3 {
            assert!(chunked.decode(&mut buffer).is_err() && !chunked.is_over());
        }
    }

    #[test]
    fn extensions_and_trailers_have_an_end() {
        let line = [b"1;".as_slice(), &[b'a'; 4000], b"\r\nx\r\n"].concat();
        assert!(matches!(decode(&line.repeat(5), 512), Err(BodyError::Chunk)));
        let long = [b"1;".as_slice(), &[b'a'; 8000]].concat();
        assert!(matches!(decode(&long, 512), Err(BodyError::Chunk)));
        let trailers = [b"0\r\na: ".as_slice(), &[b'a'; 20_000]].concat();
        assert!(matches!(decode(&trailers, 512), Err(BodyError::Chunk)));
        let whole = [&trailers[..], b"\r\n\r\n"].concat();
        assert!(matches!(decode(&whole, whole.len()), Err(BodyError::Chunk)));
    }

    proptest! {
        #[test]
        fn any_body_survives(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8), size in 1_usize..64) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(CRLF);
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            prop_assert_eq!(decode(&wire, size).unwrap(), (chunks.concat(), None, 0));
        }

        #[test]
        fn what_chunks_say_does_not_depend_on_how_they_come(
            parts in prop::collection::vec(prop::sample::select(
                &["0", "1", "a", "5;x", "\r\n", "\n", "\r", "hello", "x: y", " ", "0\r\n\r\n", "1\r\nx\r\n", "\0"][..]
            ), 0..12),
            size in 1_usize..8,
        ) {
            let wire = parts.concat();
            let whole = decode(wire.as_bytes(), wire.len().max(1)).ok();
            prop_assert_eq!(decode(wire.as_bytes(), size).ok(), whole);
        }

        #[test]
        fn no_bytes_break_it(wire in prop::collection::vec(any::<u8>(), 0..200), size in 1_usize..64) {
            let _decoded = decode(&wire, size);
        }
    }
}

//! A head that was read, and its parts.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// A head where it was read, and a copy whose memory its parts share.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    read: &'a [u8],
    copy: Bytes,
}

impl<'a> Head<'a> {
    pub(crate) fn new(read: &'a [u8]) -> Self {
        Self {
            read,
            copy: Bytes::copy_from_slice(read),
        }
    }

    /// A part of what was read, to keep.
    pub(crate) fn keep(&self, part: &'a [u8]) -> Bytes {
        let start = (part.as_ptr() as usize).checked_sub(self.read.as_ptr() as usize);
        let end = start.and_then(|start| start.checked_add(part.len()));
        match (start, end) {
            (Some(start), Some(end)) if end <= self.copy.len() => self.copy.slice(start..end),
            _ => Bytes::copy_from_slice(part),
        }
    }

    /// The header `lines` that were found in it, as far as `takes` wants them.
    ///
    /// # Errors
    /// The name of a header that cannot be passed on.
    pub(crate) fn headers(
        &self,
        lines: &[httparse::Header<'a>],
        mut takes: impl FnMut(&HeaderName, &[u8]) -> bool,
    ) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::with_capacity(lines.len());
        for line in lines {
            let invalid = || line.name.to_owned();
            let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| invalid())?;
            if takes(&name, line.value) {
                let value = HeaderValue::from_maybe_shared(self.keep(line.value)).map_err(|_| invalid())?;
                headers.append(name, value);
            }
        }
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_the_part_that_was_read() {
        let read = b"GET /path";
        let head = Head::new(read);
        assert_eq!(head.keep(&read[4..]), "/path");
        assert_eq!(head.keep(&read[9..]), "");
        assert_eq!(head.keep(b"elsewhere"), "elsewhere");
    }
}

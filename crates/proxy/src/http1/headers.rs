//! Header lines as a map.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers that are added on the way, for which there is room at once.
const ROOM: usize = 8;

/// The header `lines` that were found in `head`. All values share one copy of it.
///
/// # Errors
/// The name of a header that cannot be passed on.
pub(crate) fn headers(head: &[u8], lines: &[httparse::Header<'_>]) -> Result<HeaderMap, String> {
    let shared = Bytes::copy_from_slice(head);
    let start = head.as_ptr() as usize;
    let mut headers = HeaderMap::with_capacity(lines.len() + ROOM);
    for line in lines {
        let at = (line.value.as_ptr() as usize).saturating_sub(start);
        let value = match shared.get(at..at + line.value.len()) {
            Some(value) => shared.slice_ref(value),
            None => Bytes::copy_from_slice(line.value),
        };
        let invalid = || line.name.to_owned();
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| invalid())?;
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| invalid())?;
        headers.append(name, value);
    }
    Ok(headers)
}

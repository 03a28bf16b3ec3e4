//! Header lines as a map.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header `lines` that were found in `head`, as far as `takes` wants them, with room for `more`. All values
/// share one copy of the head.
///
/// # Errors
/// The name of a header that cannot be passed on.
pub(crate) fn headers(
    head: &[u8],
    lines: &[httparse::Header<'_>],
    more: usize,
    mut takes: impl FnMut(&HeaderName, &[u8]) -> bool,
) -> Result<HeaderMap, String> {
    let shared = Bytes::copy_from_slice(head);
    let start = head.as_ptr() as usize;
    let mut headers = HeaderMap::with_capacity(lines.len() + more);
    for line in lines {
        let invalid = || line.name.to_owned();
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| invalid())?;
        if !takes(&name, line.value) {
            continue;
        }
        let at = (line.value.as_ptr() as usize)
            .saturating_sub(start)
            .min(head.len());
        let end = (at + line.value.len()).min(head.len());
        let value = HeaderValue::from_maybe_shared(shared.slice(at..end)).map_err(|_| invalid())?;
        headers.append(name, value);
    }
    Ok(headers)
}

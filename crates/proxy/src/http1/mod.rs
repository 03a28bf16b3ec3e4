//! HTTP/1.1 as bytes: what is the same with clients and with servers.
//!
//! Bodies are read as they are meant and in no other way, and written anew from what was understood; framing is
//! never passed on.

mod chunked;
mod head;
mod inlet;
mod outlet;
mod said;
mod spare;

pub(crate) use self::{
    chunked::{Chunked, Part},
    head::Head,
    inlet::{BodyError, Framing, Inlet},
    outlet::Outlet,
    said::{Said, Unclear},
};

use bytes::{BufMut, BytesMut};
use http::HeaderName;

/// Header lines of one head.
pub(crate) const MAX_LINES: usize = 128;

/// Writes one header line.
pub(crate) fn line(name: &HeaderName, value: &[u8], out: &mut BytesMut) {
    let name = name.as_str().as_bytes();
    out.reserve(name.len() + value.len() + 4);
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// Writes one header line with a number.
pub(crate) fn number_line(name: &HeaderName, number: u64, out: &mut BytesMut) {
    line(name, itoa::Buffer::new().format(number).as_bytes(), out);
}

/// The place of the first `needle` in `bytes`.
fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// True when a line ends in LF alone. The parser of heads takes that for the end of a line; not every reader does.
pub(crate) fn has_bare_line_end(head: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', head).any(|at| !head.get(..at).unwrap_or_default().ends_with(b"\r"))
}

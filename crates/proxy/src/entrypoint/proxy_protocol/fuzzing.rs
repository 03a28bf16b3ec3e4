//! Headers of the PROXY protocol, for fuzz targets.

use std::net::SocketAddr;

use super::header::{FIXED, of_binary, of_text, rest_of_binary};

/// The client that a line without its end names, or nobody; `None` if it is no header.
pub fn proxy_header_in_text(line: &[u8]) -> Option<Option<SocketAddr>> {
    of_text(line).ok()
}

/// The client that a header names that begins `bytes`, or nobody, and its length; `None` if there is no whole one.
pub fn proxy_header_in_binary(bytes: &[u8]) -> Option<(Option<SocketAddr>, usize)> {
    let (fixed, rest) = bytes.split_first_chunk::<FIXED>()?;
    let length = rest_of_binary(fixed).ok()?;
    Some((of_binary(fixed, rest.get(..length)?).ok()?, FIXED + length))
}

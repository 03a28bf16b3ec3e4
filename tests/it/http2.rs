//! Frames of HTTP/2, as raw clients write and read them.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
};

/// What a client begins with, before any frame.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// GET http://one.test/, without ends.
pub(crate) const HEAD: &[u8] = b"\x82\x86\x84\x41\x08one.test";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Of PING and SETTINGS.
pub(crate) const ACK: u8 = 1;
/// Of HEADERS and DATA.
pub(crate) const END_STREAM: u8 = 1;
/// Of HEADERS and CONTINUATION.
pub(crate) const END_HEADERS: u8 = 4;
/// Of DATA and HEADERS.
pub(crate) const PADDED: u8 = 8;

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A frame that was read.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The next one; `None` at an end between two.
    pub(crate) fn read(from: &mut impl Read) -> Option<Self> {
        let mut head = [0; 9];
        match from.read_exact(&mut head) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
            read => read.unwrap(),
        }
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap()];
        from.read_exact(&mut payload).unwrap();
        Some(Self {
            kind,
            flags,
            stream: u32::from_be_bytes(stream),
            payload,
        })
    }

    /// Answers what wants an answer.
    pub(crate) fn answer(&self, to: &mut TcpStream) {
        if matches!(self.kind, SETTINGS | PING) && self.flags & ACK == 0 {
            let payload = if self.kind == PING { &self.payload[..] } else { &[] };
            to.write_all(&frame(self.kind, ACK, 0, payload)).unwrap();
        }
    }
}

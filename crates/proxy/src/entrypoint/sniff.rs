//! Which protocol a client speaks, seen from its first bytes.

use std::{future::poll_fn, io};

use bytes::{Bytes, BytesMut};
use tokio::{io::AsyncReadExt, net::TcpStream};

use super::{Client, connection::last_call, drive::poll_expired};
use crate::patience::Timer;

/// What a client of HTTP/2 begins with when nobody has agreed on a protocol before (RFC 9113 3.4). No method of
/// HTTP/1.1 begins like this.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// What every connection of TLS begins with (RFC 8446 5.1); no method of HTTP does.
const HANDSHAKE: u8 = 22;

/// What a connection begins with.
#[derive(Debug)]
pub(super) enum Opening {
    /// HTTP/1.1, or something that its codec will refuse.
    Http1(Bytes),
    /// A handshake of TLS.
    Tls,
    /// The preface of HTTP/2.
    Http2(Bytes),
}

/// Waits for the first bytes of a connection. `None` when it ends instead.
pub(super) async fn sniff(stream: &mut TcpStream, client: &Client) -> Option<Opening> {
    let stage = &client.entry.stage;
    let mut timer = Timer::default();
    tokio::select! {
        opening = look(stream) => opening.ok(),
        () = poll_fn(|cx| poll_expired(client, &mut timer, cx)) => None,
        () = last_call(stage) => None,
    }
}

async fn look(stream: &mut TcpStream) -> io::Result<Opening> {
    let mut seen = [0; PREFACE.len()];
    let length = stream.peek(&mut seen).await?;
    match seen.get(..length) {
        Some([HANDSHAKE, ..]) => Ok(Opening::Tls),
        Some(PREFACE) => Ok(Opening::Http2(Bytes::new())),
        // Only here is it worth taking the bytes off the socket: what stays on it cannot be waited for.
        Some(part) if length > 0 && PREFACE.starts_with(part) => Box::pin(read(stream)).await,
        _ => Ok(Opening::Http1(Bytes::new())),
    }
}

/// Reads until it is clear whether this becomes the preface.
async fn read(stream: &mut TcpStream) -> io::Result<Opening> {
    let mut seen = BytesMut::with_capacity(PREFACE.len());
    loop {
        let mut rest = (&mut *stream).take((PREFACE.len() - seen.len()) as u64);
        let ended = rest.read_buf(&mut seen).await? == 0;
        if seen.as_ref() == PREFACE {
            return Ok(Opening::Http2(seen.freeze()));
        }
        if ended || !PREFACE.starts_with(&seen) {
            return Ok(Opening::Http1(seen.freeze()));
        }
    }
}

//! A socket that keeps what the end of a handshake has to say until something follows it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Most that is kept, in bytes: more than servers say in a handshake, with long chains of certificates.
const MAX_HELD: usize = 32 * 1024;

/// Most parts that go out together with what was kept.
const MAX_PARTS: usize = 16;

/// A socket that may be corked.
///
/// What is written to it then goes out when the peer has said all that it will for now, or in front of what is written
/// after the cork is gone. So session tickets go with the first answer where its request is there already, and cost no
/// packet of their own.
#[derive(Debug)]
pub(super) struct Corked {
    stream: TcpStream,
    held: BytesMut,
    is_corked: bool,
}

impl Corked {
    /// A socket without a cork.
    pub(super) fn open(stream: TcpStream) -> Self {
        let held = BytesMut::new();
        Self {
            stream,
            held,
            is_corked: false,
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) fn cork(&mut self) {
        self.is_corked = true;
    }

    /// What was kept goes out with what is written next, or before anything is waited for.
    pub(super) fn uncork(&mut self) {
        self.is_corked = false;
    }

    /// Keeps of `parts` what there is room for.
    fn hold(&mut self, parts: &[IoSlice<'_>]) -> usize {
        let before = self.held.len();
        for part in parts {
            let room = MAX_HELD.saturating_sub(self.held.len());
            self.held.extend_from_slice(part.get(..room).unwrap_or(part));
        }
        self.held.len() - before
    }

    /// Sends what was kept, and then of `parts` what goes with it. The bytes of `parts` that were sent.
    fn poll_send(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        while self.held.has_remaining() {
            let mut all = [IoSlice::new(&[]); MAX_PARTS];
            let count = MAX_PARTS.min(parts.len() + 1);
            let with_held = std::iter::once(IoSlice::new(&self.held)).chain(parts.iter().copied());
            for (place, part) in all.iter_mut().zip(with_held) {
                *place = part;
            }
            let stream = Pin::new(&mut self.stream);
            let sent = ready!(stream.poll_write_vectored(cx, all.get(..count).unwrap_or_default()))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_parts = sent.saturating_sub(self.held.len());
            self.held.advance(sent - of_parts);
            if self.held.is_empty() {
                // A connection that idles has no use for its memory.
                self.held = BytesMut::new();
            }
            if of_parts > 0 {
                return Poll::Ready(Ok(of_parts));
            }
        }
        match parts {
            [] => Poll::Ready(Ok(0)),
            _ => Pin::new(&mut self.stream).poll_write_vectored(cx, parts),
        }
    }
}

impl AsyncRead for Corked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_pending()
            && self.held.has_remaining()
            && let Poll::Ready(Err(error)) = self.poll_send(cx, &[])
        {
            return Poll::Ready(Err(error));
        }
        polled
    }
}

impl AsyncWrite for Corked {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_corked {
            let held = self.hold(bufs);
            if held > 0 {
                return Poll::Ready(Ok(held));
            }
        }
        self.poll_send(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_corked {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_send(cx, &[]))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx, &[]))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    async fn pair() -> (Corked, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Corked::open(listener.accept().await.unwrap().0), peer)
    }

    async fn heard(peer: &mut TcpStream) -> String {
        let mut seen = [0; 64];
        let length = peer.read(&mut seen).await.unwrap();
        String::from_utf8_lossy(&seen[..length]).into_owned()
    }

    #[tokio::test]
    async fn what_is_kept_goes_out_with_what_follows_it() {
        let (mut corked, mut peer) = pair().await;
        corked.cork();
        corked.write_all(b"tickets, ").await.unwrap();
        corked.flush().await.unwrap();
        corked.uncork();
        corked.write_all(b"answer").await.unwrap();
        assert_eq!(heard(&mut peer).await, "tickets, answer");
        corked.write_all(b"another").await.unwrap();
        assert_eq!(heard(&mut peer).await, "another");
    }

    #[tokio::test]
    async fn what_is_kept_goes_out_before_anything_is_waited_for() {
        for uncork in [false, true] {
            let (mut corked, mut peer) = pair().await;
            corked.cork();
            corked.write_all(b"hello").await.unwrap();
            if uncork {
                corked.uncork();
            }
            let mut buf = [0; 8];
            let (read, heard) = tokio::join!(corked.read(&mut buf), async {
                let heard = heard(&mut peer).await;
                peer.write_all(b"you").await.unwrap();
                heard
            });
            assert_eq!((read.unwrap(), heard.as_str()), (3, "hello"));
        }
    }

    #[tokio::test]
    async fn what_is_kept_goes_out_before_the_end() {
        let (mut corked, mut peer) = pair().await;
        corked.cork();
        corked.write_all(b"bye").await.unwrap();
        corked.shutdown().await.unwrap();
        assert_eq!(heard(&mut peer).await, "bye");
        assert_eq!(heard(&mut peer).await, "");
    }

    #[tokio::test]
    async fn more_than_is_kept_goes_out_whole_and_in_order() {
        let (mut corked, mut peer) = pair().await;
        let sent: Vec<u8> = (0..3 * MAX_HELD).map(|at| (at / 7) as u8).collect();
        let all = async {
            corked.cork();
            corked.write_all(&sent[..2 * MAX_HELD]).await.unwrap();
            corked.uncork();
            corked.write_all(&sent[2 * MAX_HELD..]).await.unwrap();
            corked.shutdown().await.unwrap();
        };
        let mut seen = Vec::new();
        let (_, read) = tokio::join!(all, peer.read_to_end(&mut seen));
        read.unwrap();
        assert!(seen == sent);
    }
}

//! What carries the bytes of one client.

use std::{
    io::{self, IoSlice, Write as _},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::corked::Corked;

/// The client's end of a connection, whatever protects it.
#[derive(Debug)]
pub(super) enum Wire {
    /// As it is.
    Plain {
        stream: TcpStream,
        /// What was read of it to see which protocol it is.
        early: Bytes,
    },
    /// In TLS.
    Tls {
        stream: Box<TlsStream<Corked>>,
        /// The client is told, or about to be, that nothing more comes.
        ended: bool,
    },
}

impl Wire {
    /// The socket underneath.
    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain { stream, .. } => stream,
            Self::Tls { stream, .. } => stream.get_ref().0.socket(),
        }
    }

    /// Puts that this is the end behind what is sent next, where the end of a connection is something to say.
    pub(super) fn queue_end(&mut self) {
        if let Self::Tls { stream, ended } = self {
            stream.get_mut().1.send_close_notify();
            *ended = true;
        }
    }

    /// True when the end of the connection is something to say, and was not said.
    pub(super) fn owes_end(&self) -> bool {
        matches!(self, Self::Tls { ended: false, .. })
    }

    /// Encrypts what there is room for, for the next [`Self::poll_send`]. Nothing where there is nothing to encrypt.
    pub(super) fn queue(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain { .. } => Ok(0),
            Self::Tls { stream, .. } => stream.get_mut().1.writer().write_vectored(parts),
        }
    }

    /// True when something is encrypted and not sent.
    pub(super) fn has_queued(&self) -> bool {
        match self {
            Self::Plain { .. } => false,
            Self::Tls { stream, .. } => stream.get_ref().1.wants_write(),
        }
    }

    /// Sends of it what the socket takes at once.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self::Tls { stream, .. } = self else {
            return Poll::Ready(Ok(0));
        };
        let (stream, session) = stream.get_mut();
        match session.write_tls(&mut Sending { stream, cx }) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            sent => Poll::Ready(sent),
        }
    }
}

/// A socket for code that knows of no tasks.
struct Sending<'a, 'b> {
    stream: &'a mut Corked,
    cx: &'a mut Context<'b>,
}

impl io::Write for Sending<'_, '_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match Pin::new(&mut *self.stream).poll_write_vectored(self.cx, bufs) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain { stream, early } if early.is_empty() => Pin::new(stream).poll_read(cx, buf),
            Self::Plain { early, .. } => {
                let length = early.len().min(buf.remaining());
                buf.put_slice(&early.split_to(length));
                if !early.has_remaining() {
                    *early = Bytes::new();
                }
                Poll::Ready(Ok(()))
            }
            Self::Tls { stream, .. } => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain { stream, .. } => Pin::new(stream).poll_write(cx, buf),
            Self::Tls { stream, .. } => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain { stream, .. } => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls { stream, .. } => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain { stream, .. } => stream.is_write_vectored(),
            Self::Tls { stream, .. } => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain { stream, .. } => Pin::new(stream).poll_flush(cx),
            Self::Tls { stream, .. } => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain { stream, .. } => Pin::new(stream).poll_shutdown(cx),
            Self::Tls { stream, .. } => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

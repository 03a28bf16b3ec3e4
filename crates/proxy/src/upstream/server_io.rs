//! The socket of a server as the HTTP codec sees it.

use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::server_wire::ServerWire;
use crate::patience::{self, Patience};

/// A server's socket that can be read to its end after the server has stopped reading.
///
/// A server may answer and close while a request is still being written (413, for one). The codec gives up when
/// a write fails, and the answer that waits to be read would be lost. So writes that fail for that reason
/// seem to succeed: what follows on the reading side is the answer, or the end of the connection.
#[derive(Debug)]
pub(super) struct ServerIo {
    stream: ServerWire,
    limit: Option<Duration>,
    patience: Patience,
}

impl ServerIo {
    /// Waits for the server to take bytes for as long as `limit`, unless it is zero; then writing fails with
    /// [`ErrorKind::TimedOut`].
    pub(super) fn new(stream: ServerWire, limit: Duration) -> Self {
        Self {
            stream,
            limit: patience::limit(limit),
            patience: Patience::default(),
        }
    }

    /// What the codec sees of an attempt to write `length` bytes.
    fn wrote(
        &mut self,
        written: Poll<io::Result<usize>>,
        length: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(written) = written else {
            let Some(limit) = self.limit else {
                return Poll::Pending;
            };
            let late = self.patience.poll(limit, cx);
            return late.map(|()| Err(ErrorKind::TimedOut.into()));
        };
        self.patience.end();
        Poll::Ready(match written {
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                tracing::trace!(%error, "a server reads no more");
                Ok(length)
            }
            written => written,
        })
    }
}

impl AsyncRead for ServerIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ServerIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(written, buf.len(), cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bufs.iter().map(|buf| buf.len()).sum();
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(written, length, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

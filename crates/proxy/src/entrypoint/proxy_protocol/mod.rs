//! Who the client of a connection is, in the words of the proxy that passes it on.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod header;

use std::{future::Future, io, net::SocketAddr, time::Duration};

use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

use self::header::{BINARY, FIXED, HeaderError, MAX_TEXT, TEXT, of_binary, of_text, rest_of_binary};
use crate::{patience::limit, settings::ProxyProtocol};

/// Why a connection does not begin as it must.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    #[error("the connection ended within its PROXY header: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("the PROXY header took too long")]
    Late,
}

/// Takes the header off `stream`, if there is one to be had of `peer`. Gives the client that it names: the peer
/// itself where it names nobody. Where there need not be one, the first byte is waited for as long as `idle`. Not a byte that follows the header is taken.
pub(super) async fn client_of(
    stream: &mut TcpStream,
    peer: SocketAddr,
    settings: &ProxyProtocol,
    idle: Option<Duration>,
) -> Result<SocketAddr, ProxyError> {
    let comes = settings.demands_of(peer.ip())
        || (settings.insecure && within(idle, begins_with_header(stream)).await?);
    if !comes {
        return Ok(peer);
    }
    let named = within(limit(settings.header_timeout), read(stream)).await?;
    Ok(named.unwrap_or(peer))
}

async fn within<T, E>(
    limit: Option<Duration>,
    act: impl Future<Output = Result<T, E>>,
) -> Result<T, ProxyError>
where
    ProxyError: From<E>,
{
    match limit {
        None => Ok(act.await?),
        Some(limit) => Ok(timeout(limit, act).await.map_err(|_| ProxyError::Late)??),
    }
}

/// True if what has come begins a header. It comes in one piece: the specification asks that of senders.
async fn begins_with_header(stream: &TcpStream) -> io::Result<bool> {
    let mut seen = [0; BINARY.len()];
    let length = stream.peek(&mut seen).await?;
    let seen = seen.get(..length).unwrap_or_default();
    Ok(seen.starts_with(TEXT) || seen == BINARY)
}

async fn read(stream: &mut TcpStream) -> Result<Option<SocketAddr>, ProxyError> {
    let mut start = [0; TEXT.len()];
    stream.read_exact(&mut start).await?;
    if start == TEXT {
        return read_text(stream).await;
    }
    if !BINARY.starts_with(&start) {
        return Err(HeaderError::Missing.into());
    }
    let mut fixed = [0; FIXED];
    let (known, new) = fixed.split_at_mut(start.len());
    known.copy_from_slice(&start);
    stream.read_exact(new).await?;
    let mut rest = vec![0; rest_of_binary(&fixed)?];
    stream.read_exact(&mut rest).await?;
    Ok(of_binary(&fixed, &rest)?)
}

/// The rest of a line. What follows it stays where it is.
async fn read_text(stream: &mut TcpStream) -> Result<Option<SocketAddr>, ProxyError> {
    let mut line = TEXT.to_vec();
    loop {
        let mut ahead = [0; MAX_TEXT];
        let room = MAX_TEXT - line.len();
        let length = stream.peek(ahead.get_mut(..room).unwrap_or_default()).await?;
        let seen = ahead.get(..length).unwrap_or_default();
        let end = seen.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let from = line.len();
        line.resize(from + end.unwrap_or(length), 0);
        stream
            .read_exact(line.get_mut(from..).unwrap_or_default())
            .await?;
        if end.is_some() {
            let line = line.strip_suffix(b"\r\n").ok_or(HeaderError::Malformed)?;
            return Ok(of_text(line)?);
        }
        if length == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if line.len() >= MAX_TEXT {
            return Err(HeaderError::Long.into());
        }
    }
}

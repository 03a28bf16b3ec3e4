//! Makes connections to servers.

use std::{io, net::IpAddr, time::Duration};

use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use mesh_config::model::{ForwardingTimeouts, ServerUrl};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::{RequestBody, server_io::ServerIo};

/// Silence after which the system asks whether a server is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Addresses of one host name that are tried.
const MAX_ADDRESSES: usize = 4;

/// Why there is no connection to a server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The server or the system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It took longer than the servers transport allows.
    #[error("not within {0:?}")]
    Timeout(Duration),
    /// The codec refused.
    #[error(transparent)]
    Codec(#[from] hyper::Error),
}

/// Connects, within the limits of `timeouts`.
pub(super) async fn connect(
    url: &ServerUrl,
    timeouts: &ForwardingTimeouts,
) -> Result<
    (
        SendRequest<RequestBody>,
        Connection<TokioIo<ServerIo>, RequestBody>,
    ),
    ConnectError,
> {
    let limit = timeouts.dial_timeout;
    let stream = if limit.is_zero() {
        dial(&url.host, url.port).await?
    } else {
        timeout(limit, dial(&url.host, url.port))
            .await
            .map_err(|_| ConnectError::Timeout(limit))??
    };
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE))?;
    Ok(http1::Builder::new()
        .handshake(TokioIo::new(ServerIo::new(stream, timeouts.write_timeout)))
        .await?)
}

async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return TcpStream::connect((address, port)).await;
    }
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in lookup_host((host, port)).await?.take(MAX_ADDRESSES) {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

//! Makes connections to servers.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use mesh_config::model::{ForwardingTimeouts, Scheme, ServerUrl};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{Http1, RequestBody, ServerWire, Transport};
use crate::{local_tasks::LocalTasks, patience::limit};

/// Silence after which the system asks whether a server is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Addresses of one host name that are tried.
const MAX_ADDRESSES: usize = 4;

/// Longest wait for a server's part of a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a request that wait for a server to take them, for each stream of HTTP/2.
const MAX_SEND_BUFFER: usize = 64 * 1024;

/// Bytes of an answer that a server may send ahead of the client that takes it, for each stream of HTTP/2.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The same, for all streams of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Largest head of an answer over HTTP/2, in bytes.
const MAX_HEAD: u32 = 256 * 1024;

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
    /// Server and Mesh do not come to terms about TLS.
    #[error("TLS: {0}")]
    Tls(String),
}

/// A new connection.
pub(super) enum Connected {
    One(Http1),
    /// Nobody drives it yet.
    Shared(
        http2::SendRequest<RequestBody>,
        Box<http2::Connection<TokioIo<ServerWire>, RequestBody, LocalTasks>>,
    ),
}

/// Connects to the server at `url`, within the limits of `transport`; over HTTP/1.1 if `only_http1`.
pub(super) async fn connect(
    url: &ServerUrl,
    transport: &Transport,
    only_http1: bool,
    tasks: LocalTasks,
) -> Result<Connected, ConnectError> {
    let timeouts = &transport.forwarding_timeouts;
    let (wire, speaks_http2) = wire(url, transport, only_http1).await?;
    if !speaks_http2 {
        return Ok(Connected::One(Http1::new(wire, timeouts, tasks.0)));
    }
    let mut codec = http2::Builder::new(tasks);
    codec
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(MAX_SEND_BUFFER)
        .max_header_list_size(MAX_HEAD)
        .keep_alive_interval(limit(timeouts.read_idle_timeout))
        .keep_alive_timeout(timeouts.ping_timeout)
        .keep_alive_while_idle(true);
    let (sender, connection) = codec.handshake(TokioIo::new(wire)).await?;
    Ok(Connected::Shared(sender, Box::new(connection)))
}

/// A wire to the server at `url`, and whether HTTP/2 is spoken over it.
pub(crate) async fn wire(
    url: &ServerUrl,
    transport: &Transport,
    only_http1: bool,
) -> Result<(ServerWire, bool), ConnectError> {
    let stream = within(
        &transport.forwarding_timeouts,
        dial(&url.host, url.port, transport),
    )
    .await?;
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE))?;
    match url.scheme {
        Scheme::Http => Ok((ServerWire::Plain(stream), false)),
        Scheme::H2c => Ok((ServerWire::Plain(stream), !only_http1)),
        Scheme::Https => Box::pin(secure(stream, url, transport, only_http1)).await,
    }
}

async fn secure(
    stream: TcpStream,
    url: &ServerUrl,
    transport: &Transport,
    only_http1: bool,
) -> Result<(ServerWire, bool), ConnectError> {
    let tls = transport.tls().map_err(ConnectError::Tls)?;
    let name = tls
        .name_of(&url.host)
        .ok_or_else(|| ConnectError::Tls(format!("{} is no name that a server could prove", url.host)))?;
    let shaking = TlsConnector::from(tls.config(only_http1)).connect(name, stream);
    let stream = timeout(HANDSHAKE_TIMEOUT, shaking)
        .await
        .map_err(|_| ConnectError::Timeout(HANDSHAKE_TIMEOUT))?
        .map_err(|error| ConnectError::Tls(error.to_string()))?;
    let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok((ServerWire::Tls(Box::new(stream)), speaks_http2))
}

async fn within<T>(
    timeouts: &ForwardingTimeouts,
    act: impl Future<Output = io::Result<T>>,
) -> Result<T, ConnectError> {
    match limit(timeouts.dial_timeout) {
        None => Ok(act.await?),
        Some(limit) => Ok(timeout(limit, act)
            .await
            .map_err(|_| ConnectError::Timeout(limit))??),
    }
}

async fn dial(host: &str, port: u16, transport: &Transport) -> io::Result<TcpStream> {
    let connect = async |address: SocketAddr| match transport.reaches(address.ip()) {
        true => TcpStream::connect(address).await,
        false => Err(io::Error::other("the address tells about this machine")),
    };
    if let Ok(address) = host.parse::<IpAddr>() {
        return connect((address, port).into()).await;
    }
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in lookup_host((host, port)).await?.take(MAX_ADDRESSES) {
        match connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

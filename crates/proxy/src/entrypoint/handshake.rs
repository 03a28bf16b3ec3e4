//! The TLS handshake with a client.

use std::{io, pin::pin};

use tokio::{net::TcpStream, sync::Mutex, task::yield_now};
use tokio_rustls::{LazyConfigAcceptor, rustls::server::Acceptor, server::TlsStream};

use super::Client;

/// Lets the handshakes of one worker come in turn.
///
/// A handshake is the most expensive thing that a stranger gets for a few bytes. However many begin at once, a worker
/// makes one, looks at its sockets, serves what has come there, and makes the next one: connections that stand
/// do not wait for those that are only asked for. What waits for its turn costs nothing, and its time runs.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<()>);

/// Agrees with the client. Nothing is chosen before all of its hello is there, however it was cut.
pub(super) async fn shake_hands(stream: TcpStream, client: &Client) -> io::Result<TlsStream<TcpStream>> {
    let address = stream.local_addr()?.ip();
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let worker = &client.entry.worker;
    let turn = worker.handshakes.0.lock().await;
    let config = match start.client_hello().server_name() {
        Some(_) => worker.tls.config(),
        None => worker.tls.config_at(address),
    };
    // Keys are agreed on and signed here. What remains is cheap, and waits for the client.
    let mut shaking = pin!(start.into_stream(config));
    let begun = futures::poll!(&mut shaking);
    // Comes back only after the worker has looked at its sockets.
    yield_now().await;
    drop(turn);
    match begun {
        std::task::Poll::Ready(shaken) => shaken,
        std::task::Poll::Pending => shaking.await,
    }
}

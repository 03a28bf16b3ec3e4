//! The TLS handshake with a client.

use std::{io, net::IpAddr, pin::pin, sync::Arc};

use mesh_tls::OptionsGuard;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Mutex, task::yield_now};
use tokio_rustls::{
    LazyConfigAcceptor,
    rustls::{ServerConfig, server::Acceptor},
    server::TlsStream,
};

use super::{Client, corked::Corked};

/// Lets the handshakes of one worker come in turn.
///
/// A handshake is the most expensive thing that a stranger gets for a few bytes. However many begin at once, a worker
/// makes one, looks at its sockets, serves what has come there, and makes the next one: connections that stand
/// do not wait for those that are only asked for. What waits for its turn costs nothing, and its time runs.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<()>);

/// What a client is told for whose name there is nothing (RFC 6066 3): a fatal alert, in a record of its own.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// Agrees with the client. Nothing is chosen before all of its hello is there, however it was cut.
pub(super) async fn shake_hands(
    stream: TcpStream,
    client: &Client,
) -> io::Result<(Box<TlsStream<Corked>>, OptionsGuard)> {
    let address = stream.local_addr()?.ip();
    let mut start = LazyConfigAcceptor::new(Acceptor::default(), Corked::open(stream)).await?;
    let worker = &client.entry.worker;
    let turn = worker.handshakes.0.lock().await;
    let Some((config, guard)) = choose(client, start.client_hello().server_name(), address) else {
        start.io.write_all(&UNRECOGNIZED_NAME).await?;
        return Err(io::Error::other("there is nothing for the name it asks for"));
    };
    // Keys are agreed on and signed here. What remains is cheap, and waits for the client.
    start.io.cork();
    let mut shaking = pin!(start.into_stream(config).into_fallible());
    let begun = futures::poll!(&mut shaking);
    // Comes back only after the worker has looked at its sockets.
    yield_now().await;
    drop(turn);
    let shaken = match begun {
        std::task::Poll::Ready(shaken) => shaken,
        std::task::Poll::Pending => shaking.await,
    };
    match shaken {
        Ok(mut stream) => {
            stream.get_mut().0.uncork();
            Ok((Box::new(stream), guard))
        }
        Err((error, mut io)) => {
            // What the client did wrong, if the socket takes it.
            io.uncork();
            let _ = futures::poll!(pin!(io.flush()));
            Err(error)
        }
    }
}

/// What a client that asks for `name` gets; `None` if it gets nothing.
fn choose(client: &Client, name: Option<&str>, address: IpAddr) -> Option<(Arc<ServerConfig>, OptionsGuard)> {
    let table = client.table();
    let options = table.handshake(client.entry_point(), name, address)?;
    if options.turns_away(name, address) {
        return None;
    }
    let config = match name {
        Some(_) => options.config(),
        None => options.config_at(address),
    };
    Some((config, options.guard()))
}

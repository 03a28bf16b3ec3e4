//! One client connection, from accept to close.

use std::{net::SocketAddr, rc::Rc, time::Duration};

use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{
    Client, Entry,
    handshake::shake_hands,
    http1 as one, http2 as two,
    proxy_protocol::client_of,
    sniff::{Opening, sniff},
    wire::Wire,
};
use crate::{
    drain::{Stage, StageCell},
    patience::limit,
};

/// How long an idle connection is kept open when the drain begins: a request may be on its way already, and
/// closing on it would lose it.
pub(super) const LAST_CALL: Duration = Duration::from_millis(50);

/// Ends when an idle connection has to, once the drain has begun.
pub(super) async fn last_call(stage: &StageCell) {
    stage.reached(Stage::Draining).await;
    sleep(LAST_CALL).await;
}

/// Serves one connection that `peer` has made.
pub(super) async fn accepted(mut stream: TcpStream, mut peer: SocketAddr, entry: Rc<Entry>) {
    if let Some(settings) = &entry.settings.proxy_protocol {
        let idle = limit(entry.settings.transport.responding_timeouts.idle_timeout);
        let named = tokio::select! {
            named = Box::pin(client_of(&mut stream, peer, settings, idle)) => named,
            () = last_call(&entry.stage) => return,
        };
        match named {
            Ok(client) => peer = client,
            Err(error) => return tracing::debug!(%peer, %error, "refusing a connection"),
        }
    }
    serve(stream, Client::new(entry, peer)).await;
}

/// Serves the requests of one connection, in whatever protocol it speaks.
async fn serve(mut stream: TcpStream, client: Rc<Client>) {
    match sniff(&mut stream, &client).await {
        Some(Opening::Http1(early)) => one::serve(Wire::Plain { stream, early }, client).await,
        Some(Opening::Http2(early)) => {
            Box::pin(two::serve(Wire::Plain { stream, early }, client)).await;
        }
        Some(Opening::Tls) => Box::pin(serve_secured(stream, client)).await,
        None => {}
    }
}

/// The same behind TLS.
async fn serve_secured(stream: TcpStream, client: Rc<Client>) {
    let limits = &client.entry.settings.transport.responding_timeouts;
    let shaken = tokio::select! {
        // Its memory is not needed for as long as the connection's.
        shaken = timeout(limits.handshake(), Box::pin(shake_hands(stream, &client))) => shaken,
        () = client.entry.stage.reached(Stage::Cut) => return,
    };
    let (stream, guard) = match shaken {
        Ok(Ok(shaken)) => shaken,
        Ok(Err(error)) => return tracing::debug!(client = %client.address(), %error, "TLS handshake failed"),
        Err(_) => return tracing::debug!(client = %client.address(), "TLS handshake took too long"),
    };
    let (_, session) = stream.get_ref();
    client.secured(guard, session.peer_certificates());
    let speaks_http2 = session.alpn_protocol() == Some(b"h2");
    let wire = Wire::Tls { stream, ended: false };
    if speaks_http2 {
        Box::pin(two::serve(wire, client)).await;
    } else {
        Box::pin(one::serve(wire, client)).await;
    }
}

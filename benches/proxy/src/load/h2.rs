//! HTTP/2: some requests at a time on each of a few connections.

use std::{
    cell::Cell,
    io::{self, Error},
    rc::Rc,
};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::{Request, StatusCode};

use super::{
    Front, Protocol,
    h1::{all, take},
};
use crate::peer::host;

/// Bytes that a proxy may send before it is told that they were read: more than are under way.
const WINDOW: u32 = 1024 * 1024;

/// Opens connections, with one request on each.
pub(crate) async fn open(front: &Front, count: usize, body: usize) -> io::Result<Vec<SendRequest<Bytes>>> {
    let mut conns = Vec::with_capacity(count);
    for _ in 0..count {
        let stream = front.connect(Protocol::Http2).await?;
        let handshake = Builder::new()
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .enable_push(false)
            .handshake(stream);
        let (mut sender, connection) = handshake.await.map_err(Error::other)?;
        // Ends with the last sender.
        tokio::task::spawn_local(connection);
        exchange(&mut sender, body).await?;
        conns.push(sender);
    }
    Ok(conns)
}

/// Sends `total` requests, `streams` at a time on each connection.
pub(crate) async fn saturate(
    conns: &[SendRequest<Bytes>],
    streams: usize,
    body: usize,
    total: usize,
) -> io::Result<()> {
    let next = Rc::new(Cell::new(0));
    let senders = conns.iter().flat_map(|conn| std::iter::repeat_n(conn, streams));
    let asking = senders.map(|sender| {
        let (next, mut sender) = (next.clone(), sender.clone());
        async move {
            while take(&next, total).is_some() {
                exchange(&mut sender, body).await?;
            }
            Ok(())
        }
    });
    all(asking).await.map(drop)
}

async fn exchange(sender: &mut SendRequest<Bytes>, body: usize) -> io::Result<()> {
    let request = Request::get(format!("https://{}/{body}", host(0)))
        .header("user-agent", "mesh-bench-proxy")
        .header("accept", "*/*")
        .body(())
        .map_err(Error::other)?;
    std::future::poll_fn(|cx| sender.poll_ready(cx))
        .await
        .map_err(Error::other)?;
    let (answer, _) = sender.send_request(request, true).map_err(Error::other)?;
    let answer = answer.await.map_err(Error::other)?;
    let status = answer.status();
    let mut stream = answer.into_body();
    let mut received = 0;
    while let Some(data) = stream.data().await {
        let length = data.map_err(Error::other)?.len();
        stream
            .flow_control()
            .release_capacity(length)
            .map_err(Error::other)?;
        received += length;
    }
    if status != StatusCode::OK || received != body {
        return Err(Error::other(format!(
            "{status} and {received} bytes in place of 200 and {body}"
        )));
    }
    Ok(())
}

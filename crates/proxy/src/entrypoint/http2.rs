//! HTTP/2 with one client.

use std::{convert::Infallible, pin::Pin, rc::Rc, task::Poll};

use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::TokioIo;

use super::{
    Client,
    drive::{Codec, End, drive},
    io::ClientIo,
    wire::Wire,
};
use crate::{local_tasks::LocalTasks, request::serve_alone, settings::EntryPoint};

/// Bytes of answers that wait for a client to take them, for each stream.
const MAX_SEND_BUFFER: usize = 64 * 1024;

/// Bytes of bodies that a client may send ahead of the server that takes them, for each stream.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The same, for all streams of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// LocalTasks of clients that were reset, and are still to be noticed, at most; then the connection ends.
const MAX_PENDING_RESETS: usize = 20;

/// LocalTasks that clients made Mesh reset at most; then the connection ends.
const MAX_PROVOKED_RESETS: usize = 128;

/// The codec of an entrypoint's connections.
pub(super) fn codec(settings: &EntryPoint, streams: LocalTasks) -> http2::Builder<LocalTasks> {
    let limits = &settings.http2;
    let mut codec = http2::Builder::new(streams);
    codec
        .enable_connect_protocol()
        .max_concurrent_streams(limits.max_concurrent_streams)
        .header_table_size(limits.max_decoder_header_table_size)
        .max_header_list_size(limits.max_header_list_size)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(MAX_SEND_BUFFER)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_PROVOKED_RESETS);
    codec
}

/// Serves the requests of one connection.
pub(super) async fn serve(wire: Wire, client: Rc<Client>, codec: &http2::Builder<LocalTasks>) {
    client.phases.multiplexing();
    let io = ClientIo::new(wire, client.phases.clone());
    let service = {
        let client = client.clone();
        service_fn(move |request| {
            let client = client.clone();
            async move { Ok::<_, Infallible>(serve_alone(client, request).await) }
        })
    };
    let mut connection = codec.serve_connection(TokioIo::new(io), service);
    // The codec reads all the time: it sees a reset by itself.
    match drive(&mut connection, &client, |_| Poll::Pending).await {
        End::Done(Err(error)) => tracing::debug!(client = %client.address(), %error, "connection ended"),
        End::Done(Ok(())) | End::Expired | End::Reset | End::Cut => {}
    }
}

impl<I, B, S> Codec for http2::Connection<I, S, LocalTasks>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    LocalTasks: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn shut_down(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

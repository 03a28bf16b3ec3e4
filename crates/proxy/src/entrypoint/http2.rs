//! HTTP/2 with one client.

use std::{convert::Infallible, future::Future, pin::Pin, rc::Rc, task::Poll};

use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio_util::task::TaskTracker;

use super::{
    Client,
    drive::{Codec, End, drive},
    io::ClientIo,
    wire::Wire,
};
use crate::{request::serve_alone, settings::EntryPoint};

/// Bytes of answers that wait for a client to take them, for each stream.
const MAX_SEND_BUFFER: usize = 64 * 1024;

/// Bytes of bodies that a client may send ahead of the server that takes them, for each stream.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The same, for all streams of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Streams of clients that were reset, and are still to be noticed, at most; then the connection ends.
const MAX_PENDING_RESETS: usize = 20;

/// Streams that clients made Mesh reset at most; then the connection ends.
const MAX_PROVOKED_RESETS: usize = 128;

/// Runs the streams of an entrypoint's connections on the worker that accepted them.
#[derive(Debug, Clone)]
pub(crate) struct Streams(pub(super) TaskTracker);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, stream: F) {
        // Tracked, and never waited for: it ends with its stream.
        self.0.spawn_local(stream);
    }
}

/// The codec of an entrypoint's connections.
pub(super) fn codec(settings: &EntryPoint, streams: Streams) -> http2::Builder<Streams> {
    let limits = &settings.http2;
    let mut codec = http2::Builder::new(streams);
    codec
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
pub(super) async fn serve(wire: Wire, client: Rc<Client>, codec: &http2::Builder<Streams>) {
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

impl<I, B, S> Codec for http2::Connection<I, S, Streams>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    Streams: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn shut_down(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

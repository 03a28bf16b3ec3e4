//! HTTP/2 with one client.

mod alarm;
mod connection;
mod counted;
mod frames;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod streams;
mod tunnel;

use std::{
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncWriteExt, time::timeout};

pub(crate) use self::tunnel::carry;
use self::{
    connection::{Connection, Graceful},
    counted::Counted,
    streams::{Starter, Streams},
};
pub(super) use self::{frames::Frames, streams::Taking};
use super::{
    Client, Incoming,
    drive::{End, drive},
    io::ClientIo,
    wire::Wire,
};
use crate::{request::serve_alone, respond::ResponseBody, settings::EntryPoint};

/// Bytes of answers that wait for a client to take them, for each stream.
const MAX_SEND_BUFFER: usize = 64 * 1024;

/// Bytes of bodies that a client may send ahead of the server that takes them, for each stream.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The same, for all streams of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Streams that clients reset, and that are still to be noticed, at most; then the connection ends.
const MAX_PENDING_RESETS: usize = 20;

/// Streams that clients made Mesh reset at most; then the connection ends.
const MAX_PROVOKED_RESETS: usize = 128;

/// The head of a GOAWAY frame (RFC 9113 6.8).
const GO_AWAY: [u8; 9] = [0, 0, 8, 7, 0, 0, 0, 0, 0];

/// The reason that it gives (RFC 9113 7).
const ENHANCE_YOUR_CALM: [u8; 4] = [0, 0, 0, 11];

/// The codec of one connection.
fn codec(settings: &EntryPoint, streams: Starter) -> http2::Builder<Starter> {
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
pub(super) async fn serve(wire: Wire, client: Rc<Client>) {
    client.phases.multiplexing();
    let mut io = ClientIo::new(wire, client.phases.clone());
    let frames = client.count_frames(Frames::new(Instant::now()));
    let streams = Streams::new(client.clone());
    let service = {
        let client = client.clone();
        // In a box: what a request becomes is large, and the codec moves it.
        service_fn(move |request| Box::pin(answer(client.clone(), request)))
    };
    let counted = TokioIo::new(Counted::new(io.clone(), frames.clone()));
    let codec = codec(client.settings(), streams.starter()).serve_connection(counted, service);
    let mut connection = Connection::new(codec, streams, io.clone());
    // The codec reads all the time: it sees a reset by itself.
    match drive(&mut connection, &client, |_| Poll::Pending).await {
        End::Done(Err(_)) if frames.is_over() => {
            tracing::debug!(client = %client.address(), "closing a connection whose client sends what only costs");
            drop(connection);
            if !client.phases.is_blocked() {
                say_calm_down(&mut io, frames.newest_stream()).await;
            }
        }
        End::Done(Err(error)) => tracing::debug!(client = %client.address(), %error, "connection ended"),
        End::Done(Ok(())) | End::Expired | End::Reset | End::Cut => {}
    }
}

async fn answer(
    client: Rc<Client>,
    request: Request<hyper::body::Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    Ok(serve_alone(client, request.map(Incoming::Shared)).await)
}

/// Says why the connection ends, if the client takes that at once.
async fn say_calm_down(io: &mut ClientIo, newest_stream: u32) {
    let told = [&GO_AWAY[..], &newest_stream.to_be_bytes(), &ENHANCE_YOUR_CALM].concat();
    let telling = async {
        io.write_all(&told).await?;
        io.flush().await
    };
    let _taken = timeout(Duration::ZERO, telling).await;
}

impl<I, B, S> Graceful for http2::Connection<I, S, Starter>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    Starter: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn shut_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

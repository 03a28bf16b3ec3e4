//! One client connection, from accept to close.

use std::{rc::Rc, time::Duration};

use hyper::server::conn::{http1, http2};
use tokio::net::TcpStream;

use super::{
    Client, http1 as one, http2 as two,
    sniff::{Opening, sniff},
    wire::Wire,
};
use crate::settings::EntryPoint;

/// How long an idle connection is kept open when the drain begins: a request may be on its way already, and
/// closing on it would lose it.
pub(super) const LAST_CALL: Duration = Duration::from_millis(50);

/// The codecs of an entrypoint's connections.
#[derive(Debug, Clone)]
pub(super) struct Codecs {
    http1: http1::Builder,
    http2: http2::Builder<two::Streams>,
}

impl Codecs {
    pub(super) fn new(settings: &EntryPoint, streams: two::Streams) -> Self {
        Self {
            http1: one::codec(settings),
            http2: two::codec(settings, streams),
        }
    }
}

/// Serves the requests of one connection, in whatever protocol it speaks.
pub(super) async fn serve(mut stream: TcpStream, client: Rc<Client>, codecs: Rc<Codecs>) {
    match sniff(&mut stream, &client).await {
        Some(Opening::Http1(early)) => one::serve(Wire::Plain { stream, early }, client, &codecs.http1).await,
        Some(Opening::Http2(early)) => {
            Box::pin(two::serve(Wire::Plain { stream, early }, client, &codecs.http2)).await;
        }
        None => {}
    }
}

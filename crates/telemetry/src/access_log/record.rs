//! One finished request, as its worker hands it over.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderName, HeaderValue, Method, Uri, Version};

/// One finished request. Filling it clones counters, not text; everything is formatted by the log's own thread.
#[derive(Debug, Clone)]
pub struct Record {
    /// When its first byte came.
    pub start: SystemTime,
    /// Until the last byte of the answer left.
    pub duration: Duration,
    /// The entrypoint it came in on.
    pub entry_point: Arc<str>,
    /// The qualified name of the router that took it.
    pub router: Option<Arc<str>>,
    /// The qualified name of the service that answered.
    pub service: Option<Arc<str>>,
    /// The client's end of the connection, or what the PROXY protocol says it is.
    pub client: SocketAddr,
    /// The name the client proved to own.
    pub client_user: Option<Arc<str>>,
    /// Its method.
    pub method: Method,
    /// Its target, as received.
    pub uri: Uri,
    /// Its version.
    pub version: Version,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Its Host header, or authority.
    pub host: Option<HeaderValue>,
    /// Body bytes received.
    pub request_bytes: u64,
    /// Its `X-Forwarded-For`, when it came from somebody who is believed.
    pub forwarded_for: Option<HeaderValue>,
    /// Of its headers those that [`AccessLog::picked`](super::AccessLog::picked) gave.
    pub request_headers: Headers,
    /// What the server did; `None` when none was asked.
    pub origin: Option<Origin>,
    /// The status sent to the client; 499 when it left first.
    pub status: u16,
    /// Body bytes sent.
    pub response_bytes: u64,
    /// Of the answer's headers those that were picked.
    pub response_headers: Headers,
    /// How often another server was tried.
    pub retries: u32,
    /// Answered by Mesh itself; logged only with `accessLog.addInternals`.
    pub internal: bool,
}

/// What the last server that was asked did for a request.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The server's URL.
    pub url: Arc<str>,
    /// The server's `host:port`.
    pub address: Arc<str>,
    /// The status it answered; `None` when it did not.
    pub status: Option<u16>,
    /// From asking it to the last byte of its answer, or to giving up.
    pub duration: Duration,
    /// Body bytes it sent.
    pub bytes: u64,
    /// Of its headers, as it sent them, those that were picked.
    pub headers: Headers,
}

/// Headers picked for logging.
#[derive(Debug, Clone, Default)]
pub struct Headers(pub(super) Vec<(HeaderName, HeaderValue)>);

impl Headers {
    /// The first value of `name`.
    pub(super) fn get(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }
}

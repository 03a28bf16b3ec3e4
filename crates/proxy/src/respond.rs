//! What the client gets: the answer of a server, or one that Mesh makes itself.

use std::{
    fmt::Display,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use mesh_telemetry::metrics::{Fault, Refusal};

use crate::{
    exchange::Exchange,
    forward::{Answer, ForwardError, Held, Source},
    sanitize::Rejection,
    upstream::BodyError,
};

/// What clients are asked to wait when there is no server, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Why Mesh answered itself. Mesh alone says so: servers and clients cannot.
pub(crate) static X_MESH_REASON: HeaderName = HeaderName::from_static("x-mesh-reason");

/// The largest part of an answer over HTTP/2 whose client may take its time over it, in bytes: that of a frame which
/// has, with its head, room in one record of TLS.
const MAX_SHARED_PART: usize = 16 * 1024 - 9;

/// Why Mesh answers a request itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// As many requests are in flight as the entrypoint allows.
    #[error("too many requests are in flight")]
    Overload,
    /// It cannot be understood, in one way only.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Nobody ever declared a route for it.
    #[error("no router matches")]
    NoRoute,
    /// The handshake of its connection was made by other TLS options than its router has.
    #[error("the connection was made for a host with other tls.options")]
    Misdirected,
    /// Its router is broken.
    #[error("{0}")]
    Unavailable(Arc<str>),
    /// No server answered it.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// What answered opened no tunnel, and a success would say that it stands.
    #[error("the answer opens no WebSocket")]
    NoTunnel,
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::Rejected(rejection) => rejection.status(),
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Overload | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Forward(error) => error.status(),
            Self::NoTunnel => StatusCode::BAD_GATEWAY,
        }
    }

    /// True when it is not certain where the request ends, or whether the client and servers behind it agree
    /// about that: nothing that follows on its connection may be taken for a request.
    pub(crate) fn ends_connection(&self) -> bool {
        match self {
            Self::Rejected(_) | Self::Forward(ForwardError::Upload(_)) => true,
            Self::Overload
            | Self::NoRoute
            | Self::Misdirected
            | Self::Unavailable(_)
            | Self::Forward(_)
            | Self::NoTunnel => false,
        }
    }

    /// As metrics count it; `None` once its service had a server for it.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Overload => Some(Refusal::Overload),
            Self::Rejected(rejection) => Some(rejection.refusal()),
            Self::NoRoute => Some(Refusal::NoRoute),
            Self::Misdirected => Some(Refusal::Misdirected),
            Self::Unavailable(_) => Some(Refusal::Unavailable),
            Self::Forward(ForwardError::NoServer(none)) if none.ejected => Some(Refusal::Ejected),
            Self::Forward(ForwardError::NoServer(_)) => Some(Refusal::NoServer),
            Self::Forward(_) | Self::NoTunnel => None,
        }
    }

    /// As metrics count it once its service had a server for it; `None` before.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self {
            Self::Forward(error) => error.fault(),
            Self::NoTunnel => Some(Fault::NoUpgrade),
            Self::Overload | Self::Rejected(_) | Self::NoRoute | Self::Misdirected | Self::Unavailable(_) => {
                None
            }
        }
    }

    fn text(&self) -> &'static str {
        match self {
            Self::NoRoute => "404 page not found\n",
            Self::Forward(ForwardError::NoServer(_)) => "no available server\n",
            Self::Overload
            | Self::Rejected(_)
            | Self::Misdirected
            | Self::Unavailable(_)
            | Self::Forward(_)
            | Self::NoTunnel => self.status().canonical_reason().unwrap_or_default(),
        }
    }

    /// What the client gets, with the reason in a header if `tell`.
    pub(crate) fn response(&self, tell: bool) -> Response<Bytes> {
        let status = self.status();
        let mut response = text(status, self.text());
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if tell {
            tell_reason(&mut response, self);
        }
        response
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn tell_reason(response: &mut Response<Bytes>, reason: &impl Display) {
    if let Ok(reason) = HeaderValue::from_str(&reason.to_string()) {
        response.headers_mut().insert(&X_MESH_REASON, reason);
    }
}

/// The answer to a request whose code failed.
pub(crate) fn panicked() -> Response<ResponseBody> {
    text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        .map(|body| ResponseBody::local(body, false))
}

/// The answer to what is no request, with the reason in a header if `tell`.
pub(crate) fn refused(status: StatusCode, reason: &impl Display, tell: bool) -> Response<ResponseBody> {
    let mut response = text(status, status.canonical_reason().unwrap_or_default());
    if tell {
        tell_reason(&mut response, reason);
    }
    response.map(|body| ResponseBody::local(body, true))
}

/// Hands the answer to the codec, and what is known of the request to its body: it ends when that ends.
pub(crate) fn respond(mut answer: Answer, mut exchange: Box<Exchange>) -> Response<ResponseBody> {
    let opens_tunnel = matches!(answer.body, Source::Tunnel(..));
    if exchange.awaits_tunnel() && !opens_tunnel && answer.head.status.is_success() {
        answer = exchange.fail(Failure::NoTunnel);
    }
    if let Some(failure) = answer.failure() {
        exchange.failed(failure);
    }
    exchange.answered(&answer.head);
    let last = exchange.is_last();
    let mut held = answer.take_held();
    let source = match answer.body {
        Source::Tunnel(mut tunnel) => {
            tunnel.held.append(&mut held);
            exchange.tunnel_to(*tunnel);
            Source::Local(Bytes::new())
        }
        source => source,
    };
    let mut body = ResponseBody {
        source,
        rest: Bytes::new(),
        // Where answers share a connection each is followed part by part.
        most: match exchange.client().is_multiplexed() {
            true => MAX_SHARED_PART,
            false => usize::MAX,
        },
        exchange: Some(exchange),
        _held: held,
        last,
    };
    body.free_connection();
    Response::from_parts(answer.head, body)
}

/// The body of an answer. When it is dropped, the request is over.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    source: Source,
    /// Of a part that was too large, what is not handed on yet.
    rest: Bytes,
    /// The largest part that is handed on at once.
    most: usize,
    exchange: Option<Box<Exchange>>,
    /// What is dropped with it.
    _held: Held,
    last: bool,
}

impl ResponseBody {
    /// A body of nobody's request; the `last` one of its connection or not.
    fn local(body: Bytes, last: bool) -> Self {
        Self {
            source: Source::Local(body),
            rest: Bytes::new(),
            most: usize::MAX,
            exchange: None,
            _held: Held::new(),
            last,
        }
    }

    /// True when no further request is wanted on its connection.
    pub(crate) fn ends_connection(&self) -> bool {
        self.last
    }

    /// A part no larger than may be handed on; the rest is kept.
    fn cut(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_data() {
            Ok(mut part) if part.len() > self.most => {
                self.rest = part.split_off(self.most);
                Frame::data(part)
            }
            Ok(part) => Frame::data(part),
            Err(frame) => frame,
        }
    }

    fn take_rest(&mut self) -> Option<Bytes> {
        let length = self.rest.len().min(self.most);
        (length > 0).then(|| self.rest.split_to(length))
    }

    /// Puts the server's connection back once nothing more comes over it.
    fn free_connection(&mut self) {
        if let Some(exchange) = &mut self.exchange
            && let Some(lease) = self.source.take_free()
        {
            exchange.put_back(lease);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(exchange) = &mut self.exchange {
            exchange.wanted();
        }
        let (frame, received) = match self.take_rest() {
            Some(part) => (Some(Ok(Frame::data(part))), 0),
            None => {
                let polled = std::task::ready!(self.source.poll_frame(cx));
                let received = match &polled {
                    Some(Ok(part)) => self.source.received(part),
                    _ => 0,
                };
                (polled.map(|frame| frame.map(|frame| self.cut(frame))), received)
            }
        };
        if let Some(exchange) = &mut self.exchange {
            match &frame {
                Some(Ok(frame)) => exchange.sent(frame, received),
                Some(Err(error)) => exchange.cut(error),
                None => {}
            }
        }
        self.free_connection();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_over() && self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.source.size_hint();
        if let Some(length) = hint.exact() {
            hint.set_exact(length + self.rest.len() as u64);
        }
        hint
    }
}

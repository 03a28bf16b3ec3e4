//! What came back.

use std::{
    any::Any,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, Version, header, response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use mesh_telemetry::metrics::{Outcome, Outcomes};
use smallvec::SmallVec;

use super::{Call, ForwardError};
use crate::{
    middleware::{Change, Changing, Parts, PutBack},
    respond::{Failure, X_MESH_REASON},
    sanitize::{is_hop_by_hop, tokens},
    service::InFlight,
    upstream::{AnswerBody, BodyError, Lease, Reading, Sender, Switched},
};

/// An answer for the client.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Status and headers.
    pub(crate) head: response::Parts,
    /// What follows.
    pub(crate) body: Source,
    /// What the middleware that gives it made of the request.
    outcomes: Outcomes,
    /// What few answers have.
    aside: Option<Box<Aside>>,
}

/// What goes with an answer, and is not for the client.
#[derive(Debug, Default)]
struct Aside {
    failure: Option<Failure>,
    held: Held,
}

/// What is dropped when an answer, or the tunnel that it opens, is over.
pub(crate) type Held = Vec<Box<dyn Any>>;

/// What follows the head of an answer.
#[derive(Debug)]
pub(crate) enum Source {
    /// Bytes made in this process.
    Local(Bytes),
    /// The body of a server.
    Server(Box<AnswerBody>),
    /// Another one, as a middleware changes it.
    Changed(Box<Changed>),
    /// The body of a server, read to its end before.
    Stored(Box<Reading>),
    /// Another protocol, from here on both ways.
    Tunnel(Box<Tunnel>),
}

/// A body and what changes it.
#[derive(Debug)]
pub(crate) struct Changed {
    source: Source,
    changing: Changing,
    /// Bytes of the server that nobody asked for yet.
    received: usize,
    /// What is still to come, where that is known.
    left: Option<u64>,
}

/// A server that goes on with another protocol.
#[derive(Debug)]
pub(crate) struct Tunnel {
    /// Its end of the connection.
    pub(crate) server: Switched,
    /// It counts as one request in flight.
    pub(crate) in_flight: InFlight,
    /// What is dropped when it is over.
    pub(crate) held: Held,
}

impl Answer {
    /// An answer that nothing is to be known of.
    pub(crate) fn new(head: response::Parts, body: Source) -> Self {
        Self {
            head,
            body,
            outcomes: Outcomes::default(),
            aside: None,
        }
    }

    /// The answer that Mesh makes because of `failure`, with the reason in a header if `tell`.
    pub(crate) fn of(failure: Failure, tell: bool) -> Self {
        let mut answer = Self::from(failure.response(tell));
        answer.aside.get_or_insert_default().failure = Some(failure);
        answer
    }

    /// Why Mesh made it, or the one that it stands for.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.aside.as_ref()?.failure.as_ref()
    }

    /// The same, to give it on.
    pub(crate) fn take_failure(&mut self) -> Option<Failure> {
        self.aside.as_mut()?.failure.take()
    }

    /// It goes to the client in place of `other`: what is known of that, and kept with it, goes along.
    pub(crate) fn stands_for(&mut self, other: &mut Self) {
        let Some(aside) = other.aside.take() else { return };
        self.because(aside.failure);
        if !aside.held.is_empty() {
            self.aside.get_or_insert_default().held.extend(aside.held);
        }
    }

    /// It stands for one that Mesh made because of `failure`, if there is any: that is counted and logged.
    pub(crate) fn because(&mut self, failure: Option<Failure>) {
        if failure.is_some() {
            self.aside.get_or_insert_default().failure = failure;
        }
    }

    /// True if no byte of the request reached a server: it may be sent again, whatever it is.
    pub(crate) fn is_unsent(&self) -> bool {
        matches!(self.failure(), Some(Failure::Forward(error)) if error.is_unsent())
    }

    /// The same, and the middleware that gives it counts this.
    pub(crate) fn counted(mut self, outcome: Outcome) -> Self {
        self.count(outcome);
        self
    }

    /// The same, and it counts these.
    pub(crate) fn counted_all(mut self, outcomes: Outcomes) -> Self {
        self.outcomes.add_all(outcomes);
        self
    }

    /// The middleware that gives it counts this.
    pub(crate) fn count(&mut self, outcome: Outcome) {
        self.outcomes.add(outcome);
    }

    /// What the middleware that gave it counts.
    pub(crate) fn take_outcomes(&mut self) -> Outcomes {
        std::mem::take(&mut self.outcomes)
    }

    /// Keeps `guard` until the answer, or the tunnel that it opens, is over.
    pub(crate) fn hold(&mut self, guard: impl Any) {
        self.aside.get_or_insert_default().held.push(Box::new(guard));
    }

    /// What is kept with it.
    pub(crate) fn take_held(&mut self) -> Held {
        let held = self.aside.as_mut().map(|aside| std::mem::take(&mut aside.held));
        held.unwrap_or_default()
    }

    /// Changes the body that follows. Its length is not known any more. Not for answers without body, as those to HEAD.
    pub(crate) fn change(&mut self, change: impl Change + 'static) {
        self.head.headers.remove(header::CONTENT_LENGTH);
        self.put_ahead(change, None);
    }

    /// Lets `change` see the body that follows; it leaves it as it is.
    pub(crate) fn watch(&mut self, change: impl Change + 'static) {
        let left = self.body.size_hint().exact();
        self.put_ahead(change, left);
    }

    /// Puts parts that were read of the body back in front of it.
    pub(crate) fn put_back(&mut self, parts: Parts) {
        if parts.is_empty() {
            return;
        }
        let lengths = parts
            .iter()
            .filter_map(Frame::data_ref)
            .map(|data| data.len() as u64);
        let read: u64 = lengths.sum();
        let left = self.body.size_hint().exact().map(|rest| rest + read);
        self.put_ahead(PutBack(parts), left);
    }

    fn put_ahead(&mut self, change: impl Change + 'static, left: Option<u64>) {
        let source = std::mem::replace(&mut self.body, Source::Local(Bytes::new()));
        self.body = Source::Changed(Box::new(Changed {
            source,
            changing: Changing::new(Box::new(change)),
            received: 0,
            left,
        }));
    }
}

impl From<Response<Bytes>> for Answer {
    fn from(response: Response<Bytes>) -> Self {
        let (head, body) = response.into_parts();
        Self::new(head, Source::Local(body))
    }
}

impl Source {
    /// The next part.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Local(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Local(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Server(body) => Pin::new(body).poll_frame(cx),
            Self::Changed(changed) => changed.poll_frame(cx),
            Self::Stored(reading) => reading.poll_frame(cx).map_err(BodyError::from),
            Self::Tunnel(_) => Poll::Ready(None),
        }
    }

    /// The next part, once it has come.
    pub(crate) async fn next(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        poll_fn(|cx| self.poll_frame(cx)).await
    }

    /// True when nothing more comes.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Local(bytes) => bytes.is_empty(),
            Self::Server(body) => body.is_end_stream(),
            Self::Changed(changed) => changed.changing.is_over(),
            Self::Stored(reading) => reading.is_over(),
            Self::Tunnel(_) => true,
        }
    }

    /// How much comes.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Local(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Server(body) => body.size_hint(),
            Self::Changed(changed) if changed.changing.is_over() => SizeHint::with_exact(0),
            Self::Changed(changed) => changed.left.map(SizeHint::with_exact).unwrap_or_default(),
            Self::Stored(reading) => reading.size_hint(),
            Self::Tunnel(_) => SizeHint::with_exact(0),
        }
    }

    /// The server's connection, once it is free for the next request.
    pub(crate) fn take_free(&mut self) -> Option<Lease> {
        match self {
            Self::Server(body) => body.take_free(),
            Self::Changed(changed) => changed.source.take_free(),
            Self::Local(_) | Self::Stored(_) | Self::Tunnel(_) => None,
        }
    }

    /// How many bytes of a server went into what came out since this was asked last; `part` came out.
    pub(crate) fn received(&mut self, part: &Frame<Bytes>) -> usize {
        match self {
            Self::Server(_) | Self::Stored(_) => part.data_ref().map_or(0, Bytes::len),
            Self::Changed(changed) => std::mem::take(&mut changed.received),
            Self::Local(_) | Self::Tunnel(_) => 0,
        }
    }
}

impl Changed {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let (source, received) = (&mut self.source, &mut self.received);
        let polled = self.changing.poll(cx, |cx| {
            let polled = source.poll_frame(cx);
            if let Poll::Ready(Some(Ok(part))) = &polled {
                *received += source.received(part);
            }
            polled
        });
        if let (Some(left), Poll::Ready(Some(Ok(part)))) = (&mut self.left, &polled) {
            *left = left.saturating_sub(part.data_ref().map_or(0, Bytes::len) as u64);
        }
        polled
    }
}

/// Checks an answer, and takes off what belongs to the server's connection. Its body is `shared` where requests
/// share the connection.
pub(super) fn accept(
    mut response: Response<()>,
    shared: Option<Incoming>,
    lease: Lease,
    in_flight: InFlight,
    call: &Call,
) -> Result<Answer, ForwardError> {
    let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if switches && !call.offered().is_some_and(|name| switches_to(&response, name)) {
        return Err(ForwardError::UnaskedUpgrade(lease.server.authority.clone()));
    }
    if switches
        && !call
            .handshake()
            .is_none_or(|it| it.is_accepted(response.headers()))
    {
        return Err(ForwardError::Handshake(lease.server.authority.clone()));
    }
    if response.status().as_u16() > 599 {
        return Err(ForwardError::Status {
            server: lease.server.authority.clone(),
            status: response.status(),
        });
    }
    // Over HTTP/1.1 the codec has left it out already, but for what tells of an upgrade.
    if shared.is_some() || switches {
        strip(&mut response).map_err(|()| ForwardError::TransferEncoding(lease.server.authority.clone()))?;
    }
    let (mut head, ()) = response.into_parts();
    // What the codec notes for itself is not the client's business.
    head.extensions.clear();
    // Each hop speaks its own version (RFC 9110 2.5); the codec lowers it for an older client.
    head.version = Version::HTTP_11;
    if !switches {
        let mut body = AnswerBody::new(shared, lease, in_flight);
        body.limit(call.limits().idle, call.deadline());
        let body = Source::Server(Box::new(body));
        return Ok(Answer::new(head, body));
    }
    let switched = match lease.sender {
        Sender::One(connection) => connection.into_switched(),
        Sender::Shared(_) => None,
    };
    let switched = switched.ok_or_else(|| ForwardError::UnaskedUpgrade(lease.server.authority.clone()))?;
    tell(&mut head, call);
    let tunnel = Tunnel {
        server: switched,
        in_flight,
        held: Held::new(),
    };
    Ok(Answer::new(head, Source::Tunnel(Box::new(tunnel))))
}

/// Tells the client that it goes on with another protocol: within HTTP/2 by success alone (RFC 8441 5).
fn tell(head: &mut response::Parts, call: &Call) {
    if call.handshake().is_some() {
        head.status = StatusCode::OK;
        head.headers.remove(header::SEC_WEBSOCKET_ACCEPT);
        head.headers.remove(header::CONTENT_LENGTH);
        return;
    }
    head.headers
        .insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(name) = call.offered() {
        head.headers.insert(header::UPGRADE, name.clone());
    }
}

/// True when a server goes on with what it was asked for, and nothing beside it.
fn switches_to<B>(response: &Response<B>, name: &HeaderValue) -> bool {
    let mut upgrades = tokens(response.headers(), header::UPGRADE);
    let is_same = |token: &str| token.as_bytes().eq_ignore_ascii_case(name.as_bytes());
    upgrades.next().is_some_and(is_same) && upgrades.next().is_none()
}

/// Takes off hop-by-hop headers and framing; fails on framing that can be read in two ways.
fn strip<B>(response: &mut Response<B>) -> Result<(), ()> {
    let mut dropped: SmallVec<[HeaderName; 4]> = SmallVec::new();
    let mut chunked = false;
    response.headers_mut().remove(&X_MESH_REASON);
    for name in response.headers().keys() {
        if !is_hop_by_hop(name.as_str()) {
            continue;
        }
        dropped.push(name.clone());
        if *name == header::TRANSFER_ENCODING {
            let mut lines = response.headers().get_all(name).iter();
            let is_chunked = lines
                .next()
                .is_some_and(|line| line.as_bytes().eq_ignore_ascii_case(b"chunked"));
            if !is_chunked || lines.next().is_some() {
                return Err(());
            }
            chunked = true;
        }
        if *name == header::CONNECTION {
            let named = tokens(response.headers(), header::CONNECTION)
                .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
                .filter(|name| *name != header::CONTENT_LENGTH);
            dropped.extend(named);
        }
    }
    if chunked {
        dropped.push(header::CONTENT_LENGTH);
    }
    for name in dropped {
        response.headers_mut().remove(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(headers: &[(&str, &str)]) -> Result<Vec<String>, ()> {
        let mut response = Response::new(());
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            response.headers_mut().append(name, value.parse().unwrap());
        }
        strip(&mut response)?;
        let mut names: Vec<_> = response.headers().keys().map(ToString::to_string).collect();
        names.sort();
        Ok(names)
    }

    #[test]
    fn what_belongs_to_the_servers_connection_is_taken_off() {
        let headers = [
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("proxy-authenticate", "x"),
            ("upgrade", "h2c"),
            ("trailer", "x-sum"),
            ("x-mesh-reason", "forged"),
            ("x-kept", "1"),
        ];
        assert_eq!(stripped(&headers).unwrap(), ["trailer", "x-kept"]);
    }

    #[test]
    fn chunked_wins_over_a_length_and_nothing_else_is_a_coding() {
        let both = [("content-length", "5"), ("transfer-encoding", "chunked")];
        assert!(stripped(&both).unwrap().is_empty());
        assert!(stripped(&[("transfer-encoding", "foo")]).is_err());
        assert!(stripped(&[("transfer-encoding", "gzip, chunked")]).is_err());
    }
}

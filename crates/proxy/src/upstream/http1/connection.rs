//! One connection to a server, with the request and the answer that are on it.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body::{Frame, SizeHint};
use mesh_config::model::ForwardingTimeouts;
use tokio::io::{AsyncRead, ReadBuf};

use super::{AnswerError, RequestBody, RequestHead, Switched, answer_head, outgoing::Outgoing};
use crate::{http1::Inlet, patience::limit, upstream::ServerWire};

/// Interim answers (103, for one) before the final one.
const MAX_INTERIM: u8 = 16;

/// One connection to a server.
#[derive(Debug)]
pub(super) struct Connection {
    wire: ServerWire,
    /// How long the server is waited for to take bytes, and how long once it has answered completely.
    write_limit: Option<Duration>,
    early_limit: Option<Duration>,
    outgoing: Outgoing,
    inlet: Inlet,
    to_head: bool,
    interim: u8,
    keep_alive: bool,
    /// Why the rest of the answer will not come.
    failure: Option<AnswerError>,
    /// The rest of a request whose answer has begun is written by a task of its own; who that is, and who reads
    /// the answer meanwhile.
    pub(super) sending: bool,
    pub(super) writer: Option<Waker>,
    reader: Option<Waker>,
    /// Nobody wants the answer.
    pub(super) abandoned: bool,
}

impl Connection {
    /// A new connection, which waits within `limits` for the server to take bytes.
    pub(super) fn new(wire: ServerWire, limits: &ForwardingTimeouts) -> Self {
        let write_limit = limit(limits.write_timeout);
        let early_limit = limit(limits.early_answer_timeout);
        Self {
            wire,
            write_limit,
            early_limit: [write_limit, early_limit].into_iter().flatten().min(),
            outgoing: Outgoing::default(),
            inlet: Inlet::default(),
            to_head: false,
            interim: 0,
            keep_alive: true,
            failure: None,
            sending: false,
            writer: None,
            reader: None,
            abandoned: false,
        }
    }

    /// A request is sent from now on.
    pub(super) fn begin(&mut self, head: &RequestHead<'_>, body: &RequestBody) {
        self.outgoing = Outgoing::new(head, body);
        self.to_head = head.method == Method::HEAD;
        self.interim = 0;
        self.inlet.begin();
    }

    /// True when the server has neither closed the connection nor said anything unasked.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let mut seen = ReadBuf::new(&mut byte);
        let mut cx = Context::from_waker(Waker::noop());
        self.inlet.bytes.is_empty()
            && Pin::new(&mut self.wire)
                .poll_read(&mut cx, &mut seen)
                .is_pending()
    }

    /// The same, asking the system: it may know what the runtime does not know yet.
    pub(super) fn is_quiet_now(&mut self) -> bool {
        self.is_quiet() && self.wire.is_quiet()
    }

    /// True when it may be used for another request.
    pub(super) fn is_free(&self) -> bool {
        self.keep_alive && self.is_over() && self.outgoing.is_whole() && self.inlet.bytes.is_empty()
    }

    /// Gives back memory that an idle connection has no use for.
    pub(super) fn rest(&mut self) {
        self.inlet.rest();
        self.outgoing = Outgoing::default();
    }

    /// True when all of the answer was read.
    pub(super) fn is_over(&self) -> bool {
        self.inlet.is_over()
    }

    /// True when all of the request was written.
    pub(super) fn is_sent(&self) -> bool {
        self.outgoing.is_over()
    }

    /// How much of the body is still to come.
    pub(super) fn size_hint(&self) -> SizeHint {
        self.inlet.size_hint()
    }

    /// Writes the request.
    pub(super) fn poll_send(
        &mut self,
        body: &mut RequestBody,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), AnswerError>> {
        let limit = match self.sending && self.is_over() {
            true => self.early_limit,
            false => self.write_limit,
        };
        self.outgoing.poll(&mut self.wire, body, limit, cx)
    }

    /// The answer has begun, and not all of the request is written: a task does that from now on.
    pub(super) fn begin_sending(&mut self) {
        self.sending = true;
        if self.is_over() {
            self.outgoing.wait_anew();
        }
    }

    /// Nothing more is written: with a `failure`, nothing more of the answer will come either.
    pub(super) fn end_sending(&mut self, failure: Option<AnswerError>) {
        self.sending = false;
        self.writer = None;
        self.keep_alive &= failure.is_none();
        self.failure = failure;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Ready when nothing more is written.
    pub(super) fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.sending {
            return Poll::Ready(());
        }
        self.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Writes what there is of the request, and reads the head of the answer.
    pub(super) fn poll_exchange(
        &mut self,
        body: &mut RequestBody,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<()>, AnswerError>> {
        if !self.outgoing.is_over()
            && let Poll::Ready(sent) = self.poll_send(body, cx)
        {
            sent?;
        }
        loop {
            if self.inlet.may_hold_head(answer_head::MAX_HEAD)
                && let Some(head) = answer_head::parse(&mut self.inlet.bytes, self.to_head)?
            {
                let status = head.response.status();
                if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
                    self.interim += 1;
                    if self.interim > MAX_INTERIM {
                        return Poll::Ready(Err(AnswerError::Interim));
                    }
                    self.inlet.begin();
                    continue;
                }
                self.keep_alive = head.keep_alive && status != StatusCode::SWITCHING_PROTOCOLS;
                self.inlet.expect(head.framing);
                return Poll::Ready(Ok(head.response));
            }
            if ready!(self.inlet.poll_head(&mut self.wire, cx))? == 0 {
                return Poll::Ready(Err(AnswerError::Closed));
            }
        }
    }

    /// The next part of the answer's body.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        let polled = self.inlet.poll_part(&mut self.wire, cx);
        if self.sending {
            if polled.is_pending() {
                self.reader = Some(cx.waker().clone());
            } else if self.is_over() {
                // From here on the rest of the request has another limit.
                self.outgoing.wait_anew();
                if let Some(writer) = self.writer.take() {
                    writer.wake();
                }
            }
        }
        polled.map(|part| part.map_err(AnswerError::from).transpose())
    }

    /// What it is once both ends speak another protocol.
    pub(super) fn into_switched(self) -> Switched {
        Switched {
            wire: self.wire,
            early: self.inlet.bytes.freeze(),
        }
    }
}

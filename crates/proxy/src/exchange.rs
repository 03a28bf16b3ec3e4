//! What is known of one request, from its first byte to the last of its answer.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header, response};
use http_body::Frame;
use hyper::upgrade::OnUpgrade;
use mesh_telemetry::{
    access_log::{Headers, Record},
    metrics::{GrpcStatus, Observation, Protocol},
};

use crate::{
    entrypoint::{Client, Incoming, Rest, carry},
    forward::{Answer, Trail, Tunnel},
    respond::Failure,
    sanitize::is_websocket_stream,
    table::{Route, Target},
    upstream::{BodyError, Lease, Upload},
};

/// The status of requests whose client left before there was an answer; only in logs and metrics.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// One request. Dropping it ends it, whatever became of it: it is counted and logged then.
#[derive(Debug)]
pub(crate) struct Exchange {
    client: Rc<Client>,
    started: Instant,
    method: Method,
    version: Version,
    protocol: Protocol,
    route: Option<Arc<Route>>,
    trail: Trail,
    upload: Option<Rc<Upload>>,
    has_body: bool,
    /// Its stream of HTTP/2, where it is to become a tunnel.
    stream: Option<OnUpgrade>,
    refused: bool,
    /// It has a place among the requests in flight.
    admitted: bool,
    /// What there is of the answer waits for the client to take it.
    waiting: bool,
    status: Option<u16>,
    grpc: GrpcStatus,
    sent: u64,
    log: Option<Box<Draft>>,
}

/// What an access log line needs beside the above.
#[derive(Debug)]
struct Draft {
    start: SystemTime,
    uri: Uri,
    host: Option<HeaderValue>,
    forwarded_for: Option<HeaderValue>,
    request_headers: Headers,
    response_headers: Headers,
}

impl Exchange {
    /// A request whose head is complete.
    pub(crate) fn begin(client: Rc<Client>, request: &Request<Incoming>) -> Self {
        let started = client.begin_request();
        let log = client.access_log().map(|log| {
            Box::new(Draft {
                start: SystemTime::now(),
                uri: request.uri().clone(),
                host: request.headers().get(header::HOST).cloned(),
                forwarded_for: client.peer().forwarded_for(request.headers()),
                request_headers: log.picked(request.headers()),
                response_headers: Headers::default(),
            })
        });
        Self {
            client,
            started,
            method: request.method().clone(),
            version: request.version(),
            protocol: match is_websocket_stream(request.extensions()) {
                true => Protocol::Websocket,
                false => Protocol::of(request.headers()),
            },
            route: None,
            trail: Trail::default(),
            upload: None,
            has_body: !request.body().is_over(),
            stream: None,
            refused: false,
            admitted: false,
            waiting: false,
            status: None,
            grpc: GrpcStatus::default(),
            sent: 0,
            log,
        }
    }

    /// Takes its place among the requests in flight, if there is one left.
    pub(crate) fn admit(&mut self) -> Result<(), Failure> {
        self.admitted = self.client.enter();
        match self.admitted {
            true => Ok(()),
            false => Err(Failure::Overload),
        }
    }

    /// The connection it came over.
    pub(crate) fn client(&self) -> &Rc<Client> {
        &self.client
    }

    /// It goes this way.
    pub(crate) fn take(&mut self, route: &Arc<Route>) {
        self.route = Some(route.clone());
        for name in &route.secret_parameters {
            self.trail.hide_parameter(name.clone());
        }
        if matches!(route.target, Target::Unavailable { .. }) {
            // The middleware that knows which parameter is a key may be what is broken.
            self.trail.hide_query();
        }
    }

    /// Its body is on its way to a server.
    pub(crate) fn receives(&mut self, upload: Option<Rc<Upload>>) {
        self.upload = upload;
    }

    /// It asks for a tunnel in place of its stream of HTTP/2.
    pub(crate) fn asks_for_tunnel(&mut self, stream: Option<OnUpgrade>) {
        self.stream = stream;
    }

    /// True while a success would tell its client that the tunnel stands.
    pub(crate) fn awaits_tunnel(&self) -> bool {
        self.stream.is_some()
    }

    /// After the answer that is being made, bytes flow to and from a server.
    pub(crate) fn tunnel_to(&mut self, tunnel: Tunnel) {
        match self.stream.take() {
            Some(stream) => carry(&self.client, stream, tunnel),
            None => self.client.tunnel_to(tunnel),
        }
    }

    /// What forwarding leaves behind.
    pub(crate) fn trail(&mut self) -> &mut Trail {
        &mut self.trail
    }

    /// The answer that Mesh makes itself.
    pub(crate) fn fail(&self, failure: Failure) -> Answer {
        self.client.fail(failure)
    }

    /// What the client gets comes of `failure`.
    pub(crate) fn failed(&mut self, failure: &Failure) {
        self.refused |= failure.ends_connection();
        if let Some(reason) = failure.refusal() {
            self.client.refused(reason);
        }
        if let Some(reason) = failure.fault() {
            self.client.failed(reason);
        }
        let router = self.route.as_ref().map(|route| &**route.label);
        tracing::debug!(router, %failure, "answering without a server");
    }

    /// Its answer begins.
    pub(crate) fn answered(&mut self, head: &response::Parts) {
        self.status = Some(head.status.as_u16());
        self.told(&head.headers);
        if let (Some(draft), Some(log)) = (&mut self.log, self.client.access_log()) {
            draft.response_headers = log.picked(&head.headers);
        }
    }

    /// What headers or trailers of its answer say of a gRPC call.
    fn told(&mut self, headers: &HeaderMap) {
        if self.protocol.is_grpc() {
            self.grpc.read(headers);
        }
    }

    /// True when no further request is wanted on its connection. Where requests share one, a refused one ends
    /// alone.
    pub(crate) fn is_last(&self) -> bool {
        let worn_out = self.client.is_worn_out(self.started);
        if worn_out && self.client.is_multiplexed() {
            self.client.leave();
        }
        worn_out || self.refused
    }

    /// The client takes further parts of the answer.
    pub(crate) fn wanted(&mut self) {
        if std::mem::take(&mut self.waiting) {
            self.client.took();
        }
    }

    /// A part of the answer goes to the client, made of so many bytes `received` from a server.
    pub(crate) fn sent(&mut self, part: &Frame<Bytes>, received: usize) {
        if let Some(trailers) = part.trailers_ref() {
            self.told(trailers);
        }
        let bytes = part.data_ref().map_or(0, Bytes::len);
        if bytes > 0 && self.client.is_multiplexed() {
            self.waiting = true;
            self.client.waits(bytes);
        }
        self.sent += bytes as u64;
        self.trail.received(received);
    }

    /// The rest of the answer will not come. The codec cuts the client's connection; a client that takes the
    /// end of the connection for the end of the answer must see a reset.
    pub(crate) fn cut(&mut self, error: &BodyError) {
        self.trail.end(Instant::now());
        let server = self.trail.server().map(|server| &*server.authority);
        tracing::debug!(server, %error, "cutting an answer");
        if self.version == Version::HTTP_10 {
            self.client.reset_on_close(true);
        }
    }

    /// The server's answer is complete, and the connection to it free.
    pub(crate) fn put_back(&mut self, lease: Lease) {
        let now = Instant::now();
        self.trail.end(now);
        let upstreams = self.client.upstreams();
        upstreams.put_back(lease, self.upload.as_ref(), now);
    }

    fn request_bytes(&self) -> u64 {
        self.upload.as_ref().map_or(0, |upload| upload.bytes())
    }

    fn is_internal(&self) -> bool {
        self.route
            .as_ref()
            .is_some_and(|route| matches!(route.target, Target::Internal(_)))
    }

    /// What of the request's body may still come.
    fn rest(&mut self) -> Rest {
        match self.upload.take() {
            Some(upload) if upload.finished().is_none() => Rest::Upload(upload),
            None if self.has_body => Rest::Unread,
            Some(_) | None => Rest::Nothing,
        }
    }

    fn count(&self, status: u16, now: Instant) {
        let settings = self.client.settings();
        let wanted = self.route.as_ref().and_then(|route| route.observability.metrics);
        let Some(shard) = self
            .client
            .shard()
            .filter(|_| wanted.unwrap_or(settings.observability.metrics))
        else {
            return;
        };
        shard.record(&Observation {
            entry_point: self.client.entry_point_name(),
            router: self.route.as_ref().map(|route| &route.label),
            service: self.route.as_ref().and_then(|route| route.service.as_ref()),
            code: match self.protocol.is_grpc() {
                true => self.grpc.code(),
                false => status,
            },
            method: &self.method,
            protocol: self.protocol,
            duration: now.duration_since(self.started),
            request_bytes: self.request_bytes(),
            response_bytes: self.sent,
            retries: self.trail.retries(),
            internal: self.is_internal(),
        });
    }

    fn log(&mut self, status: u16, now: Instant) {
        let settings = self.client.settings();
        let wanted = self
            .route
            .as_ref()
            .and_then(|route| route.observability.access_logs);
        let Some(draft) = self
            .log
            .take()
            .filter(|_| wanted.unwrap_or(settings.observability.access_logs))
        else {
            return;
        };
        let Some(log) = self.client.access_log() else {
            return;
        };
        log.record(Record {
            start: draft.start,
            duration: now.duration_since(self.started),
            entry_point: (**self.client.entry_point_name()).clone(),
            router: self.route.as_ref().map(|route| (*route.label).clone()),
            service: self
                .route
                .as_ref()
                .and_then(|route| route.service.as_deref().cloned()),
            client: self.client.address(),
            client_user: self.trail.user(),
            method: self.method.clone(),
            uri: self.trail.shown(draft.uri),
            version: self.version,
            scheme: self.client.peer().scheme(),
            host: draft.host,
            request_bytes: self.request_bytes(),
            forwarded_for: draft.forwarded_for,
            request_headers: draft.request_headers,
            origin: self.trail.origin(now),
            status,
            response_bytes: self.sent,
            response_headers: draft.response_headers,
            retries: self.trail.retries(),
            internal: self.is_internal(),
        });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let now = Instant::now();
        let status = match self.status {
            Some(status) => status,
            None if std::thread::panicking() => 500,
            None => CLIENT_CLOSED_REQUEST,
        };
        self.count(status, now);
        self.log(status, now);
        if self.admitted {
            self.client.leave_room();
        }
        let rest = self.rest();
        self.wanted();
        self.client.abandons(self.status.is_none());
        self.client.end_request(now, rest, self.refused);
    }
}

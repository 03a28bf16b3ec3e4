//! The client at the other end of one connection.

use std::{
    cell::{Cell, OnceCell, RefCell},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use arc_swap::Guard;
use mesh_telemetry::{
    access_log::AccessLog,
    metrics::{Fault, Label, Refusal, Shard},
};
use mesh_tls::OptionsGuard;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::{
    Entry, Phases,
    http2::{Frames, Taking},
};
use crate::{
    forward::{Answer, Tunnel},
    respond::Failure,
    sanitize::Peer,
    settings::EntryPoint,
    table::RoutingTable,
    upstream::{Upload, Upstreams},
};

/// What may still come of a request whose answer is complete.
#[derive(Debug)]
pub(crate) enum Rest {
    /// Nothing.
    Nothing,
    /// The rest of its body, on its way to a server.
    Upload(Rc<Upload>),
    /// The rest of its body, which nobody takes.
    Unread,
}

/// Requests of one connection that a client may give up, beside as many as it lets come to an end; then the
/// connection ends. Browsers give up dozens at once; what gives up more wants the work and not the answer.
const MAX_ABANDONED: u32 = 128;

/// What its requests share: made once, when the connection is accepted.
#[derive(Debug)]
pub(crate) struct Client {
    pub(super) entry: Rc<Entry>,
    pub(super) phases: Rc<Phases>,
    peer: Peer,
    address: SocketAddr,
    accepted: Instant,
    guard: Cell<Option<OptionsGuard>>,
    requests: Cell<u64>,
    has_refused: Cell<bool>,
    reset: Cell<bool>,
    leaving: Cell<bool>,
    abandoned: Cell<u32>,
    tunnel: RefCell<Option<Tunnel>>,
    /// Only of HTTP/2.
    frames: OnceCell<Rc<Frames>>,
    /// The same, for the stream that is running.
    pub(super) taking: Cell<Taking>,
}

impl Client {
    pub(super) fn new(entry: Rc<Entry>, address: SocketAddr) -> Rc<Self> {
        let accepted = Instant::now();
        let settings = &entry.settings;
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        Rc::new(Self {
            phases: Rc::new(Phases::new(&settings.transport.responding_timeouts, accepted)),
            peer: Peer::new(address.ip(), entry.server.clone(), &settings.forwarded_headers),
            entry,
            address,
            accepted,
            guard: Cell::new(None),
            requests: Cell::new(0),
            has_refused: Cell::new(false),
            reset: Cell::new(false),
            leaving: Cell::new(false),
            abandoned: Cell::new(0),
            tunnel: RefCell::new(None),
            frames: OnceCell::new(),
            taking: Cell::default(),
        })
    }

    /// The settings of its entrypoint.
    pub(crate) fn settings(&self) -> &EntryPoint {
        &self.entry.settings
    }

    /// Its entrypoint's place in the table.
    pub(crate) fn entry_point(&self) -> usize {
        self.entry.index
    }

    /// The name of its entrypoint.
    pub(crate) fn entry_point_name(&self) -> &Label {
        &self.entry.name
    }

    /// What servers learn of it.
    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Its end of the connection.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What follows comes over TLS, from a client that proved who it is by these certificates, if by any; `guard` tells
    /// what it may ask for.
    pub(super) fn secured(&self, guard: OptionsGuard, certificates: Option<&[CertificateDer<'static>]>) {
        self.peer.secure();
        self.guard.set(Some(guard));
        if let Some(chain) = certificates {
            self.peer.present(chain);
        }
        self.phases.answered(Instant::now());
    }

    /// What tells which routes over TLS the connection may be used for; `None` in the clear.
    pub(crate) fn guard(&self) -> Option<OptionsGuard> {
        self.guard.get()
    }

    /// The routing table in force.
    pub(crate) fn table(&self) -> Guard<Arc<RoutingTable>> {
        self.entry.worker.table.load()
    }

    /// This worker's connections to servers.
    pub(crate) fn upstreams(&self) -> &Rc<Upstreams> {
        &self.entry.worker.upstreams
    }

    /// This worker's numbers.
    pub(crate) fn shard(&self) -> Option<&Shard> {
        self.entry.worker.shard.as_ref()
    }

    /// The access log.
    pub(crate) fn access_log(&self) -> Option<&AccessLog> {
        self.entry.worker.access_log.as_deref()
    }

    /// A request's head is complete. Returns when its first byte came.
    pub(crate) fn begin_request(&self) -> Instant {
        self.requests.set(self.requests.get() + 1);
        self.phases.answering()
    }

    /// Takes a place among the requests in flight; false when all are taken.
    pub(crate) fn enter(&self) -> bool {
        self.entry.room.enter()
    }

    /// Gives it back.
    pub(crate) fn leave_room(&self) {
        self.entry.room.leave();
    }

    /// No server answered one of its requests.
    pub(crate) fn failed(&self, reason: Fault) {
        if let Some(counts) = &self.entry.counts {
            counts.failed(reason);
        }
    }

    /// One of its requests gets no further.
    pub(crate) fn refused(&self, reason: Refusal) {
        if let Some(counts) = &self.entry.counts {
            counts.refused(reason);
        }
        if reason == Refusal::Overload && self.entry.reminders.requests.is_due(Instant::now()) {
            let name = &self.entry.name;
            tracing::warn!(
                entry_point = %name, in_flight = self.settings().http.max_in_flight_requests,
                "entryPoints.{name}.http.maxInFlightRequests is reached; requests are answered 503"
            );
        }
    }

    /// The answer that Mesh makes to one of its requests because of `failure`.
    pub(crate) fn fail(&self, failure: Failure) -> Answer {
        Answer::of(failure, self.settings().http.reason_header)
    }

    /// True if requests share the connection.
    pub(crate) fn is_multiplexed(&self) -> bool {
        self.phases.is_multiplexed()
    }

    /// From now on its frames are counted.
    pub(super) fn count_frames(&self, frames: Frames) -> Rc<Frames> {
        self.frames.get_or_init(|| Rc::new(frames)).clone()
    }

    /// One answer more waits for the client to take `length` bytes of it.
    pub(crate) fn waits(&self, length: usize) {
        self.phases.waiting(true);
        self.taking.set(self.taking.get().waits());
        if let Some(frames) = self.frames.get() {
            frames.sent(length);
        }
    }

    /// The client has taken what there was of an answer.
    pub(crate) fn took(&self) {
        self.phases.waiting(false);
        self.taking.set(self.taking.get().took());
    }

    /// The client gave up a request (`true`), or let it come to an answer.
    pub(crate) fn abandons(&self, request: bool) {
        let known = self.abandoned.get();
        self.abandoned.set(match request {
            true => known.saturating_add(1),
            false => known.saturating_sub(1),
        });
    }

    /// True when the client gives up more than is served to it.
    pub(super) fn is_wasteful(&self) -> bool {
        self.is_multiplexed() && self.abandoned.get() > MAX_ABANDONED
    }

    /// Serve what is open, and nothing more.
    pub(crate) fn leave(&self) {
        self.leaving.set(true);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    /// A request is over; after a refused one nothing on the connection is taken for a request.
    pub(crate) fn end_request(&self, now: Instant, rest: Rest, refused: bool) {
        self.has_refused.set(refused);
        match rest {
            Rest::Nothing => self.phases.answered(now),
            Rest::Upload(upload) => self.phases.answered_early(now, Some(upload)),
            Rest::Unread => self.phases.answered_early(now, None),
        }
    }

    /// What came is no request, and nothing after it is taken for one.
    pub(super) fn refuse(&self, reason: Refusal) {
        self.has_refused.set(true);
        self.refused(reason);
    }

    /// Something was answered by a refusal.
    pub(super) fn has_refused(&self) -> bool {
        self.has_refused.get()
    }

    /// The client may still be sending what nobody will read.
    pub(super) fn has_unread(&self) -> bool {
        self.has_refused.get() || self.phases.is_early()
    }

    /// True when the connection has served as long, or as many requests, as the settings allow.
    pub(crate) fn is_worn_out(&self, now: Instant) -> bool {
        let limits = &self.entry.settings.transport;
        let (requests, time) = (limits.keep_alive_max_requests, limits.keep_alive_max_time);
        (requests > 0 && self.requests.get() >= requests)
            || (!time.is_zero() && now.duration_since(self.accepted) >= time)
    }

    /// Close with a reset instead of an orderly end, or not.
    pub(crate) fn reset_on_close(&self, reset: bool) {
        self.reset.set(reset);
    }

    pub(super) fn wants_reset(&self) -> bool {
        self.reset.get()
    }

    /// After the answer that is being made, bytes flow to and from a server.
    pub(crate) fn tunnel_to(&self, tunnel: Tunnel) {
        self.tunnel.replace(Some(tunnel));
    }

    pub(super) fn has_tunnel(&self) -> bool {
        self.tunnel.borrow().is_some()
    }

    pub(super) fn tunnel(&self) -> Option<Tunnel> {
        self.tunnel.take()
    }
}

//! What a client connection is doing, and until when it may.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use crate::{patience::limit, settings::RespondingTimeouts, upstream::Upload};

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waiting for the first byte of a request.
    Idle,
    /// Reading the head of a request.
    Head,
    /// Answering a request.
    Answering,
    /// Done answering a request of which more may come.
    Early,
    /// Carrying bytes to and from a server.
    Tunnel,
}

/// Requests that share one connection.
#[derive(Debug, Clone, Copy)]
struct Streams {
    /// Those that are being answered.
    open: usize,
    /// Those of them whose answer waits for the client to take it.
    waiting: usize,
    /// When bytes passed for the last time.
    moved: Instant,
}

/// Follows one connection through its phases. Written by the socket and by the requests, read by the
/// connection's one timer, so that no request starts or stops a timer.
#[derive(Debug)]
pub(crate) struct Phases {
    phase: Cell<Phase>,
    since: Cell<Instant>,
    blocked_since: Cell<Option<Instant>>,
    upload: RefCell<Option<Rc<Upload>>>,
    /// Only where requests share the connection.
    streams: Cell<Option<Streams>>,
    head_limit: Option<Duration>,
    idle_limit: Option<Duration>,
    tunnel_limit: Option<Duration>,
    half_closed_limit: Option<Duration>,
    /// When the client ended its side, or took bytes after that.
    left: Cell<Option<Instant>>,
    write_limit: Option<Duration>,
}

impl Phases {
    /// A connection that was accepted at `now`.
    pub(crate) fn new(limits: &RespondingTimeouts, now: Instant) -> Self {
        Self {
            phase: Cell::new(Phase::Idle),
            since: Cell::new(now),
            blocked_since: Cell::new(None),
            upload: RefCell::default(),
            streams: Cell::new(None),
            head_limit: limits.head(),
            idle_limit: limit(limits.idle_timeout),
            tunnel_limit: limit(limits.tunnel_idle_timeout),
            half_closed_limit: limit(limits.half_closed_timeout),
            left: Cell::new(None),
            write_limit: limit(limits.write_timeout),
        }
    }

    /// From now on requests share the connection: each may begin before the one before is over. What passes
    /// while none is open ends no idle time.
    pub(crate) fn multiplexing(&self) {
        let moved = Instant::now();
        self.streams.set(Some(Streams {
            open: 0,
            waiting: 0,
            moved,
        }));
    }

    /// True if requests share the connection.
    pub(crate) fn is_multiplexed(&self) -> bool {
        self.streams.get().is_some()
    }

    /// One answer more (or less) waits for the client to take what there is of it.
    pub(crate) fn waiting(&self, more: bool) {
        self.update_streams(|streams| match more {
            true => streams.waiting += 1,
            false => streams.waiting = streams.waiting.saturating_sub(1),
        });
    }

    /// Changes what is known of the streams. `None` where requests come one after the other.
    fn update_streams(&self, change: impl FnOnce(&mut Streams)) -> Option<Streams> {
        let mut streams = self.streams.get()?;
        change(&mut streams);
        self.streams.set(Some(streams));
        Some(streams)
    }

    /// Bytes came in.
    pub(crate) fn received(&self) {
        if self
            .update_streams(|streams| streams.moved = Instant::now())
            .is_some()
        {
            return;
        }
        self.settle();
        if self.phase.get() == Phase::Tunnel {
            self.since.set(Instant::now());
            return;
        }
        if self.phase.get() == Phase::Idle {
            self.phase.set(Phase::Head);
            self.since.set(Instant::now());
        }
    }

    /// A head is complete. Returns when its first byte came.
    pub(crate) fn answering(&self) -> Instant {
        if self.update_streams(|streams| streams.open += 1).is_some() {
            self.phase.set(Phase::Answering);
            return Instant::now();
        }
        // A request that came together with the one before has made no read of its own.
        if self.phase.replace(Phase::Answering) != Phase::Head {
            self.since.set(Instant::now());
        }
        self.since.get()
    }

    /// An answer is complete.
    pub(crate) fn answered(&self, now: Instant) {
        let streams = self.update_streams(|streams| streams.open = streams.open.saturating_sub(1));
        if streams.is_some_and(|streams| streams.open > 0) {
            return;
        }
        self.phase.set(Phase::Idle);
        self.since.set(now);
    }

    /// An answer is complete and its request is not: what comes until the end of `upload` is no new head.
    /// Without one nobody takes the rest; the codec skips it or ends the connection.
    pub(crate) fn answered_early(&self, now: Instant, upload: Option<Rc<Upload>>) {
        self.answered(now);
        if self.is_multiplexed() {
            return;
        }
        self.phase.set(Phase::Early);
        self.upload.replace(upload);
    }

    /// The request is complete, too, if it was not when its answer was.
    pub(crate) fn settled(&self) {
        if self.phase.get() == Phase::Early {
            self.upload.take();
            self.answered(Instant::now());
        }
    }

    /// From now on bytes of any kind pass both ways.
    pub(crate) fn tunnelling(&self) {
        self.answered(Instant::now());
        self.phase.set(Phase::Tunnel);
    }

    /// Notices that a request has come to its end after its answer.
    fn settle(&self) {
        if self.phase.get() != Phase::Early {
            return;
        }
        let finished = self.upload.borrow().as_ref().and_then(|upload| upload.finished());
        if let Some(at) = finished {
            self.answered(at);
            self.upload.take();
        }
    }

    /// True while the client may be sending the rest of a request that was answered without it.
    pub(crate) fn is_early(&self) -> bool {
        self.settle();
        self.phase.get() == Phase::Early
    }

    /// The client took bytes, or took none.
    pub(crate) fn wrote(&self, blocked: bool) {
        if !blocked {
            self.update_streams(|streams| streams.moved = Instant::now());
            if self.phase.get() == Phase::Tunnel {
                self.since.set(Instant::now());
            }
            if self.left.get().is_some() {
                self.client_left();
            }
            let answered = matches!(self.phase.get(), Phase::Idle | Phase::Early);
            if self.blocked_since.replace(None).is_some() && answered {
                self.since.set(Instant::now());
            }
        } else if self.blocked_since.get().is_none() {
            self.blocked_since.set(Some(Instant::now()));
        }
    }

    /// Nothing is left that the client could take, or it took none of it. TLS accepts bytes before the client does.
    pub(crate) fn flushed(&self, blocked: bool) {
        if blocked || self.blocked_since.get().is_some() {
            self.wrote(blocked);
        }
    }

    /// True while the client takes none of what is there for it.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked_since.get().is_some()
    }

    /// The client sends nothing more. It may wait for its answer, or be gone.
    pub(crate) fn client_left(&self) {
        self.left.set(Some(Instant::now()));
    }

    /// True while nothing is going on.
    pub(crate) fn is_idle(&self) -> bool {
        self.phase.get() == Phase::Idle
    }

    /// True while a request is being answered.
    pub(crate) fn is_answering(&self) -> bool {
        self.phase.get() == Phase::Answering
    }

    /// True while a request's head has begun but is not complete.
    pub(crate) fn is_reading_head(&self) -> bool {
        self.phase.get() == Phase::Head
    }

    /// When the connection has to end unless something happens; `None` while nothing limits it.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.settle();
        let phase = match self.phase.get() {
            // The end of an answer is still on its way.
            Phase::Idle | Phase::Early if self.blocked_since.get().is_some() => None,
            Phase::Idle => self.idle_limit,
            Phase::Head => self.head_limit,
            Phase::Answering => None,
            Phase::Tunnel => self.tunnel_limit,
            Phase::Early => {
                // Nobody says when it ends: the timer has to look from time to time.
                if self
                    .upload
                    .borrow()
                    .as_ref()
                    .is_some_and(|upload| upload.is_wanted())
                {
                    self.since.set(Instant::now());
                }
                self.idle_limit
            }
        };
        // A limit that no clock can show is none.
        let phase = phase.and_then(|limit| self.since.get().checked_add(limit));
        let streams = self.streams.get().filter(|streams| streams.waiting > 0);
        let left = self.left.get().filter(|_| self.phase.get() == Phase::Answering);
        let left = self.half_closed_limit.and_then(|limit| left?.checked_add(limit));
        let stuck = [self.blocked_since.get(), streams.map(|streams| streams.moved)];
        let stuck = stuck.into_iter().flatten().min();
        let write = self.write_limit.and_then(|limit| stuck?.checked_add(limit));
        [phase, left, write].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phases() -> (Phases, Instant) {
        let now = Instant::now();
        let limits = RespondingTimeouts {
            write_timeout: Duration::from_secs(5),
            ..RespondingTimeouts::default()
        };
        (Phases::new(&limits, now), now)
    }

    #[test]
    fn an_idle_connection_has_the_idle_limit_and_a_begun_head_a_shorter_one() {
        let (phases, now) = phases();
        assert_eq!(phases.deadline(), Some(now + Duration::from_secs(180)));
        phases.received();
        assert!(phases.deadline().unwrap() < now + Duration::from_secs(60));
    }

    #[test]
    fn more_bytes_of_a_head_do_not_move_its_limit() {
        let (phases, _) = phases();
        phases.received();
        let deadline = phases.deadline();
        phases.received();
        assert_eq!(phases.deadline(), deadline);
    }

    #[test]
    fn what_comes_of_a_request_after_its_answer_begins_no_head() {
        let (phases, now) = phases();
        for rest in [None, Some(Rc::<Upload>::default())] {
            phases.received();
            phases.answering();
            phases.answered_early(now, rest.clone());
            phases.received();
            assert!(phases.is_early() && !phases.is_reading_head());
            if let Some(upload) = rest {
                upload.finish();
                phases.received();
                assert!(phases.is_reading_head());
            }
        }
    }

    #[test]
    fn requests_that_share_a_connection_keep_it_until_the_last_is_over() {
        let (phases, now) = phases();
        phases.multiplexing();
        phases.answering();
        phases.answering();
        phases.received();
        phases.answered(now);
        assert!(phases.is_answering() && phases.deadline().is_none());
        phases.waiting(true);
        assert!(phases.deadline().is_some(), "the client takes nothing");
        phases.waiting(false);
        phases.answered_early(now, None);
        phases.received();
        assert!(!phases.is_reading_head());
        assert_eq!(phases.deadline(), Some(now + Duration::from_secs(180)));
    }

    #[test]
    fn a_connection_is_idle_once_the_client_has_taken_the_whole_answer() {
        let (phases, _) = phases();
        phases.received();
        phases.answering();
        phases.wrote(false);
        phases.flushed(true);
        phases.answered(Instant::now());
        let limit = phases.deadline().unwrap();
        assert!(
            limit < Instant::now() + Duration::from_secs(60),
            "that of writing"
        );
        let taken = Instant::now();
        phases.flushed(false);
        assert!(phases.deadline().unwrap() >= taken + Duration::from_secs(180));
        let deadline = phases.deadline();
        phases.flushed(false);
        assert_eq!(phases.deadline(), deadline, "nothing was taken");
    }

    #[test]
    fn a_client_that_ended_its_side_is_waited_for_as_long_as_it_takes_bytes() {
        let (phases, _) = phases();
        phases.received();
        phases.answering();
        phases.client_left();
        let first = phases.deadline().unwrap();
        assert!(first < Instant::now() + Duration::from_secs(31));
        phases.wrote(false);
        assert!(phases.deadline().unwrap() >= first);
        phases.answered(Instant::now());
        assert!(
            phases.deadline().unwrap() > first + Duration::from_secs(60),
            "that of idling"
        );
    }

    #[test]
    fn an_answer_is_limited_only_while_the_client_takes_nothing() {
        let (phases, _) = phases();
        phases.received();
        phases.answering();
        assert_eq!(phases.deadline(), None);
        phases.wrote(true);
        assert!(phases.deadline().is_some());
        phases.wrote(false);
        assert_eq!(phases.deadline(), None);
    }
}

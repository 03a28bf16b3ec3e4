//! What requests tell of their server: one that fails them is ejected for a while.
//!
//! Workers count, and workers eject: nothing waits for the control plane. A verdict changes in one step, by whichever
//! worker comes first.

mod length;
mod rate;
mod run;

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use mesh_config::{duration, model::PassiveHealthCheck};
use tokio::sync::Notify;

use self::{rate::Rate, run::Run};
use super::{clock::Moment, state::ServiceState, window::Count};

/// What one server's requests told, by one definition of that; shared by all tables that hold both.
#[derive(Debug)]
pub struct PassiveHealth {
    id: u64,
    definition: Arc<PassiveHealthCheck>,
    /// The server is probed, too: only a probe that passes brings it back.
    probed: bool,
    run: Run,
    rate: Option<Rate>,
    /// From when on an ejected server may be back; 0 while it is not ejected.
    until: AtomicU64,
    /// When it was ejected or came back the last time.
    changed: AtomicU64,
    /// Of its last ejection, and 1 more; 0 before the first.
    level: AtomicU32,
    ejections: AtomicU64,
    reason: ArcSwap<String>,
    ejecting: Notify,
    service: Weak<ServiceState>,
}

impl PassiveHealth {
    pub(super) fn new(
        definition: &Arc<PassiveHealthCheck>,
        probed: bool,
        service: &Arc<ServiceState>,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            probed,
            run: Run::new(definition.max_failed_attempts),
            rate: Rate::new(
                definition.failure_window,
                definition.error_rate,
                definition.min_requests,
            ),
            until: AtomicU64::new(0),
            changed: AtomicU64::new(0),
            level: AtomicU32::new(0),
            ejections: AtomicU64::new(0),
            reason: ArcSwap::default(),
            ejecting: Notify::new(),
            service: Arc::downgrade(service),
            definition: definition.clone(),
        }
    }

    /// Tells verdicts apart.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// True if it is of this definition.
    pub(super) fn is_of(&self, definition: &Arc<PassiveHealthCheck>, probed: bool) -> bool {
        self.definition == *definition && self.probed == probed
    }

    /// True while the server is ejected. One load.
    pub fn is_ejected(&self) -> bool {
        self.until.load(Ordering::SeqCst) != 0
    }

    /// Why it is ejected.
    pub(super) fn reason(&self) -> Arc<String> {
        self.reason.load_full()
    }

    /// When an ejected server may be back; without a time where a probe alone decides.
    pub(super) fn until(&self) -> Option<Moment> {
        let until = Moment(self.until.load(Ordering::Relaxed));
        let is_open = self.probed && self.definition.base_ejection_time.is_none();
        (until.0 != 0 && !is_open).then_some(until)
    }

    /// When an ejected server is back without anybody's word.
    pub(super) fn expires(&self) -> Option<Moment> {
        self.until().filter(|_| !self.probed)
    }

    /// Ends when the server is ejected, for the one who probes it.
    pub(crate) async fn ejecting(&self) {
        self.ejecting.notified().await;
    }

    /// Ejections so far.
    pub(super) fn ejections(&self) -> u64 {
        self.ejections.load(Ordering::Relaxed)
    }

    /// A request was answered well. Mostly one relaxed load.
    pub(super) fn succeed(&self, clock: impl FnOnce() -> Instant) {
        self.run.end();
        if let Some(rate) = &self.rate {
            rate.count(false, Moment::of(clock()));
        }
    }

    /// A request that `began` then failed; gives how long the server is ejected for, if this was one too many.
    pub(super) fn fail(&self, began: Instant, now: Instant) -> Option<Ejected> {
        let now = Moment::of(now);
        // What was under way when it was ejected says nothing about it once it is back.
        if self.is_ejected() || Moment::of(began).0 < self.changed.load(Ordering::Relaxed) {
            return None;
        }
        let window = self.definition.failure_window;
        let rate = self.rate.as_ref().and_then(|rate| rate.count(true, now));
        let too_many = self.run.fail(now, window);
        let eject = too_many || rate.is_some();
        eject
            .then(|| self.eject(now, rate.filter(|_| !too_many)))
            .flatten()
    }

    fn eject(&self, now: Moment, rate: Option<Count>) -> Option<Ejected> {
        let service = self.service.upgrade()?;
        let share = self.definition.max_ejection_percent;
        if service.room_for_ejections(share) <= 0 {
            return None;
        }
        let (level, length) = self.next_length(now);
        let until = now.after(length);
        let begun = self
            .until
            .compare_exchange(0, until.0, Ordering::SeqCst, Ordering::Relaxed);
        if begun.is_err() {
            return None;
        }
        // Others may have come to the same at this moment. They see this one as it sees them, so that never too many
        // stay ejected; all may step back, until the next failure.
        if service.room_for_ejections(share) < 0 {
            self.until.store(0, Ordering::SeqCst);
            // Somebody may have left it out of a rotation meanwhile.
            service.rebalance();
            return None;
        }
        self.level.store(level + 1, Ordering::Relaxed);
        self.changed.store(now.0, Ordering::Relaxed);
        self.ejections.fetch_add(1, Ordering::Relaxed);
        let reason = Arc::new(self.why(rate));
        self.reason.store(reason.clone());
        if let Some(until) = self.expires() {
            service.look_again(until);
        }
        service.rebalance();
        self.ejecting.notify_one();
        Some(Ejected {
            reason,
            length: self.until().map(|_| length),
        })
    }

    fn why(&self, rate: Option<Count>) -> String {
        let window = duration::format(self.definition.failure_window);
        match (rate, self.definition.max_failed_attempts) {
            (Some(Count { requests, failures }), _) => {
                format!("{failures} of {requests} requests within {window} failed")
            }
            (None, 0 | 1) => "a request failed".to_owned(),
            (None, several) => format!("{several} requests in a row failed within {window}"),
        }
    }

    fn next_length(&self, now: Moment) -> (u32, Duration) {
        let base = match (self.definition.base_ejection_time, self.probed) {
            (Some(base), _) => base,
            (None, true) => Duration::ZERO,
            (None, false) => self.definition.failure_window,
        };
        let max = self.definition.max_ejection_time;
        let last = self.level.load(Ordering::Relaxed).checked_sub(1);
        let well = now.since(Moment(self.changed.load(Ordering::Relaxed)));
        let level = length::next_level(last, well, base, max);
        (level, length::length(level, base, max))
    }

    /// Brings the server back if its time is over. Balancers have to be told.
    pub(super) fn expire(&self, now: Moment) -> bool {
        self.expires().is_some_and(|until| until <= now) && self.restore(now)
    }

    /// A probe that `began` then passed. True if it was what an ejected server waited for.
    pub(crate) fn pass(&self, began: Instant, now: Instant) -> bool {
        let now = Moment::of(now);
        let until = self.until.load(Ordering::Relaxed);
        let is_younger = Moment::of(began).0 > self.changed.load(Ordering::Relaxed);
        let restored = until != 0 && until <= now.0 && is_younger && self.restore(now);
        if restored && let Some(service) = self.service.upgrade() {
            service.rebalance();
        }
        restored
    }

    fn restore(&self, now: Moment) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        self.run.end();
        if let Some(rate) = &self.rate {
            rate.clear();
        }
        self.changed.store(now.0, Ordering::Relaxed);
        until != 0
            && self
                .until
                .compare_exchange(until, 0, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }
}

/// An ejection that began.
#[derive(Debug)]
pub(super) struct Ejected {
    /// Why.
    pub(super) reason: Arc<String>,
    /// Its length; without one where a probe alone brings the server back.
    pub(super) length: Option<Duration>,
}

#[cfg(test)]
mod tests;

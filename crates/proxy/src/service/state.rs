//! What is counted for a service as a whole, across tables.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use arc_swap::ArcSwap;

use super::{balancer::Balancer, canary::Split, clock::Moment, retry_budget::RetryBudget, turn::Turn};

/// The position in the rotation of a service, and the balancers that tables made for it.
#[derive(Debug)]
pub(crate) struct ServiceState {
    position: AtomicUsize,
    /// The same between canaries and stable servers.
    pub(super) split: Split,
    balancers: ArcSwap<Vec<Weak<Balancer>>>,
    /// When the first of its ejected servers, or its canaries, may be back.
    look_again: AtomicU64,
    /// How many of its requests may be sent again.
    pub(super) retries: RetryBudget,
}

impl ServiceState {
    /// Starts at a random place, so that not every Mesh sends its first request to the same server.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            position: AtomicUsize::new(anywhere()),
            split: Split::new(anywhere(), anywhere()),
            balancers: ArcSwap::default(),
            look_again: AtomicU64::new(Moment::NEVER.0),
            retries: RetryBudget::default(),
        })
    }

    /// Begins at a place that is always the same.
    #[cfg(test)]
    pub(crate) fn begin_at(&self, position: usize) {
        self.position.store(position, Ordering::Relaxed);
        self.split.begin_at(position);
    }

    /// The next turn of the rotation.
    pub(crate) fn next(&self) -> usize {
        self.position.fetch_add(1, Ordering::Relaxed)
    }

    /// The same, to be drawn by.
    pub(super) fn turn(&self) -> Turn {
        Turn(self.next())
    }

    /// Makes `balancer` follow the verdicts on its servers.
    pub(crate) fn enlist(&self, balancer: &Arc<Balancer>) {
        self.balancers.rcu(|before| {
            let alive = before.iter().filter(|balancer| balancer.strong_count() > 0);
            let mut after: Vec<_> = alive.cloned().collect();
            after.push(Arc::downgrade(balancer));
            after
        });
    }

    fn balancers(&self) -> Vec<Arc<Balancer>> {
        self.balancers.load().iter().filter_map(Weak::upgrade).collect()
    }

    /// Makes every balancer of the service count its servers again.
    pub(crate) fn rebalance(&self) {
        let now = Instant::now();
        // The newest one enlisted last.
        for (behind, balancer) in self.balancers().iter().rev().enumerate() {
            balancer.rebalance(behind == 0, now);
        }
    }

    /// How many more servers may be ejected, where `share` of them may be: of several at least one, unless that is 0.
    /// Negative where too many are.
    pub(super) fn room_for_ejections(&self, share: u8) -> isize {
        let newest = self.balancers.load().last().and_then(Weak::upgrade);
        let (servers, ejected) = newest.map_or((0, 0), |balancer| balancer.ejected());
        let share = usize::from(share);
        let most = match servers * share / 100 {
            0 if servers > 1 && share > 0 => 1,
            most => most,
        };
        most.cast_signed().saturating_sub_unsigned(ejected)
    }

    /// Makes whoever chooses at `time` or later look for ejections that are over.
    pub(super) fn look_again(&self, time: Moment) {
        self.look_again.fetch_min(time.0, Ordering::AcqRel);
    }

    /// Ends the ejections that are over. One relaxed load unless a server is ejected.
    pub(crate) fn end_ejections(&self) {
        if self.look_again.load(Ordering::Relaxed) != Moment::NEVER.0 {
            self.end_ejections_at(Moment::of(Instant::now()));
        }
    }

    pub(super) fn end_ejections_at(&self, now: Moment) {
        let due = self.look_again.load(Ordering::Relaxed);
        let is_mine = due <= now.0
            && self
                .look_again
                .compare_exchange(due, Moment::NEVER.0, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
        if !is_mine {
            return;
        }
        let mut changed = false;
        for balancer in self.balancers() {
            if let Some(trial) = balancer.trial() {
                changed |= trial.expire(now);
                if let Some(later) = trial.resumes() {
                    self.look_again(later);
                }
            }
            for passive in balancer
                .servers()
                .iter()
                .filter_map(|server| server.passive.as_ref())
            {
                changed |= passive.expire(now);
                if let Some(later) = passive.expires() {
                    self.look_again(later);
                }
            }
        }
        if changed {
            self.rebalance();
        }
    }
}

fn anywhere() -> usize {
    usize::from(rand::random::<u16>())
}

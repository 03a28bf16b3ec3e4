//! Retries that good times leave to bad ones: few.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Parts of a retry: what one request earns, in per cent, is a whole number of them.
const WHOLE: u64 = 100;

/// What is saved, in parts of a retry. Full at first, for a lone request.
#[derive(Debug)]
pub(super) struct Savings {
    parts: AtomicU64,
    /// The second up to which time has earned.
    paid_until: AtomicU32,
}

/// What earns how much.
#[derive(Debug, Clone, Copy)]
pub(super) struct Earnings {
    /// Parts of a retry for each request.
    pub(super) per_request: u8,
    /// Retries for each second.
    pub(super) per_second: u32,
    /// Retries that are saved at most, but for a single one.
    pub(super) most: u64,
}

impl Default for Savings {
    fn default() -> Self {
        Self {
            parts: AtomicU64::new(u64::MAX),
            paid_until: AtomicU32::new(0),
        }
    }
}

impl Savings {
    /// A request came. One relaxed load while nothing can be added.
    pub(super) fn earn(&self, earnings: Earnings) {
        self.add(u64::from(earnings.per_request), earnings);
    }

    /// Takes one retry in the second `now`; false without one.
    pub(super) fn take(&self, earnings: Earnings, now: u32) -> bool {
        let paid_until = self.paid_until.fetch_max(now, Ordering::Relaxed);
        let seconds = u64::from(now.saturating_sub(paid_until));
        let earned = seconds.saturating_mul(u64::from(earnings.per_second) * WHOLE);
        self.add(earned, earnings);
        let taken = |parts: u64| parts.min(earnings.limit()).checked_sub(WHOLE);
        self.parts
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
            .is_ok()
    }

    /// Pays for a retry that was let go on trust, as far as there is something.
    pub(super) fn pay(&self, earnings: Earnings) {
        let paid = |parts: u64| Some(parts.min(earnings.limit()).saturating_sub(WHOLE));
        let _ = self
            .parts
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid);
    }

    /// Puts back what one retry took.
    pub(super) fn give_back(&self, earnings: Earnings) {
        self.add(WHOLE, earnings);
    }

    fn add(&self, parts: u64, earnings: Earnings) {
        let limit = earnings.limit();
        if parts > 0 && self.parts.load(Ordering::Relaxed) < limit {
            let more = |saved: u64| Some(saved.saturating_add(parts).min(limit));
            let _ = self
                .parts
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        }
    }
}

impl Earnings {
    /// Most parts that are saved. Who earns anything may save one retry.
    fn limit(self) -> u64 {
        let single = u64::from(self.per_request > 0);
        self.most.max(single) * WHOLE
    }
}

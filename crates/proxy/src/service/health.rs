//! What active checks found out about one server.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

use arc_swap::ArcSwap;
use mesh_config::model::HealthCheck;

use super::state::ServiceState;

/// The latest verdict of active checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CheckStatus {
    /// No probe was answered or failed yet.
    Untested = 0,
    /// Healthy.
    Up = 1,
    /// Unhealthy.
    Down = 2,
}

/// The verdict on one server by one definition of checks; shared by all tables that hold both.
#[derive(Debug)]
pub struct ServerHealth {
    id: u64,
    check: Arc<HealthCheck>,
    status: AtomicU8,
    reason: ArcSwap<String>,
    service: Weak<ServiceState>,
}

impl ServerHealth {
    pub(crate) fn new(check: Arc<HealthCheck>, service: &Arc<ServiceState>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            check,
            status: AtomicU8::new(CheckStatus::Untested as u8),
            reason: ArcSwap::default(),
            service: Arc::downgrade(service),
        }
    }

    /// Tells verdicts apart.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// How the server is probed.
    pub fn check(&self) -> &Arc<HealthCheck> {
        &self.check
    }

    /// The latest verdict.
    pub fn status(&self) -> CheckStatus {
        match self.status.load(Ordering::Relaxed) {
            1 => CheckStatus::Up,
            2 => CheckStatus::Down,
            _ => CheckStatus::Untested,
        }
    }

    /// Why the last probe failed; empty when it did not.
    pub fn reason(&self) -> Arc<String> {
        self.reason.load_full()
    }

    /// Keeps why the latest probe failed, or forgets why an earlier one did.
    pub(crate) fn set_reason(&self, reason: &str) {
        if self.reason.load().as_str() != reason {
            self.reason.store(Arc::new(reason.to_owned()));
        }
    }

    /// Changes the verdict, and tells balancers.
    pub(crate) fn set_status(&self, status: CheckStatus) {
        self.status.store(status as u8, Ordering::Release);
        if let Some(service) = self.service.upgrade() {
            service.rebalance();
        }
    }
}

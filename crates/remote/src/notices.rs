//! Wakes the follower of a service that has no blocking query of its own.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::Notify;

/// One wake-up call per service; calls that come before the last one was answered count as one.
#[derive(Debug, Default)]
pub struct Notices {
    by_service: std::sync::Mutex<BTreeMap<String, Arc<Notify>>>,
}

impl Notices {
    /// The call of `service`.
    pub fn of(&self, service: &str) -> Arc<Notify> {
        self.locked(|calls| calls.entry(service.to_owned()).or_default().clone())
    }

    /// Nobody follows `service` any more.
    pub fn forget(&self, service: &str) {
        self.locked(|calls| drop(calls.remove(service)));
    }

    /// Wakes the follower of `service`, if there is one.
    pub fn wake(&self, service: &str) {
        self.locked(|calls| {
            if let Some(call) = calls.get(service) {
                call.notify_one();
            }
        });
    }

    /// Wakes all followers.
    pub fn wake_all(&self) {
        self.locked(|calls| calls.values().for_each(|call| call.notify_one()));
    }

    fn locked<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Arc<Notify>>) -> T) -> T {
        // The map is whole after every single step, so a panic in between leaves nothing half done.
        act(&mut self
            .by_service
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

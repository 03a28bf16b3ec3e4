//! State that belongs to one router, or service, and outlives its definitions.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

/// The states of one middleware by owner. A state lives as long as something uses it: an owner that is compiled again
/// while its requests are served goes on with what it had.
///
/// Looked at when routes are compiled, never for a request.
#[derive(Debug)]
pub(crate) struct Instances<T>(Mutex<HashMap<Box<str>, Weak<T>>>);

impl<T> Default for Instances<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Instances<T> {
    /// The state of `owner`, a new one if it has none.
    pub(crate) fn of(&self, owner: &str, new: impl FnOnce() -> T) -> Arc<T> {
        let mut states = self.0.lock();
        if let Some(state) = states.get(owner).and_then(Weak::upgrade) {
            return state;
        }
        states.retain(|_, state| state.strong_count() > 0);
        let state = Arc::new(new());
        states.insert(owner.into(), Arc::downgrade(&state));
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_owner_keeps_its_state_while_it_is_used() {
        let instances = Instances::default();
        let one = instances.of("one", || 1);
        assert!(!Arc::ptr_eq(&one, &instances.of("two", || 1)));
        assert!(Arc::ptr_eq(&one, &instances.of("one", || 2)));
        drop(one);
        assert_eq!(*instances.of("one", || 3), 3);
        assert_eq!(instances.0.lock().len(), 1, "what nobody uses is forgotten");
    }
}

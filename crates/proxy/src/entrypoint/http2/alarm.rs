//! Wakers that can be held back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

use futures::task::AtomicWaker;

/// Wakes a connection for a part of it, but not while it looks at that part anyway: each answer would cost turns in which
/// there is nothing to do.
pub(super) struct Alarm {
    waker: Waker,
    bell: Arc<Bell>,
}

#[derive(Default)]
struct Bell {
    connection: AtomicWaker,
    held: AtomicBool,
    missed: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match self.held.load(Ordering::Relaxed) {
            true => self.missed.store(true, Ordering::Relaxed),
            false => self.connection.wake(),
        }
    }
}

impl Alarm {
    pub(super) fn new() -> Self {
        let bell = Arc::<Bell>::default();
        Self {
            waker: bell.clone().into(),
            bell,
        }
    }

    /// From now on it wakes what `cx` wakes.
    pub(super) fn of(&self, cx: &Context<'_>) -> Context<'_> {
        self.bell.connection.register(cx.waker());
        Context::from_waker(&self.waker)
    }

    /// Wakes nobody until it is released.
    pub(super) fn hold(&self) {
        self.bell.missed.store(false, Ordering::Relaxed);
        self.bell.held.store(true, Ordering::Relaxed);
    }

    /// Wakes again. True if it would have done so meanwhile: whoever held it has to look.
    pub(super) fn release(&self) -> bool {
        self.bell.held.store(false, Ordering::Relaxed);
        self.bell.missed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_held_alarm_wakes_nobody_and_tells_of_it() {
        let count = Arc::<Count>::default();
        let connection = count.clone().into();
        let alarm = Alarm::new();
        let mut woken = Vec::new();
        for held in [false, true, false] {
            let cx = alarm.of(&Context::from_waker(&connection)).waker().clone();
            if held {
                alarm.hold();
            }
            cx.wake();
            woken.push((count.0.load(Ordering::Relaxed), alarm.release()));
            alarm.hold();
            assert!(!alarm.release(), "nothing was missed in an empty hold");
        }
        assert_eq!(woken, [(1, false), (1, true), (2, false)]);
    }
}

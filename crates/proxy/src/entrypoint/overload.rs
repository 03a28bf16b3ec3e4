//! What an entrypoint does about too much.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// Time between two lines of the log that say the same.
const REMINDER_PAUSE: Duration = Duration::from_secs(60);

/// Room for the requests of one entrypoint on one worker.
#[derive(Debug)]
pub(crate) struct Room {
    taken: Cell<usize>,
    size: usize,
}

impl Room {
    /// The share of one of `workers` in `limit`, rounded up; without an end for 0.
    pub(crate) fn new(limit: u32, workers: usize) -> Self {
        let size = match usize::try_from(limit) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(limit) => limit.div_ceil(workers.max(1)),
        };
        Self {
            taken: Cell::new(0),
            size,
        }
    }

    /// Takes a place; false when there is none.
    pub(super) fn enter(&self) -> bool {
        let taken = self.taken.get();
        let has_room = taken < self.size;
        if has_room {
            self.taken.set(taken + 1);
        }
        has_room
    }

    /// Gives a place back that was taken.
    pub(super) fn leave(&self) {
        self.taken.set(self.taken.get().saturating_sub(1));
    }
}

/// Lets something be said now and then, however often there is reason to.
#[derive(Debug, Default)]
pub(crate) struct Reminder(Cell<Option<Instant>>);

impl Reminder {
    /// True if it was not due for a while.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let last = self.0.get();
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= REMINDER_PAUSE);
        if is_due {
            self.0.set(Some(now));
        }
        is_due
    }
}

/// The lines of the log of one entrypoint on one worker about too much.
#[derive(Debug, Default)]
pub(crate) struct Reminders {
    pub(super) connections: Reminder,
    pub(super) requests: Reminder,
    pub(super) descriptors: Reminder,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_the_limit_of_requests() {
        let size = |limit, workers| Room::new(limit, workers).size;
        assert_eq!((size(10, 4), size(8, 4), size(1, 4)), (3, 2, 1));
        assert_eq!(size(0, 4), usize::MAX);
    }

    #[test]
    fn a_place_that_was_left_can_be_taken_again() {
        let room = Room::new(2, 1);
        assert_eq!([room.enter(), room.enter(), room.enter()], [true, true, false]);
        room.leave();
        assert_eq!([room.enter(), room.enter()], [true, false]);
    }

    #[test]
    fn the_same_is_said_once_in_a_while() {
        let (reminder, now) = (Reminder::default(), Instant::now());
        let due = [0, 1, 59, 60, 61].map(|second| reminder.is_due(now + Duration::from_secs(second)));
        assert_eq!(due, [true, false, false, true, false]);
    }
}

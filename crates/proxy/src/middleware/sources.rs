//! What is known of sources, shared by all workers: in parts, so that they seldom wait for each other.

use std::hash::{BuildHasher, RandomState};

use parking_lot::{Mutex, MutexGuard};

use super::source::Key;

/// Parts with a lock of their own.
const SHARDS: usize = 16;

/// Stands for a source: nobody who does not know this process can find two that are the same.
pub(super) type Who = u128;

/// Something by source.
#[derive(Debug)]
pub(super) struct Sharded<T> {
    shards: [Mutex<T>; SHARDS],
    /// How many sources one part may hold.
    room: usize,
    hashers: [RandomState; 2],
}

impl<T: Default> Sharded<T> {
    /// Nothing yet; for `most` sources or, since some parts fill before others, fewer.
    pub(super) fn new(most: usize) -> Self {
        Self {
            shards: Default::default(),
            room: most.div_ceil(SHARDS),
            hashers: [RandomState::new(), RandomState::new()],
        }
    }
}

impl<T> Sharded<T> {
    /// What stands for a source here.
    pub(super) fn who(&self, key: &Key<'_>) -> Who {
        let [high, low] = &self.hashers;
        u128::from(high.hash_one(key)) << 64 | u128::from(low.hash_one(key))
    }

    /// The part that holds what is known of `who`, and how many sources it may hold. Not to be kept.
    pub(super) fn lock(&self, who: Who) -> (MutexGuard<'_, T>, usize) {
        let [shards @ .., last] = &self.shards;
        let place = usize::try_from(who % SHARDS as u128).unwrap_or(SHARDS);
        (shards.get(place).unwrap_or(last).lock(), self.room)
    }
}

//! Checks of passwords: each pair of password and hash once at a time, and not again for a while.
//!
//! A check takes as long as the hash wants, so it runs beside the workers, few at a time. What was found right is
//! remembered by a keyed print, never by the password.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock},
    thread,
    time::Duration,
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use sha2::{Digest, Sha256};
use tokio::{sync::Semaphore, task::spawn_blocking, time::Instant};

use super::hash::Hash;
use crate::middleware::sources::{Sharded, Who};

/// Pairs that are remembered; of more, older ones are forgotten.
const MAX_REMEMBERED: usize = 4096;

/// How long a pair is remembered, or up to twice that.
const MEMORY: Duration = Duration::from_secs(5 * 60);

/// Checks that may wait for others, in the whole process.
const MAX_WAITING: usize = 256;

/// Checks that run at a time, in the whole process: workers and control need the rest of the machine.
static RUNNING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    Arc::new(Semaphore::new(cores.div_ceil(2)))
});

/// Those that run or wait.
static WAITING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(MAX_WAITING)));

/// More wait for a check than can be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

type Check = BoxFuture<'static, Result<bool, Busy>>;

/// What is known of pairs.
#[derive(Debug)]
pub(super) struct Verified {
    pairs: Sharded<Pairs>,
    /// Without it a print tells nothing.
    key: [u8; 32],
}

#[derive(Debug, Default)]
struct Pairs {
    right: HashSet<Who>,
    /// Those before.
    older: HashSet<Who>,
    since: Option<Instant>,
    running: HashMap<Who, WeakShared<Check>>,
}

impl Default for Verified {
    fn default() -> Self {
        Self {
            pairs: Sharded::new(MAX_REMEMBERED),
            key: rand::random(),
        }
    }
}

impl Verified {
    /// True if `password` is that of `hash`.
    pub(super) async fn verify(&self, hash: &Hash, password: &[u8]) -> Result<bool, Busy> {
        if hash.is_quick() {
            return Ok(hash.verify(password));
        }
        let who = self.print(hash, password);
        let check = {
            let (mut pairs, _) = self.pairs.lock(who);
            if pairs.knows(who) {
                return Ok(true);
            }
            pairs.check(who, hash, password)
        };
        let is_right = check.await;
        let (mut pairs, room) = self.pairs.lock(who);
        pairs.running.remove(&who);
        if is_right == Ok(true) {
            pairs.remember(who, room);
        }
        is_right
    }

    /// Stands for a pair.
    fn print(&self, hash: &Hash, password: &[u8]) -> Who {
        let print = Sha256::new_with_prefix(self.key)
            .chain_update(hash.print().len().to_be_bytes())
            .chain_update(hash.print())
            .chain_update(password)
            .finalize();
        let half = print.first_chunk().copied().unwrap_or_default();
        Who::from_be_bytes(half)
    }
}

impl Pairs {
    /// True if the pair was right not long ago.
    fn knows(&mut self, who: Who) -> bool {
        let age = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        if age >= MEMORY {
            self.grow_older();
        }
        if age >= 2 * MEMORY {
            self.older.clear();
        }
        self.right.contains(&who) || self.older.contains(&who)
    }

    fn remember(&mut self, who: Who, room: usize) {
        if self.right.len() >= room.div_ceil(2) {
            self.grow_older();
        }
        self.since.get_or_insert_with(Instant::now);
        self.right.insert(who);
    }

    fn grow_older(&mut self) {
        self.older = std::mem::take(&mut self.right);
        self.since = Some(Instant::now());
    }

    /// The check that runs for the pair, or a new one.
    fn check(&mut self, who: Who, hash: &Hash, password: &[u8]) -> Shared<Check> {
        if let Some(check) = self.running.get(&who).and_then(WeakShared::upgrade) {
            return check;
        }
        self.running.retain(|_, check| check.upgrade().is_some());
        let check = check(hash.clone(), password.into()).boxed().shared();
        if let Some(weak) = check.downgrade() {
            self.running.insert(who, weak);
        }
        check
    }
}

/// Checks once it is its turn.
async fn check(hash: Hash, password: Box<[u8]>) -> Result<bool, Busy> {
    let _waits = WAITING.clone().try_acquire_owned().map_err(|_| Busy)?;
    let turn = RUNNING.clone().acquire_owned().await.map_err(|_| Busy)?;
    let checked = spawn_blocking(move || {
        let is_right = hash.verify(&password);
        drop(turn);
        is_right
    });
    // One that failed proves nothing.
    Ok(checked.await.unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash() -> Hash {
        Hash::read("$2y$05$abcdefghijklmnopqrstuu1Z..wm/IlVbtpza52hgqCBArL1cvSg6").unwrap()
    }

    fn remembered(verified: &Verified) -> usize {
        let shards = (0..16).map(|shard| {
            let (pairs, _) = verified.pairs.lock(shard);
            pairs.right.len() + pairs.older.len()
        });
        shards.sum()
    }

    #[tokio::test]
    async fn what_was_right_is_remembered_and_what_was_wrong_is_not() {
        let verified = Verified::default();
        assert_eq!(verified.verify(&hash(), b"wrong").await, Ok(false));
        assert_eq!(remembered(&verified), 0);
        assert_eq!(verified.verify(&hash(), b"123456").await, Ok(true));
        assert_eq!(verified.verify(&hash(), b"123456").await, Ok(true));
        assert_eq!(remembered(&verified), 1);
        assert!(!format!("{verified:?}").contains("123456"));
    }

    #[tokio::test]
    async fn equal_checks_run_once() {
        let verified = Verified::default();
        let who = verified.print(&hash(), b"123456");
        let check = || verified.pairs.lock(who).0.check(who, &hash(), b"123456");
        let (one, other) = (check(), check());
        assert!(one.ptr_eq(&other));
        drop(one);
        assert_eq!(other.await, Ok(true), "whoever waits goes on with it");
    }

    #[tokio::test(start_paused = true)]
    async fn pairs_are_forgotten_with_time_and_where_there_are_too_many() {
        let mut pairs = Pairs::default();
        for who in 0..100 {
            pairs.remember(who, 10);
        }
        assert!(pairs.right.len() + pairs.older.len() <= 10);
        assert!(pairs.knows(99) && !pairs.knows(1));
        tokio::time::advance(MEMORY).await;
        assert!(pairs.knows(99));
        tokio::time::advance(MEMORY).await;
        assert!(!pairs.knows(99));
    }
}

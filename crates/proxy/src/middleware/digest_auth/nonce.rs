//! Nonces: what a client proves its password over, each time with a higher count.
//!
//! A nonce that nobody used needs no memory: it carries its age, and a code that only this process can make. Only those
//! that were used with the right password are remembered, with the counts that were used.

use std::{collections::HashMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use crate::middleware::{
    source::Key,
    sources::{Sharded, Who},
};

/// How long a nonce may be used.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Nonces in use that are remembered; of more, the oldest cannot be used any more.
const MAX_NONCES: usize = 65_536;

/// Bytes of a nonce: its age, chance, and the code over both.
const LENGTH: usize = 8 + 8 + 16;

/// The nonces of one middleware.
#[derive(Debug)]
pub(super) struct Nonces {
    beginning: Instant,
    key: [u8; 32],
    used: Sharded<Used>,
}

/// Counts by nonce.
#[derive(Debug, Default)]
struct Used {
    counts: HashMap<Who, Counts>,
    /// Nonces that were made before this, in milliseconds, are known or too old.
    forgotten: u64,
}

/// Counts that came with a nonce: the highest one, and which of the 64 up to it.
#[derive(Debug, Clone, Copy)]
struct Counts {
    made: u64,
    highest: u64,
    seen: u64,
}

impl Default for Nonces {
    fn default() -> Self {
        Self::at_most(MAX_NONCES)
    }
}

impl Nonces {
    fn at_most(most: usize) -> Self {
        Self {
            beginning: Instant::now(),
            key: rand::random(),
            used: Sharded::new(most),
        }
    }

    /// A new one.
    pub(super) fn make(&self) -> String {
        let mut bytes = [0; LENGTH];
        let (head, code) = bytes.split_at_mut(16);
        let (age, chance) = head.split_at_mut(8);
        age.copy_from_slice(&self.now().to_be_bytes());
        chance.copy_from_slice(&rand::random::<[u8; 8]>());
        code.copy_from_slice(&self.code(head));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// True if it is ours, young enough, and did not come with this count yet.
    pub(super) fn take(&self, nonce: &str, count: u64) -> bool {
        let Some(made) = self.made(nonce) else {
            return false;
        };
        let now = self.now();
        if now.saturating_sub(made) > millis(LIFETIME) {
            return false;
        }
        let who = self.used.who(&Key::Text(nonce.as_bytes()));
        let (mut used, room) = self.used.lock(who);
        if !used.counts.contains_key(&who) {
            if made < used.forgotten {
                return false;
            }
            if used.counts.len() >= room {
                used.make_room(now);
            }
        }
        let fresh = Counts {
            made,
            highest: 0,
            seen: 0,
        };
        used.counts.entry(who).or_insert(fresh).take(count)
    }

    /// When it was made, if it is ours.
    fn made(&self, nonce: &str) -> Option<u64> {
        let mut bytes = [0; LENGTH];
        let length = URL_SAFE_NO_PAD.decode_slice(nonce, &mut bytes).ok()?;
        let (head, code) = bytes.get(..length)?.split_at_checked(16)?;
        if !bool::from(self.code(head).as_slice().ct_eq(code)) {
            return None;
        }
        head.first_chunk().map(|age| u64::from_be_bytes(*age))
    }

    fn code(&self, head: &[u8]) -> [u8; 16] {
        let sum = Sha256::new_with_prefix(self.key).chain_update(head).finalize();
        sum.first_chunk().copied().unwrap_or_default()
    }

    /// Milliseconds since some beginning.
    fn now(&self) -> u64 {
        millis(self.beginning.elapsed())
    }
}

impl Used {
    /// Forgets what is too old to be used, or else the older half, which then is.
    fn make_room(&mut self, now: u64) {
        let before = self.counts.len();
        let oldest = now.saturating_sub(millis(LIFETIME));
        self.counts.retain(|_, counts| counts.made >= oldest);
        if self.counts.len() < before {
            return;
        }
        let mut ages: Vec<_> = self.counts.values().map(|counts| counts.made).collect();
        let half = ages.len() / 2;
        let (_, middle, _) = ages.select_nth_unstable(half);
        let forgotten = middle.saturating_add(1);
        self.counts.retain(|_, counts| counts.made >= forgotten);
        self.forgotten = self.forgotten.max(forgotten);
    }
}

impl Counts {
    /// True if `count` did not come yet. Requests overtake each other: what is a little behind may be new.
    fn take(&mut self, count: u64) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.seen = if ahead < 64 { self.seen << ahead | 1 } else { 1 };
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        if count == 0 || behind >= 64 || self.seen >> behind & 1 == 1 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_count_of_a_nonce_is_taken_once_for_a_while() {
        let nonces = Nonces::default();
        let nonce = nonces.make();
        assert!(nonces.take(&nonce, 1));
        assert!(!nonces.take(&nonce, 1), "a replay");
        assert!(
            nonces.take(&nonce, 4) && nonces.take(&nonce, 3),
            "one overtook the other"
        );
        assert!(!nonces.take(&nonce, 3) && !nonces.take(&nonce, 0));
        assert!(nonces.take(&nonce, 100) && !nonces.take(&nonce, 36) && nonces.take(&nonce, 37));
        tokio::time::advance(LIFETIME + Duration::from_millis(1)).await;
        assert!(!nonces.take(&nonce, 101), "too old");
    }

    #[test]
    fn a_nonce_of_somebody_else_is_none() {
        let nonces = Nonces::default();
        let other = Nonces::default().make();
        let mut forged = nonces.make();
        forged.replace_range(..1, if forged.starts_with('B') { "C" } else { "B" });
        for nonce in [other.as_str(), &forged, "", "?", &"A".repeat(1000)] {
            assert!(!nonces.take(nonce, 1), "{nonce}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn more_nonces_than_there_is_room_for_are_not_taken_again() {
        let nonces = Nonces::at_most(160);
        let mut made = Vec::new();
        for _ in 0..1000 {
            tokio::time::advance(Duration::from_millis(1)).await;
            made.push(nonces.make());
        }
        for nonce in &made {
            nonces.take(nonce, 1);
        }
        assert!(
            made.iter().all(|nonce| !nonces.take(nonce, 1)),
            "what is forgotten is refused"
        );
        let known: usize = (0..16).map(|shard| nonces.used.lock(shard).0.counts.len()).sum();
        assert!(known <= 160, "{known}");
    }
}

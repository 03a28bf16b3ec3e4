//! Tokens that were verified, so that a client that sends the same one with each request has it verified once.
//!
//! Only the signature and what the token says are remembered. Whether that suffices, and whether it expired, is judged
//! each time; and as soon as the keys change that verified it, it is verified anew.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest::{self, SHA256, SHA256_OUTPUT_LEN};
use moka::sync::Cache;

use super::token::Claims;

/// Bytes that the tokens of one middleware may take, roughly.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// How long one is remembered.
const TIME: Duration = Duration::from_secs(10 * 60);

/// What a token takes beside its claims, and how much longer than their text these are in memory.
const OVERHEAD: (usize, usize) = (256, 4);

/// SHA-256 of a token: whoever reads memory finds no token here.
type Hash = [u8; SHA256_OUTPUT_LEN];

/// Tokens that count.
#[derive(Debug)]
pub(super) struct Verified(Cache<Hash, Known>);

#[derive(Debug, Clone)]
struct Known {
    /// The edition of the keys that verified it.
    edition: u64,
    claims: Arc<Claims>,
    length: usize,
}

/// A token that is looked for.
#[derive(Debug)]
pub(super) struct Asked(Hash);

impl Asked {
    pub(super) fn new(token: &str) -> Self {
        let digest = digest::digest(&SHA256, token.as_bytes());
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest.as_ref());
        Self(hash)
    }
}

impl Default for Verified {
    fn default() -> Self {
        let weight = |_: &Hash, known: &Known| {
            let (fixed, times) = OVERHEAD;
            u32::try_from(known.length * times + fixed).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder().max_capacity(MAX_BYTES).weigher(weight);
        Self(cache.time_to_live(TIME).build())
    }
}

impl Verified {
    /// What a token says that keys of one of these editions verified.
    pub(super) fn find(&self, asked: &Asked, editions: &[Option<u64>]) -> Option<Arc<Claims>> {
        let known = self.0.get(&asked.0)?;
        editions.contains(&Some(known.edition)).then_some(known.claims)
    }

    /// Remembers what a token of so many bytes says, verified by keys of `edition`.
    pub(super) fn keep(&self, asked: Asked, edition: u64, claims: Arc<Claims>, length: usize) {
        self.0.insert(
            asked.0,
            Known {
                edition,
                claims,
                length,
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_keys_verified_counts_no_more() {
        let (verified, claims) = (Verified::default(), Arc::new(Claims::new()));
        verified.keep(Asked::new("a"), 7, claims, 1);
        let find = |token, editions: &[Option<u64>]| verified.find(&Asked::new(token), editions).is_some();
        assert!(find("a", &[Some(7), None]) && find("a", &[Some(1), Some(7)]));
        assert!(!find("a", &[Some(8), None]) && !find("a", &[None, None]) && !find("b", &[Some(7), None]));
    }

    #[test]
    fn no_number_of_tokens_takes_more_than_its_share() {
        let (verified, claims) = (Verified::default(), Arc::new(Claims::new()));
        for number in 0..1000 {
            verified.keep(Asked::new(&number.to_string()), 1, claims.clone(), 64 * 1024);
        }
        verified.0.run_pending_tasks();
        assert!(verified.0.weighted_size() <= MAX_BYTES && verified.0.entry_count() > 0);
    }
}

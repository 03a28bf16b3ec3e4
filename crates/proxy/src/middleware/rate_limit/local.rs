//! Buckets in this process, shared by its workers.

use std::collections::HashMap;

use tokio::time::Instant;

use super::law::{Bucket, Law, Verdict};
use crate::middleware::{
    source::Key,
    sources::{Sharded, Who},
};

/// Sources that are told apart; of more, those that have been quiet for the longest are forgotten.
const MAX_SOURCES: usize = 65_536;

/// One part in so many of the sources is forgotten at once where there is no room, so that it is seldom done.
const FORGOTTEN: usize = 8;

/// The buckets of one router.
#[derive(Debug)]
pub(super) struct Local {
    beginning: Instant,
    buckets: Sharded<HashMap<Who, Bucket>>,
}

impl Default for Local {
    fn default() -> Self {
        Self {
            beginning: Instant::now(),
            buckets: Sharded::new(MAX_SOURCES),
        }
    }
}

impl Local {
    /// Takes a token of a source.
    pub(super) fn take(&self, law: &Law, key: &Key<'_>) -> Verdict {
        let now = self.beginning.elapsed().as_micros();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let who = self.buckets.who(key);
        let (mut buckets, room) = self.buckets.lock(who);
        let before = buckets.get(&who).copied();
        if before.is_none() && buckets.len() >= room {
            make_room(&mut buckets, law, now);
        }
        let (bucket, verdict) = law.take(before, now);
        buckets.insert(who, bucket);
        verdict
    }
}

/// Forgets buckets that are full again, or those that will be first.
fn make_room(buckets: &mut HashMap<Who, Bucket>, law: &Law, now: u64) {
    let before = buckets.len();
    buckets.retain(|_, bucket| law.full_at(bucket) > now);
    if buckets.len() < before {
        return;
    }
    let mut ends: Vec<_> = buckets
        .iter()
        .map(|(who, bucket)| (law.full_at(bucket), *who))
        .collect();
    let forgotten = ends.len() / FORGOTTEN;
    if forgotten < ends.len() {
        ends.select_nth_unstable(forgotten);
    }
    for (_, who) in ends.iter().take(forgotten + 1) {
        buckets.remove(who);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::law::tests::cases, *};

    #[tokio::test(start_paused = true)]
    async fn each_source_has_a_bucket_that_fills_with_time() {
        let (law, local) = (cases()[1].law(), Local::default());
        let take = |source: &str| local.take(&law, &Key::Text(source.as_bytes()));
        assert_eq!(take("a"), Verdict::Pass(Duration::ZERO));
        assert_eq!(take("b"), Verdict::Pass(Duration::ZERO));
        assert_eq!(take("a"), Verdict::Refuse(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(take("a"), Verdict::Pass(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn more_sources_than_there_is_room_for_cost_the_memory_of_the_oldest() {
        let law = cases()[3].law();
        let local = Local {
            beginning: Instant::now(),
            buckets: Sharded::new(160),
        };
        for source in 0..1000_u32 {
            tokio::time::advance(Duration::from_millis(1)).await;
            let verdict = local.take(&law, &Key::Text(&source.to_be_bytes()));
            assert_eq!(verdict, Verdict::Pass(Duration::ZERO));
        }
        let known: usize = (0..16).map(|shard| local.buckets.lock(shard).0.len()).sum();
        assert!(known <= 160, "{known}");
        let last = local.take(&law, &Key::Text(&999_u32.to_be_bytes()));
        assert!(matches!(last, Verdict::Refuse(_)), "the newest are remembered");
    }
}

//! Answers by what was asked for, within a number of bytes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::HeaderMap;
use moka::sync::Cache;

use super::stored::Stored;
use crate::middleware::{
    caches::{Keeper, Purge},
    flights::{self, Flights},
};

/// Answers to one URL for requests with different headers.
const MAX_VARIANTS: usize = 16;

/// How long it is remembered that the answers of a URL cannot be kept: requests do not wait for each other then.
const PASS_TIME: Duration = Duration::from_secs(10);

/// URLs of which that is remembered.
const MAX_PASSES: u64 = 4096;

type Key = Arc<str>;

/// What is kept. Workers share it.
#[derive(Debug)]
pub(super) struct Store {
    answers: Cache<Key, Arc<Vec<Arc<Stored>>>>,
    passes: Cache<Key, ()>,
    flights: Flights<Key>,
    /// How often something was thrown away: what was asked for before that is not kept any more.
    purges: AtomicU64,
}

pub(super) type Flight = flights::Flight<Key>;
pub(super) type Boarding = flights::Boarding<Key>;

impl Store {
    /// For so many bytes.
    pub(super) fn new(max_bytes: u64) -> Self {
        let weight = |key: &Key, answers: &Arc<Vec<Arc<Stored>>>| {
            let weight = answers.iter().map(|answer| answer.weight()).sum::<usize>() + key.len();
            u32::try_from(weight).unwrap_or(u32::MAX)
        };
        Self {
            answers: Cache::builder().max_capacity(max_bytes).weigher(weight).build(),
            passes: Cache::builder()
                .max_capacity(MAX_PASSES)
                .time_to_live(PASS_TIME)
                .build(),
            flights: Flights::default(),
            purges: AtomicU64::new(0),
        }
    }

    /// The answer for a request with these headers.
    pub(super) fn find(&self, key: &str, asked: &HeaderMap) -> Option<Arc<Stored>> {
        let answers = self.answers.get(key)?;
        answers.iter().find(|answer| answer.is_for(asked)).cloned()
    }

    /// How often something was thrown away.
    pub(super) fn purges(&self) -> u64 {
        self.purges.load(Ordering::SeqCst)
    }

    /// Keeps an answer in place of that for the same requests, unless something was thrown away since it was asked for,
    /// after so many `purges`.
    pub(super) fn keep(&self, key: &str, answer: Stored, purges: u64) {
        let mut answers = vec![Arc::new(answer)];
        if let (Some(known), Some(new)) = (self.answers.get(key), answers.first().cloned()) {
            let others = known.iter().filter(|known| known.selected_by != new.selected_by);
            answers.extend(others.take(MAX_VARIANTS - 1).cloned());
        }
        self.passes.invalidate(key);
        self.answers.insert(key.into(), Arc::new(answers));
        // Only now: a purge that did not find it yet has begun before.
        if self.purges() != purges {
            self.answers.invalidate(key);
        }
    }

    /// The answers of this URL cannot be kept.
    pub(super) fn pass(&self, key: &str) {
        self.passes.insert(key.into(), ());
    }

    /// Forgets the answers of a URL. True if there was one.
    pub(super) fn forget(&self, key: &str) -> bool {
        self.answers.remove(key).is_some()
    }

    /// Who asks for `key`.
    pub(super) fn board(&self, key: &str) -> Boarding {
        if self.passes.contains_key(key) {
            return Boarding::Alone;
        }
        self.flights.board(key.into())
    }
}

impl Keeper for Store {
    fn entries(&self) -> u64 {
        self.answers.run_pending_tasks();
        self.answers.entry_count()
    }

    fn bytes(&self) -> Option<u64> {
        self.answers.run_pending_tasks();
        Some(self.answers.weighted_size())
    }

    fn purge(&self, purge: &Purge) -> u64 {
        self.purges.fetch_add(1, Ordering::SeqCst);
        let mut purged = 0;
        for (key, answers) in &self.answers {
            if purge
                .answers
                .means(&key, answers.iter().map(|answer| &answer.headers))
            {
                self.answers.invalidate(&*key);
                purged += 1;
            }
        }
        purged
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use http::{HeaderValue, StatusCode, header};

    use super::*;
    use crate::middleware::cache::{freshness::Lifetime, stored::selection};

    fn asked(language: &str) -> HeaderMap {
        let mut asked = HeaderMap::new();
        asked.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_str(language).unwrap());
        asked
    }

    fn answer(language: &str, length: usize) -> Stored {
        let mut headers = HeaderMap::new();
        headers.insert(header::VARY, HeaderValue::from_static("accept-language"));
        Stored {
            status: StatusCode::OK,
            selected_by: selection(&headers, &asked(language)),
            headers,
            body: Bytes::from(vec![b'x'; length]),
            lifetime: Lifetime {
                fresh: Duration::MAX,
                while_revalidating: Duration::ZERO,
                if_error: Duration::ZERO,
                always_ask: false,
                is_strict: false,
            },
            age: Duration::ZERO,
            arrived: Instant::now(),
        }
    }

    #[test]
    fn a_url_has_an_answer_for_each_selection_and_so_many_at_most() {
        let store = Store::new(1_000_000);
        for language in ["de", "en", "de"] {
            store.keep("/", answer(language, 1), 0);
        }
        assert!(store.find("/", &asked("de")).is_some() && store.find("/", &asked("en")).is_some());
        assert!(store.find("/", &asked("fr")).is_none());
        for number in 0..2 * MAX_VARIANTS {
            store.keep("/", answer(&number.to_string(), 1), 0);
        }
        let kept =
            (0..2 * MAX_VARIANTS).filter(|number| store.find("/", &asked(&number.to_string())).is_some());
        assert_eq!(kept.count(), MAX_VARIANTS);
        assert!(store.forget("/") && !store.forget("/"));
    }

    #[test]
    fn it_keeps_no_more_bytes_than_it_may() {
        let store = Store::new(100_000);
        for number in 0..100 {
            store.keep(&format!("/{number}"), answer("de", 10_000), 0);
        }
        store.answers.run_pending_tasks();
        assert!(store.answers.weighted_size() <= 100_000);
        assert!(store.answers.entry_count() > 3);
    }

    #[test]
    fn who_cannot_be_helped_by_waiting_asks_alone() {
        let store = Store::new(1000);
        assert!(matches!(store.board("/"), Boarding::Asks(_)));
        store.pass("/");
        assert!(matches!(store.board("/"), Boarding::Alone));
    }

    #[test]
    fn what_is_purged_is_gone_and_so_is_what_was_asked_for_before() {
        let store = Store::new(1_000_000);
        let before = store.purges();
        for url in ["http://a.test/x", "http://a.test/y", "http://b.test/x"] {
            store.keep(url, answer("de", 10), before);
        }
        assert_eq!((store.entries(), store.bytes() > Some(3 * 512)), (3, true));
        let mut purge = Purge::default();
        purge.answers.host = Some("a.test".to_owned());
        assert_eq!(store.purge(&purge), 2);
        assert_eq!((store.entries(), store.purge(&purge)), (1, 0));
        store.keep("http://a.test/x", answer("de", 10), before);
        assert!(store.find("http://a.test/x", &asked("de")).is_none());
        store.keep("http://a.test/x", answer("de", 10), store.purges());
        assert!(store.find("http://a.test/x", &asked("de")).is_some());
        assert_eq!(store.purge(&Purge::default()), 2);
    }
}

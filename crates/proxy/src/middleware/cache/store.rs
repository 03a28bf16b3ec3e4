//! Answers by what was asked for, within a number of bytes.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::HeaderMap;
use moka::sync::Cache;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::stored::Stored;

/// Answers to one URL for requests with different headers.
const MAX_VARIANTS: usize = 16;

/// How long it is remembered that the answers of a URL cannot be kept: requests do not wait for each other then.
const PASS_TIME: Duration = Duration::from_secs(10);

/// URLs of which that is remembered.
const MAX_PASSES: u64 = 4096;

/// URLs that are being asked for at a time for others who wait.
const MAX_FLIGHTS: usize = 4096;

type Key = Arc<str>;

/// What is kept. Workers share it.
#[derive(Debug)]
pub(super) struct Store {
    answers: Cache<Key, Arc<Vec<Arc<Stored>>>>,
    passes: Cache<Key, ()>,
    flights: Arc<Flights>,
    /// What bodies that still come take in memory, and the most of it.
    coming: AtomicU64,
    max_coming: u64,
}

type Flights = Mutex<HashMap<Key, watch::Receiver<()>>>;

/// One who asks for an answer that others wait for. They wait no longer when it is dropped.
#[derive(Debug)]
pub(super) struct Flight {
    flights: Arc<Flights>,
    key: Key,
    _landed: watch::Sender<()>,
}

/// Whether to ask, or to wait for somebody who does.
#[derive(Debug)]
pub(super) enum Boarding {
    /// Others wait for this one.
    Asks(Flight),
    /// Ready once the other one has its answer.
    Waits(watch::Receiver<()>),
    /// Waiting would not help.
    Alone,
}

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
            flights: Arc::default(),
            coming: AtomicU64::new(0),
            max_coming: max_bytes,
        }
    }

    /// The answer for a request with these headers.
    pub(super) fn find(&self, key: &str, asked: &HeaderMap) -> Option<Arc<Stored>> {
        let answers = self.answers.get(key)?;
        answers.iter().find(|answer| answer.is_for(asked)).cloned()
    }

    /// Keeps an answer in place of that for the same requests.
    pub(super) fn keep(&self, key: &str, answer: Stored) {
        let mut answers = vec![Arc::new(answer)];
        if let (Some(known), Some(new)) = (self.answers.get(key), answers.first().cloned()) {
            let others = known.iter().filter(|known| known.selected_by != new.selected_by);
            answers.extend(others.take(MAX_VARIANTS - 1).cloned());
        }
        self.passes.invalidate(key);
        self.answers.insert(key.into(), Arc::new(answers));
    }

    /// The answers of this URL cannot be kept.
    pub(super) fn pass(&self, key: &str) {
        self.passes.insert(key.into(), ());
    }

    /// Forgets the answers of a URL. True if there was one.
    pub(super) fn forget(&self, key: &str) -> bool {
        self.answers.remove(key).is_some()
    }

    /// Takes room for `more` bytes of a body that still comes; false if there is none.
    pub(super) fn reserve(&self, more: u64) -> bool {
        let add = |coming: u64| coming.checked_add(more).filter(|sum| *sum <= self.max_coming);
        let taken = self
            .coming
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        taken.is_ok()
    }

    /// Gives that room back.
    pub(super) fn release(&self, bytes: u64) {
        self.coming.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Who asks for `key`.
    pub(super) fn board(&self, key: &str) -> Boarding {
        if self.passes.contains_key(key) {
            return Boarding::Alone;
        }
        let mut flights = self.flights.lock();
        if let Some(landed) = flights.get(key) {
            return Boarding::Waits(landed.clone());
        }
        if flights.len() >= MAX_FLIGHTS {
            return Boarding::Alone;
        }
        let key: Key = key.into();
        let (sender, landed) = watch::channel(());
        flights.insert(key.clone(), landed);
        Boarding::Asks(Flight {
            flights: self.flights.clone(),
            key,
            _landed: sender,
        })
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
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
            store.keep("/", answer(language, 1));
        }
        assert!(store.find("/", &asked("de")).is_some() && store.find("/", &asked("en")).is_some());
        assert!(store.find("/", &asked("fr")).is_none());
        for number in 0..2 * MAX_VARIANTS {
            store.keep("/", answer(&number.to_string(), 1));
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
            store.keep(&format!("/{number}"), answer("de", 10_000));
        }
        store.answers.run_pending_tasks();
        assert!(store.answers.weighted_size() <= 100_000);
        assert!(store.answers.entry_count() > 3);
    }

    #[tokio::test]
    async fn one_asks_and_the_others_wait_until_it_is_done() {
        let store = Store::new(1000);
        let Boarding::Asks(flight) = store.board("/") else {
            panic!("the first one asks");
        };
        let Boarding::Waits(mut landed) = store.board("/") else {
            panic!("the second one waits");
        };
        drop(flight);
        assert!(landed.changed().await.is_err(), "there is nobody to wait for");
        assert!(matches!(store.board("/"), Boarding::Asks(_)));
        store.pass("/");
        assert!(matches!(store.board("/"), Boarding::Alone));
    }
}

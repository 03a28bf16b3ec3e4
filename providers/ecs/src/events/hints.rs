//! Hints on their way from the queue to the readers of clusters: each subject once, however many events there are.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::sync::Notify;

use super::event::{Hint, Subject};

/// Most subjects that wait for one cluster. Above, all of it is read instead.
const MAX_WAITING: usize = 1000;

/// Hints by the name of their cluster.
#[derive(Debug, Default)]
pub(crate) struct Hints(Mutex<BTreeMap<String, Weak<Waiting>>>);

/// The hints for one cluster.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    told: Mutex<Told>,
    news: Notify,
}

/// What was told and not looked at yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) subjects: BTreeMap<Subject, Expected>,
    /// There may be more than is known of: everything is to be read.
    pub(crate) everything: bool,
}

/// What is to be found at a subject.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    /// This version or a later one.
    pub(crate) version: u64,
    /// How often an earlier one was found.
    pub(crate) looks: u8,
}

impl Hints {
    /// The hints for `cluster`, for as long as somebody holds them.
    pub(crate) fn of(&self, cluster: &str) -> Arc<Waiting> {
        let mut all = locked(&self.0);
        all.retain(|_, waiting| waiting.strong_count() > 0);
        let waiting = Arc::new(Waiting::default());
        all.insert(cluster.to_owned(), Arc::downgrade(&waiting));
        waiting
    }

    /// Passes a hint on. One about a cluster that nobody reads is dropped.
    pub(crate) fn tell(&self, hint: Hint) {
        let waiting = locked(&self.0).get(&hint.cluster).and_then(Weak::upgrade);
        if let Some(waiting) = waiting {
            let expected = Expected {
                version: hint.version,
                looks: 0,
            };
            waiting.tell(hint.subject, expected);
        }
    }

    /// Events may have been missed.
    pub(crate) fn tell_everything(&self) {
        let all: Vec<_> = locked(&self.0).values().filter_map(Weak::upgrade).collect();
        for waiting in all {
            locked(&waiting.told).everything = true;
            waiting.news.notify_one();
        }
    }
}

impl Waiting {
    /// Adds a hint. Of several about one subject the one with the highest version counts.
    pub(crate) fn tell(&self, subject: Subject, expected: Expected) {
        let mut told = locked(&self.told);
        if told.subjects.len() >= MAX_WAITING && !told.subjects.contains_key(&subject) {
            told.everything = true;
        } else {
            let known = told.subjects.entry(subject).or_insert(expected);
            if expected.version > known.version {
                *known = expected;
            }
        }
        drop(told);
        self.news.notify_one();
    }

    /// Waits until there is something.
    pub(crate) async fn some(&self) {
        while *locked(&self.told) == Told::default() {
            self.news.notified().await;
        }
    }

    /// All that there is.
    pub(crate) fn take(&self) -> Told {
        std::mem::take(&mut locked(&self.told))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in between leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(cluster: &str, name: usize, version: u64) -> Hint {
        Hint {
            cluster: cluster.to_owned(),
            subject: Subject::Task(name.to_string()),
            version,
        }
    }

    #[tokio::test]
    async fn many_events_about_one_subject_are_one_hint_with_the_latest_version() {
        let hints = Hints::default();
        let waiting = hints.of("shop");
        for version in [2, 4, 3, 4] {
            hints.tell(hint("shop", 1, version));
        }
        hints.tell(hint("blog", 2, 1));
        waiting.some().await;
        let told = waiting.take();
        let expected = Expected { version: 4, looks: 0 };
        assert_eq!(told.subjects, [(Subject::Task("1".to_owned()), expected)].into());
        assert!(!told.everything);
        assert_eq!(waiting.take(), Told::default());
    }

    #[test]
    fn a_flood_is_bounded_and_ends_in_one_read_of_everything() {
        let hints = Hints::default();
        let waiting = hints.of("shop");
        (0..MAX_WAITING + 5).for_each(|name| hints.tell(hint("shop", name, 1)));
        let told = waiting.take();
        assert_eq!((told.subjects.len(), told.everything), (MAX_WAITING, true));
    }

    #[test]
    fn a_reader_that_ended_is_told_nothing() {
        let hints = Hints::default();
        drop(hints.of("shop"));
        hints.tell(hint("shop", 1, 1));
        let waiting = hints.of("shop");
        assert_eq!(waiting.take(), Told::default());
        hints.tell_everything();
        assert!(waiting.take().everything);
    }
}

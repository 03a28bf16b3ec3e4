//! One asks, and those who want the same wait for what it hears.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::watch;

/// Questions that are being asked at a time for others who wait.
const MAX_FLIGHTS: usize = 4096;

/// Those who ask, by what they ask for. Workers share it.
#[derive(Debug, Clone)]
pub(super) struct Flights<K>(Arc<Mutex<HashMap<K, watch::Receiver<()>>>>);

impl<K> Default for Flights<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// One who asks. Others wait no longer when it is dropped.
#[derive(Debug)]
pub(super) struct Flight<K: Eq + Hash> {
    flights: Flights<K>,
    key: K,
    _landed: watch::Sender<()>,
}

/// Whether to ask, or to wait for somebody who does.
#[derive(Debug)]
pub(super) enum Boarding<K: Eq + Hash> {
    /// Others wait for this one.
    Asks(Flight<K>),
    /// Ready once the other one has its answer.
    Waits(watch::Receiver<()>),
    /// Waiting would not help.
    Alone,
}

impl<K: Clone + Eq + Hash> Flights<K> {
    /// Who asks for `key`.
    pub(super) fn board(&self, key: K) -> Boarding<K> {
        let mut flights = self.0.lock();
        if let Some(landed) = flights.get(&key) {
            return Boarding::Waits(landed.clone());
        }
        if flights.len() >= MAX_FLIGHTS {
            return Boarding::Alone;
        }
        let (sender, landed) = watch::channel(());
        flights.insert(key.clone(), landed);
        Boarding::Asks(Flight {
            flights: self.clone(),
            key,
            _landed: sender,
        })
    }
}

impl<K: Eq + Hash> Drop for Flight<K> {
    fn drop(&mut self) {
        self.flights.0.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_asks_and_the_others_wait_until_it_is_done() {
        let flights = Flights::default();
        let Boarding::Asks(flight) = flights.board("a") else {
            panic!("the first one asks");
        };
        let Boarding::Waits(mut landed) = flights.board("a") else {
            panic!("the second one waits");
        };
        assert!(matches!(flights.board("b"), Boarding::Asks(_)));
        drop(flight);
        assert!(landed.changed().await.is_err(), "there is nobody to wait for");
        assert!(matches!(flights.board("a"), Boarding::Asks(_)));
    }
}

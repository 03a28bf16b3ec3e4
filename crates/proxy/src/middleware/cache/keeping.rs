//! A body that is kept while it passes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body::Frame;

use super::{
    store::{Flight, Store},
    stored::Stored,
};
use crate::middleware::{Change, Parts, Unreadable};

/// Keeps a body as it passes.
#[derive(Debug)]
pub(super) struct Keeping {
    /// What it belongs to; `None` once it is known not to be kept.
    stored: Option<Box<Stored>>,
    /// How long it is, if that is known.
    length: Option<usize>,
    /// The longest that is kept.
    most: usize,
    body: Body,
    key: String,
    /// What was thrown away before its request began.
    purges: u64,
    /// Others wait for it.
    flight: Option<Flight>,
}

/// As much of a body as came, with the room that it takes.
#[derive(Debug)]
struct Body {
    bytes: BytesMut,
    reserved: u64,
    store: Arc<Store>,
}

impl Keeping {
    /// Keeps what follows the head of `stored` under `key`, if it is `length` bytes where that is known, and `most` at most.
    pub(super) fn new(
        store: Arc<Store>,
        (key, purges): (String, u64),
        stored: Stored,
        (length, most): (Option<usize>, usize),
        flight: Option<Flight>,
    ) -> Self {
        Self {
            stored: Some(Box::new(stored)),
            length,
            most,
            body: Body {
                bytes: BytesMut::new(),
                reserved: 0,
                store,
            },
            key,
            purges,
            flight,
        }
    }

    /// All of the body has come.
    pub(super) fn finish(&mut self) {
        let length = self.body.bytes.len();
        let is_whole = self.length.is_none_or(|announced| announced == length);
        if let Some(mut stored) = self.stored.take().filter(|_| is_whole) {
            // What it was given in advance is given back.
            stored.body = Bytes::copy_from_slice(&self.body.bytes);
            self.body.store.keep(&self.key, *stored, self.purges);
        }
        self.body.forget();
        self.flight = None;
    }

    /// True if this part could be added to what came before.
    fn takes(&mut self, part: &Frame<Bytes>) -> bool {
        // Trailers are not kept, and so is nothing that ends in them.
        let Some(data) = part.data_ref() else { return false };
        self.body.bytes.len() + data.len() <= self.most && self.body.take(data, self.most)
    }
}

impl Body {
    /// Adds `data` to what is `most` bytes at most; false if there is no room for it.
    fn take(&mut self, data: &[u8], most: usize) -> bool {
        let length = self.bytes.len() + data.len();
        if length > self.bytes.capacity() {
            // Twice as much, so that it is seldom moved.
            let capacity = length.max(most.min(2 * self.bytes.capacity()));
            let more = (capacity as u64).saturating_sub(self.reserved);
            if !self.store.reserve(more) {
                return false;
            }
            self.reserved += more;
            self.bytes.reserve(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(data);
        true
    }

    fn forget(&mut self) {
        self.bytes = BytesMut::new();
        self.store.release(std::mem::take(&mut self.reserved));
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.forget();
    }
}

impl Change for Keeping {
    fn part(&mut self, part: Frame<Bytes>, out: &mut Parts) -> Result<(), Unreadable> {
        if self.stored.is_some() && !self.takes(&part) {
            (self.stored, self.flight) = (None, None);
            self.body.forget();
            self.body.store.pass(&self.key);
        }
        out.push_back(part);
        Ok(())
    }

    fn end(&mut self, _: &mut Parts) -> Result<(), Unreadable> {
        self.finish();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::middleware::cache::freshness::Lifetime;

    fn keeping(store: &Arc<Store>, key: &str) -> Keeping {
        let stored = Stored {
            status: StatusCode::OK,
            selected_by: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            lifetime: Lifetime {
                fresh: Duration::MAX,
                while_revalidating: Duration::ZERO,
                if_error: Duration::ZERO,
                always_ask: false,
                is_strict: false,
            },
            age: Duration::ZERO,
            arrived: Instant::now(),
        };
        Keeping::new(
            store.clone(),
            (key.to_owned(), store.purges()),
            stored,
            (None, 100_000),
            None,
        )
    }

    fn add(keeping: &mut Keeping, length: usize) {
        let mut out = Parts::new();
        keeping
            .part(Frame::data(Bytes::from(vec![b'x'; length])), &mut out)
            .unwrap();
        assert_eq!(out.len(), 1, "all of it passes");
    }

    fn is_kept(store: &Store, key: &str) -> bool {
        store.find(key, &HeaderMap::new()).is_some()
    }

    #[test]
    fn bodies_that_still_come_have_as_much_room_as_those_that_are_kept() {
        let store = Arc::new(Store::new(100_000));
        let [mut one, mut two, mut three] = ["/1", "/2", "/3"].map(|key| keeping(&store, key));
        add(&mut one, 30_000);
        add(&mut two, 30_000);
        add(&mut one, 30_000);
        add(&mut three, 30_000);
        drop(two);
        for (mut keeping, key, kept) in [(one, "/1", true), (three, "/3", false)] {
            keeping.end(&mut Parts::new()).unwrap();
            assert_eq!(is_kept(&store, key), kept, "{key}");
        }
        assert!(store.reserve(100_000), "everything was given back");
    }

    #[test]
    fn what_is_too_long_takes_no_room() {
        let store = Arc::new(Store::new(1_000_000));
        let mut long = keeping(&store, "/");
        add(&mut long, 90_000);
        add(&mut long, 20_000);
        assert!(store.reserve(1_000_000));
        add(&mut long, 1);
        long.end(&mut Parts::new()).unwrap();
        assert!(!is_kept(&store, "/"));
    }
}

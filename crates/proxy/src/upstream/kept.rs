//! Bodies of requests that are kept in memory, to be sent again or to others.

use std::{
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::sync::oneshot;

/// Bytes of bodies that the process keeps at most. What finds no room is sent once, and to nobody else.
const MAX_KEPT: u64 = 64 * 1024 * 1024;

/// Largest part in which a kept body is sent.
const MAX_PART: usize = 64 * 1024;

/// Room for all bodies of the process.
static POOL: Pool = Pool::new(MAX_KEPT);

/// Bytes that may be kept, and those that are.
#[derive(Debug)]
pub(super) struct Pool {
    max: u64,
    kept: AtomicU64,
}

/// A whole body.
#[derive(Debug)]
pub(crate) struct Kept {
    data: Bytes,
    trailers: Option<HeaderMap>,
    _room: Room,
}

/// A body that is being read.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
    room: Room,
}

/// A kept body on its way to a server.
#[derive(Debug)]
pub(super) struct Replay {
    data: Bytes,
    /// What found no room.
    appended: Option<Bytes>,
    trailers: Option<HeaderMap>,
    kept: Rc<Kept>,
}

/// Those who want a body once it is whole, while it passes on its way to a server.
#[derive(Debug, Default)]
pub(super) struct Tee {
    keeping: Keeping,
    wanted: Vec<(u64, oneshot::Sender<Rc<Kept>>)>,
}

/// A place in a pool, given back in the end.
#[derive(Debug)]
pub(super) struct Room {
    pool: &'static Pool,
    taken: u64,
}

impl Keeping {
    /// Bytes so far.
    pub(super) fn length(&self) -> u64 {
        self.data.len() as u64
    }

    /// Takes a part over; false without room for it.
    pub(super) fn push(&mut self, part: &[u8]) -> bool {
        let capacity = self.data.capacity();
        let needed = self.data.len() + part.len();
        if needed > capacity {
            let wanted = needed.max(2 * capacity);
            if !self.room.grow((wanted - capacity) as u64) {
                return false;
            }
            self.data.reserve_exact(wanted - self.data.len());
        }
        self.data.extend_from_slice(part);
        true
    }

    /// What follows the last byte.
    pub(super) fn end(&mut self, trailers: HeaderMap) {
        self.trailers = Some(trailers);
    }

    /// All of it.
    pub(super) fn whole(self) -> Rc<Kept> {
        Rc::new(Kept {
            data: self.data.into(),
            trailers: self.trailers,
            _room: self.room,
        })
    }
}

impl Kept {
    /// Bytes of it, without trailers.
    pub(crate) fn length(&self) -> u64 {
        self.data.len() as u64
    }

    /// The same as they are.
    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    /// True when there is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        self.data.is_empty() && self.trailers.is_none()
    }
}

impl Replay {
    /// All of `kept`.
    pub(super) fn new(kept: Rc<Kept>) -> Self {
        Self {
            data: kept.data.clone(),
            appended: None,
            trailers: kept.trailers.clone(),
            kept,
        }
    }

    /// The next part.
    pub(super) fn next(&mut self) -> Option<Frame<Bytes>> {
        if self.data.is_empty() {
            let appended = self.appended.take().map(Frame::data);
            return appended.or_else(|| self.trailers.take().map(Frame::trailers));
        }
        let length = self.data.len().min(MAX_PART);
        Some(Frame::data(self.data.split_to(length)))
    }

    /// What is kept, if nothing of it was taken yet, and nothing else comes.
    pub(super) fn untouched(&self) -> Option<&Rc<Kept>> {
        let is_whole = self.data.len() == self.kept.data.len()
            && self.trailers.is_some() == self.kept.trailers.is_some();
        (is_whole && self.appended.is_none()).then_some(&self.kept)
    }

    /// `data` comes after what was kept, too.
    pub(super) fn append(&mut self, data: Bytes) {
        self.appended = Some(data);
    }

    /// True when nothing more comes.
    pub(super) fn is_over(&self) -> bool {
        self.data.is_empty() && self.appended.is_none() && self.trailers.is_none()
    }

    /// How much comes, before what `rest` is of.
    pub(super) fn size_hint(&self, rest: &SizeHint) -> SizeHint {
        let appended = self.appended.as_ref().map_or(0, Bytes::len);
        let ahead = (self.data.len() + appended) as u64;
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(ahead));
        // Trailers pass only where the length is not announced.
        if self.trailers.is_none()
            && let Some(upper) = rest.upper()
        {
            hint.set_upper(upper.saturating_add(ahead));
        }
        hint
    }
}

impl Tee {
    /// Also for whoever waits at the other end of this, unless it is longer than `limit`.
    pub(super) fn add(&mut self, limit: u64) -> oneshot::Receiver<Rc<Kept>> {
        let (sender, receiver) = oneshot::channel();
        self.wanted.push((limit, sender));
        receiver
    }

    /// A part passes. False once nobody can have the whole.
    pub(super) fn push(&mut self, frame: &Frame<Bytes>) -> bool {
        if let Some(trailers) = frame.trailers_ref() {
            self.keeping.end(trailers.clone());
        }
        let Some(data) = frame.data_ref() else { return true };
        let length = self.keeping.length() + data.len() as u64;
        self.wanted.retain(|(limit, _)| length <= *limit);
        !self.wanted.is_empty() && self.keeping.push(data)
    }

    /// It has passed.
    pub(super) fn finish(self) {
        let kept = self.keeping.whole();
        for (_, sender) in self.wanted {
            // Whoever does not wait any more needs no copy.
            let _ = sender.send(kept.clone());
        }
    }
}

impl Pool {
    pub(super) const fn new(max: u64) -> Self {
        Self {
            max,
            kept: AtomicU64::new(0),
        }
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::of(&POOL)
    }
}

impl Room {
    /// Nothing yet of `pool`.
    pub(super) fn of(pool: &'static Pool) -> Self {
        Self { pool, taken: 0 }
    }

    /// Takes so many bytes more, if they are free.
    pub(super) fn grow(&mut self, bytes: u64) -> bool {
        let Pool { max, kept } = self.pool;
        let add = |kept: u64| kept.checked_add(bytes).filter(|kept| kept <= max);
        let grown = kept
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
            .is_ok();
        self.taken += if grown { bytes } else { 0 };
        grown
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.pool.kept.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replayed(kept: &Rc<Kept>) -> (Vec<u8>, bool) {
        let mut replay = Replay::new(kept.clone());
        let (mut data, mut trailers) = (Vec::new(), false);
        while let Some(frame) = replay.next() {
            trailers |= frame.is_trailers();
            data.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
        (data, trailers)
    }

    #[test]
    fn what_is_kept_can_be_sent_again_and_again() {
        let body: Vec<u8> = (0..=u8::MAX).cycle().take(3 * MAX_PART + 7).collect();
        let mut keeping = Keeping::default();
        assert!(body.chunks(1000).all(|part| keeping.push(part)));
        keeping.end(HeaderMap::new());
        let kept = keeping.whole();
        for _ in 0..2 {
            assert_eq!(replayed(&kept), (body.clone(), true));
        }
    }

    #[test]
    fn a_pool_keeps_so_much_and_no_more_and_has_room_again_later() {
        static SMALL: Pool = Pool::new(4000);
        let keeping = || Keeping {
            room: Room::of(&SMALL),
            ..Keeping::default()
        };
        let (mut one, mut two) = (keeping(), keeping());
        assert!(one.push(&[0; 1000]) && one.push(&[0; 1000]) && two.push(&[0; 1500]));
        assert!(!one.push(&[0]), "it would take 2000 bytes more");
        let kept = one.whole();
        assert!(!two.push(&[0; 1000]), "what is whole is kept, too");
        drop(kept);
        assert!(two.push(&[0; 1000]));
        drop(two);
        assert_eq!(SMALL.kept.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn those_whose_limit_a_body_exceeds_get_nothing_of_it() {
        let mut tee = Tee::default();
        let mut wanted = [tee.add(3), tee.add(4)];
        assert!(tee.push(&Frame::data(Bytes::from_static(b"ab"))));
        assert!(tee.push(&Frame::data(Bytes::from_static(b"cd"))));
        tee.finish();
        let got = wanted.each_mut().map(|wanted| wanted.try_recv().is_ok());
        assert_eq!(got, [false, true]);
        let mut tee = Tee::default();
        let _nobody = tee.add(1);
        assert!(!tee.push(&Frame::data(Bytes::from_static(b"ab"))));
    }
}

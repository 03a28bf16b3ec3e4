//! What the frames of one HTTP/2 connection cost, held against the work that they carry.
//!
//! PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, frames of unknown kinds and DATA without data keep a worker busy
//! and ask for nothing. A client has some of them for nothing, more with time, and more again with each request and with
//! what it is sent; one that sends still more is sent away. The [`Frames`] see the bytes as the codec reads them.

use std::{cell::RefCell, time::Instant};

/// Frames that a connection may send for nothing, at its start and after a pause.
const FREE: u32 = 2048;

/// How many of them come back with each second.
const FREE_PER_SECOND: u32 = 100;

/// What a request earns: its priority, its end in a frame of its own, a reset.
const REQUEST_EARNS: u32 = 8;

/// What a frame with a part of a request's body earns.
const DATA_EARNS: u32 = 1;

/// What a part of an answer earns: updates of two windows, and a PING that measures.
const PART_EARNS: u32 = 4;

/// Bytes of answers that earn one frame more: clients open their windows as they read.
const BYTES_PER_FRAME: usize = 32;

/// What a connection may save. What is on its way to a client can come back as updates of its windows long after it
/// was earned, so this is much; the codec goes through it in a tenth of a second.
const MAX_SAVED: u32 = 1 << 20;

/// What a connection begins with, before any frame (RFC 9113 3.4).
const PREFACE_LENGTH: usize = 24;

/// The head of a frame (RFC 9113 4.1).
const HEAD_LENGTH: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PADDED: u8 = 8;

/// The account of one connection.
#[derive(Debug)]
pub(in crate::entrypoint) struct Frames(RefCell<Account>);

impl Frames {
    /// That of a connection that begins at `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self(RefCell::new(Account {
            cutter: Cutter::new(),
            newest_stream: 0,
            saved: FREE,
            counted: now,
            is_over: false,
        }))
    }

    /// The client has sent `bytes`. False once it has sent too much that only costs.
    pub(super) fn received(&self, mut bytes: &[u8]) -> bool {
        let mut account = self.0.borrow_mut();
        while let Some(head) = account.cutter.next(&mut bytes) {
            account.book(head);
        }
        !account.is_over
    }

    /// A part of an answer, of `length` bytes, goes to the client.
    pub(in crate::entrypoint) fn sent(&self, length: usize) {
        let by_length = u32::try_from(length / BYTES_PER_FRAME).unwrap_or(MAX_SAVED);
        self.0.borrow_mut().earn(by_length.saturating_add(PART_EARNS));
    }

    /// True once the client has sent too much that only costs.
    pub(super) fn is_over(&self) -> bool {
        self.0.borrow().is_over
    }

    /// The newest request.
    pub(super) fn newest_stream(&self) -> u32 {
        self.0.borrow().newest_stream
    }
}

#[derive(Debug)]
struct Account {
    cutter: Cutter,
    newest_stream: u32,
    saved: u32,
    /// Time until then has been turned into frames.
    counted: Instant,
    is_over: bool,
}

impl Account {
    fn book(&mut self, head: Head) {
        match head.kind {
            DATA if head.carries > 0 => self.earn(DATA_EARNS),
            HEADERS if head.stream > self.newest_stream => {
                self.newest_stream = head.stream;
                self.earn(REQUEST_EARNS);
            }
            _ => self.pay(),
        }
    }

    fn earn(&mut self, frames: u32) {
        self.saved = self.saved.saturating_add(frames).min(MAX_SAVED);
    }

    /// The clock is read only when nothing is left.
    fn pay(&mut self) {
        if self.saved == 0 {
            let now = Instant::now();
            let passed = now.saturating_duration_since(self.counted).as_millis();
            let frames = passed.saturating_mul(u128::from(FREE_PER_SECOND)) / 1000;
            self.saved = u32::try_from(frames).unwrap_or(FREE).min(FREE);
            if self.saved > 0 {
                self.counted = now;
            }
        }
        match self.saved.checked_sub(1) {
            Some(left) => self.saved = left,
            None => self.is_over = true,
        }
    }
}

/// What the head of a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: u8,
    pub(super) stream: u32,
    /// Bytes without padding.
    pub(super) carries: u32,
}

/// Cuts what is read into frames, however it comes.
#[derive(Debug)]
pub(super) struct Cutter {
    head: [u8; HEAD_LENGTH + 1],
    seen: usize,
    /// Bytes until the next head.
    skip: usize,
}

impl Cutter {
    pub(super) fn new() -> Self {
        Self {
            head: [0; HEAD_LENGTH + 1],
            seen: 0,
            skip: PREFACE_LENGTH,
        }
    }

    /// The next head that ends in `bytes`, which lose what was looked at.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Head> {
        let (skipped, rest) = bytes.split_at(self.skip.min(bytes.len()));
        self.skip -= skipped.len();
        *bytes = rest;
        while let Some((byte, rest)) = bytes.split_first() {
            *bytes = rest;
            if let Some(place) = self.head.get_mut(self.seen) {
                *place = *byte;
            }
            self.seen += 1;
            if let Some(head) = self.whole() {
                return Some(head);
            }
        }
        None
    }

    /// The head, once it is complete. That of padded DATA goes on with the length of the padding.
    fn whole(&mut self) -> Option<Head> {
        if self.seen < HEAD_LENGTH {
            return None;
        }
        let [a, b, c, kind, flags, d, e, f, g, padding] = self.head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let is_padded = kind == DATA && flags & PADDED != 0 && length > 0;
        if is_padded && self.seen == HEAD_LENGTH {
            return None;
        }
        let idle = if is_padded { 1 + u32::from(padding) } else { 0 };
        self.skip = (length - u32::from(is_padded)) as usize;
        self.seen = 0;
        Some(Head {
            kind,
            stream: u32::from_be_bytes([d, e, f, g]) & (u32::MAX >> 1),
            carries: length.saturating_sub(idle),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const WINDOW_UPDATE: u8 = 8;
    const PING: u8 = 6;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    fn begun() -> Frames {
        let frames = Frames::new(Instant::now());
        assert!(frames.received(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
        frames
    }

    /// How many of `frame` a connection may send before it is over.
    fn allowed(frames: &Frames, frame: &[u8]) -> u32 {
        (0..).find(|_| !frames.received(frame)).unwrap()
    }

    #[test]
    fn what_only_costs_is_taken_for_a_while_and_then_no_more() {
        let empty = frame(DATA, 0, 1, &[]);
        let padding = frame(DATA, PADDED, 1, &[3, 0, 0, 0]);
        let kinds = (2..=255).filter(|kind| *kind != HEADERS);
        let others = kinds.map(|kind| frame(kind, 0, 0, b"12345678"));
        for flood in others.chain([empty, padding]) {
            let allowed = allowed(&begun(), &flood);
            assert!((FREE..FREE + 100).contains(&allowed), "{allowed} of {flood:?}");
        }
    }

    #[test]
    fn requests_bodies_and_answers_earn_what_goes_with_them() {
        let frames = begun();
        let update = frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]);
        for n in 0..10 * FREE {
            let request = frame(HEADERS, 4, 1 + 2 * n, b"head");
            let small = frame(DATA, PADDED, 1 + 2 * n, &[1, 7, 0]);
            let end = frame(DATA, 1, 1 + 2 * n, &[]);
            assert!(
                frames.received(&[request, small, end, update.clone()].concat()),
                "{n}"
            );
        }
        for _ in 0..100 * FREE {
            frames.sent(1);
            let ping = frame(PING, 0, 0, b"12345678");
            assert!(frames.received(&[&update[..], &update, &ping].concat()));
        }
    }

    #[test]
    fn windows_may_be_opened_for_all_that_is_on_its_way() {
        let frames = begun();
        let (sent, each) = (16 * 1024 * 1024, 128);
        for _ in 0..sent / 65_536 {
            frames.sent(65_536);
        }
        let updates = frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, each]).repeat(2);
        for _ in 0..sent / usize::from(each) {
            assert!(frames.received(&updates));
        }
    }

    #[test]
    fn trailers_and_heads_of_old_streams_earn_nothing() {
        let frames = begun();
        assert!(frames.received(&frame(HEADERS, 4, 9, b"head")));
        let allowed = allowed(&frames, &frame(HEADERS, 4, 7, b"head"));
        assert!(allowed < FREE + 100, "{allowed}");
        assert_eq!(frames.newest_stream(), 9);
    }

    #[test]
    fn time_brings_back_some() {
        let frames = begun();
        let ping = frame(PING, 0, 0, b"12345678");
        while frames.0.borrow().saved > 0 {
            assert!(frames.received(&ping));
        }
        let ago = Instant::now().checked_sub(Duration::from_secs(5)).unwrap();
        frames.0.borrow_mut().counted = ago;
        let allowed = allowed(&frames, &ping);
        assert!((500..700).contains(&allowed), "{allowed}");
    }

    fn any_frame() -> impl Strategy<Value = Vec<u8>> {
        let payload = prop::collection::vec(any::<u8>(), 0..40);
        (0..12_u8, any::<u8>(), any::<u32>(), payload)
            .prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload))
    }

    proptest! {
        #[test]
        fn any_cutting_of_the_bytes_is_the_same_account(
            sent in prop::collection::vec(any_frame(), 0..40),
            cuts in prop::collection::vec(1..50_usize, 1..20),
        ) {
            let (whole, cut) = (begun(), begun());
            for frame in &sent {
                whole.received(frame);
            }
            let bytes = sent.concat();
            let mut rest = &bytes[..];
            for length in cuts.iter().cycle() {
                let (part, after) = rest.split_at(rest.len().min(*length));
                cut.received(part);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            let (whole, cut) = (whole.0.into_inner(), cut.0.into_inner());
            prop_assert_eq!(whole.saved, cut.saved);
            prop_assert_eq!(whole.newest_stream, cut.newest_stream);
            prop_assert_eq!(cut.cutter.seen, 0);
        }

        #[test]
        fn no_bytes_are_a_panic(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20)) {
            let frames = Frames::new(Instant::now());
            for part in parts {
                frames.received(&part);
            }
        }
    }
}
